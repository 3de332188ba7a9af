// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The guest's programs: the Rust ones of this workspace and the C kselftests, all linked statically.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};
use serde::Deserialize;

use super::image::Image;
use crate::kernel::build::build_dir;
use crate::kernel::make::Make;
use crate::kernel::tree::Tree;
use crate::setup::tools::Tools;
use crate::util::command::logged;
use crate::util::files::{read, write_if_changed};
use crate::util::hash;
use crate::util::paths::Paths;
use crate::util::progress::Progress;

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// PID 1 of the guest.
const INIT: &str = "guest-init";
/// Folder of the kselftests in the kernel.
const KSELFTESTS: &str = "tools/testing/selftests/sigcr";
/// File in a target folder with the path of the checkout that it is of.
const CHECKOUT: &str = "checkout";

/// An image with all programs in it, and the names of those that are tests.
pub(crate) struct Programs {
    /// What the guest will have.
    pub(crate) image: Image,
    /// Guest paths of the test programs.
    pub(crate) tests: Vec<String>,
}

/// Builds everything for the guest; the kselftests only if there is a tree to build them against.
pub(crate) fn build(paths: &Paths, kselftests: Option<(&Tools, &Tree)>) -> Result<Programs> {
    let programs = build_rust(paths, GUEST_ARGS)?;
    let mut image = image_of(&programs)?;
    let mut tests = Vec::new();
    for path in &programs {
        let name = file_name(path);
        if name.ends_with("-cases") {
            tests.push(format!("/bin/{name}"));
        }
    }
    if let Some((tools, tree)) = kselftests {
        for path in build_kselftests(paths, tools, tree)? {
            let name = file_name(&path);
            image.add(&format!("selftests/{name}"), read(&path)?);
            if name.ends_with("_test") {
                tests.push(format!("/selftests/{name}"));
            }
        }
    }
    tests.sort();
    Ok(Programs { image, tests })
}

/// Builds what the bench needs, with the optimisation that its users would have.
pub(crate) fn build_bench(paths: &Paths) -> Result<Image> {
    image_of(&build_rust(paths, BENCH_ARGS)?)
}

/// Builds an image with nothing of this workspace but PID 1.
pub(crate) fn build_bare(paths: &Paths) -> Result<Image> {
    image_of(&build_rust(paths, BARE_ARGS)?)
}

/// An image with these programs in it.
fn image_of(programs: &[PathBuf]) -> Result<Image> {
    let init = programs
        .iter()
        .find(|path| file_name(path) == INIT)
        .context("the workspace has no guest-init")?;
    let mut image = Image::new(init)?;
    for path in programs.iter().filter(|path| file_name(path) != INIT) {
        image.add(&format!("bin/{}", file_name(path)), read(path)?);
    }
    Ok(image)
}

/// All programs of the workspace but this one.
const GUEST_ARGS: &[&str] = &["--workspace", "--exclude", "xtask", "--profile", "guest"];
const BARE_ARGS: &[&str] = &["--package", "guest-init", "--profile", "guest"];
const BENCH_ARGS: &[&str] = &[
    "--package",
    "guest-init",
    "--package",
    "bench",
    "--profile",
    "release",
];

/// Builds programs of the workspace.
fn build_rust(paths: &Paths, args: &[&str]) -> Result<Vec<PathBuf>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--bins"])
        .args(args)
        // An explicit target keeps the flags away from build scripts and procedural macros.
        .args(["--target", TARGET])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(target_dir(paths)?)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(&paths.root);
    let mut progress = Progress::spinner("building the guest's programs");
    let mut programs = Vec::new();
    logged(
        &mut command,
        &paths.log("guest-programs")?,
        |line| match executable(line) {
            Some(path) => programs.push(path),
            None if !line.starts_with('{') => progress.message(line.trim()),
            None => {}
        },
    )?;
    progress.done();
    programs.sort();
    Ok(programs)
}

