// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The C interface, from C: `capi.c` built against each form of the library, and run.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The directory with `libsigcr.so` and `libsigcr.a`, which cargo builds for this test.
fn built() -> PathBuf {
    let test = env::current_exe().unwrap();
    let dir = test.parent().unwrap();
    assert!(dir.join("libsigcr.so").exists(), "{}", dir.display());
    dir.to_owned()
}

/// The library installed as its users do it, in a directory of its own.
fn installed() -> TempDir {
    let prefix = tempfile::tempdir().unwrap();
    let mut install = Command::new("sh");
    install.arg(package().join("install.sh")).arg(built());
    run(install.env("PREFIX", prefix.path()).env_remove("LIBDIR"));
    prefix
}

fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A compiler that takes no warning.
fn compiler(name: &str) -> Command {
    let mut compiler = Command::new(name);
    let version = format!("-DVERSION=\"{}\"", env!("CARGO_PKG_VERSION"));
    compiler
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", &version])
        .arg(format!("-I{}", package().join("include").display()));
    compiler
}

/// Runs the C program, with libraries from `lib_dir`.
fn run_capi(program: &Path, lib_dir: &Path) {
    let output = run(Command::new(program)
        .arg(package().join("testdata"))
        .env("LD_LIBRARY_PATH", lib_dir));
    assert!(output.starts_with("passed; the kernel"), "{output}");
}

#[test]
fn a_c_program_works_with_the_static_library() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("capi");
    run(compiler("cc")
        .arg("-o")
        .arg(&program)
        .arg(package().join("tests/capi.c"))
        .arg(built().join("libsigcr.a"))
        .args([
            "-lgcc_s",
            "-lutil",
            "-lrt",
            "-lpthread",
            "-lm",
            "-ldl",
            "-lc",
        ]));
    run_capi(&program, dir.path());
}

#[test]
fn a_c_program_works_with_the_shared_library_by_its_soname() {
    let prefix = installed();
    let lib = prefix.path().join("lib");
    let program = prefix.path().join("capi");
    run(compiler("cc")
        .arg("-o")
        .arg(&program)
        .arg(package().join("tests/capi.c"))
        .arg("-L")
        .arg(&lib)
        .arg("-lsigcr"));
    // Programs find the library by the name that stands for its interface.
    fs::remove_file(lib.join("libsigcr.so")).unwrap();
    run_capi(&program, &lib);
    fs::remove_file(lib.join("libsigcr.so.0")).unwrap();
    let alone = Command::new(&program)
        .env("LD_LIBRARY_PATH", &lib)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&alone.stderr);
    assert!(words.contains("libsigcr.so.0"), "{words}");
}

#[test]
fn pkg_config_knows_how_to_build_with_the_library() {
    if Command::new("pkg-config")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("not tested: pkg-config is not installed");
        return;
    }
    let prefix = installed();
    let lib = prefix.path().join("lib");
    let pkg_config = |args: &[&str]| {
        run(Command::new("pkg-config")
            .args(args)
            .arg("sigcr")
            .env("PKG_CONFIG_PATH", lib.join("pkgconfig")))
    };
    let version = pkg_config(&["--modversion"]);
    assert_eq!(version.trim(), env!("CARGO_PKG_VERSION"));
    let program = prefix.path().join("capi");
    let build = |flags: &str| {
        // Without the package's own include directory: the flags must lead to the header.
        run(Command::new("cc")
            .arg(format!("-DVERSION=\"{}\"", env!("CARGO_PKG_VERSION")))
            .arg("-o")
            .arg(&program)
            .arg(package().join("tests/capi.c"))
            .args(flags.split_whitespace()));
        run_capi(&program, &lib);
    };
    build(&pkg_config(&["--cflags", "--libs"]));
    for shared in ["libsigcr.so", "libsigcr.so.0"] {
        fs::remove_file(lib.join(shared)).unwrap();
    }
    build(&pkg_config(&["--cflags", "--libs", "--static"]));
}

#[test]
fn the_header_agrees_with_the_one_of_the_kernel() {
    let uapi = package().join("../kernel-patch/tree/include/uapi");
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("both.c");
    // A macro that is defined twice must be the same both times.
    for (first, second) in [("linux/sigcr.h", "sigcr.h"), ("sigcr.h", "linux/sigcr.h")] {
        let text = format!("#include <{first}>\n#include <{second}>\n");
        fs::write(&source, text).unwrap();
        run(compiler("cc")
            .args(["-fsyntax-only", "-I"])
            .arg(&uapi)
            .arg(&source));
    }
}

#[test]
fn the_header_is_good_for_cplusplus_and_for_old_c() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("alone.c");
    fs::write(&source, "#include <sigcr.h>\n").unwrap();
    run(compiler("cc")
        .args(["-std=c99", "-fsyntax-only"])
        .arg(&source));
    if Command::new("c++").arg("--version").output().is_err() {
        eprintln!("not tested: there is no C++ compiler");
        return;
    }
    let source = dir.path().join("alone.cc");
    let text = "#include <sigcr.h>\nint main() { return sigcr_version() == nullptr; }\n";
    fs::write(&source, text).unwrap();
    run(compiler("c++")
        .arg("-o")
        .arg(dir.path().join("alone"))
        .arg(&source)
        .arg("-L")
        .arg(built())
        .arg("-lsigcr"));
}

#[test]
fn the_library_exports_what_the_header_declares_and_nothing_else() {
    let header = fs::read_to_string(package().join("include/sigcr.h")).unwrap();
    // Without the comments, which name functions too.
    let code = header
        .split("*/")
        .filter_map(|part| part.split("/*").next());
    let mut declared: Vec<_> = code
        .flat_map(|part| part.split(['\n', '*', ' ']))
        .filter_map(|word| word.split_once('('))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    let text = run(Command::new("nm")
        .args(["--dynamic", "--defined-only", "--format=posix"])
        .arg(built().join("libsigcr.so")));
    let mut exported: Vec<_> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect();
    exported.sort();
    declared.sort();
    assert_eq!(exported, declared);
}