/// Returns cargo's folder for the programs of this checkout.
///
/// Each checkout has its own: cargo gives the objects of a workspace the same names wherever it
/// lies, and tells by their times whether they are up to date.
fn target_dir(paths: &Paths) -> Result<PathBuf> {
    let all = paths.cache_dir("guest-target")?;
    for entry in fs::read_dir(&all).with_context(|| format!("cannot list {}", all.display()))? {
        let path = entry?.path();
        if path.is_dir() && !is_of_a_checkout(&path) {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    let root = paths.root.as_os_str().as_bytes();
    let dir = all.join(&hash::of_bytes(root)[..16]);
    write_if_changed(&dir.join(CHECKOUT), root, false)?;
    Ok(dir)
}

/// Whether a folder is of a checkout that is still there.
fn is_of_a_checkout(dir: &Path) -> bool {
    fs::read(dir.join(CHECKOUT)).is_ok_and(|root| {
        Path::new(OsStr::from_bytes(&root))
            .join("Cargo.toml")
            .exists()
    })
}

/// Returns the program that a line of cargo's messages tells of.
fn executable(line: &str) -> Option<PathBuf> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        executable: Option<PathBuf>,
    }
    let message: Message = serde_json::from_str(line).ok()?;
    (message.reason == "compiler-artifact")
        .then_some(message.executable)
        .flatten()
}

/// Builds the C tests in the way that the kernel's own test frame does.
fn build_kselftests(paths: &Paths, tools: &Tools, tree: &Tree) -> Result<Vec<PathBuf>> {
    let source = tree.dir.join(KSELFTESTS);
    if !source.join("Makefile").exists() {
        bail!("the patch has no kselftests ({KSELFTESTS}/Makefile)");
    }
    let progress = Progress::spinner("building the kselftests");
    let log = paths.log("kselftests")?;
    let out = build_dir(paths, tree, "selftests");
    let make = Make::new(tools, &tree.dir, out.join("headers"))?;
    let stamp = out.join("headers-for");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(&tree.key) || tree.id.starts_with("user-")
    {
        logged(&mut make.command(&["headers"])?, &log, |_| {})?;
        fs::write(&stamp, &tree.key)?;
    }
    let programs = out.join("programs");
    // Make sees neither a change of the installed headers nor a test that is gone.
    if programs.exists() {
        fs::remove_dir_all(&programs)?;
    }
    fs::create_dir_all(&programs)?;
    let headers = make.out.join("usr/include");
    let mut command = make.bare_command()?;
    command.arg("-C").arg(&source).args([
        format!("OUTPUT={}", programs.display()),
        format!("KHDR_INCLUDES=-isystem {}", headers.display()),
        "USERLDFLAGS=-static".to_owned(),
        "USERCFLAGS=-Werror".to_owned(),
        // What lib.mk derives from LLVM=1, which a CC on the command line would override.
        "CC=clang -fintegrated-as".to_owned(),
    ]);
    command.stdin(Stdio::null());
    logged(&mut command, &log, |_| {})?;
    progress.done();
    let mut found: Vec<PathBuf> = fs::read_dir(&programs)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF")))
        .filter(|path| path.extension().is_none())
        .collect();
    found.sort();
    if !found.iter().any(|path| file_name(path).ends_with("_test")) {
        bail!("no kselftest was built in {}", programs.display());
    }
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_checkout_has_its_own_objects_and_leaves_none_behind() {
        let home = tempfile::tempdir().unwrap();
        let paths = |name: &str| {
            let root = home.path().join(name);
            fs::create_dir_all(&root).unwrap();
            fs::write(root.join("Cargo.toml"), "").unwrap();
            let cache = home.path().join("cache");
            Paths { root, cache }
        };
        let (first, second) = (paths("first"), paths("second"));
        // As of a time when all checkouts had one.
        let old = home
            .path()
            .join("cache/guest-target/x86_64-unknown-linux-gnu");
        fs::create_dir_all(&old).unwrap();
        let dir = target_dir(&first).unwrap();
        fs::write(dir.join("object"), "").unwrap();
        assert!(!old.exists());
        assert_ne!(target_dir(&second).unwrap(), dir);
        assert_eq!(target_dir(&first).unwrap(), dir);
        assert!(dir.join("object").exists());
        fs::remove_dir_all(&first.root).unwrap();
        assert!(target_dir(&second).unwrap().exists() && !dir.exists());
    }

    #[test]
    fn programs_are_found_in_the_messages_of_cargo() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"x"},"executable":"/t/x"}"#;
        assert_eq!(executable(line), Some(PathBuf::from("/t/x")));
        for line in [
            r#"{"reason":"compiler-artifact","executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
            "   Compiling x v0.1.0",
        ] {
            assert_eq!(executable(line), None, "{line}");
        }
    }
}
