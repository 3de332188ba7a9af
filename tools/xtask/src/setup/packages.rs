// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What has to be installed, chosen by what the host's archives have and not by its release's name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::apt::{self, Policy};
use super::tools;
use super::Missing;
use crate::kernel::base::ToolsBase;
use crate::util::command::capture;
use crate::util::paths::Paths;
use crate::util::version::Version;

/// One thing that is needed.
struct Need {
    what: &'static str,
    /// Is it here already, from whatever source?
    found: Box<dyn Fn() -> bool>,
    /// Sets of packages that bring it, the best first.
    choices: Vec<Choice>,
}

/// Packages that go together.
struct Choice {
    packages: Vec<String>,
    /// What the first of them must at least be.
    min: Option<Version>,
}

/// Installs what a kernel build lacks, or says what to install.
pub(crate) fn ensure(paths: &Paths, base: &ToolsBase) -> Result<()> {
    ensure_all(paths, &needs(base)?)
}

/// Installs a C++ compiler, if there is none, or says what to install.
pub(crate) fn ensure_cxx(paths: &Paths) -> Result<()> {
    let need = Need {
        what: "a C++ compiler",
        found: Box::new(|| tools::on_path("c++").is_some()),
        choices: vec![choice("g++", None)],
    };
    ensure_all(paths, &[need])
}

/// Installs what the kernel's own selftests are linked with, or says what to install.
pub(crate) fn ensure_selftests(paths: &Paths) -> Result<()> {
    let links = |args: &'static [&'static str]| -> Box<dyn Fn() -> bool> {
        Box::new(move || {
            let mut cc = Command::new("cc");
            cc.args(["-x", "c", "-static", "-o", "/dev/null", "-"])
                .args(args);
            with_input(
                &mut cc,
                b"#include <stdio.h>\nint main(void) { return puts(\"\"); }\n",
            )
        })
    };
    let needs = [
        Need {
            what: "libcap's headers and static library",
            found: links(&["-include", "sys/capability.h", "-lcap"]),
            choices: vec![choice("libcap-dev", None)],
        },
        Need {
            what: "what links static 32-bit programs",
            found: links(&["-m32"]),
            // The compiler's own library has its version in its package's name.
            choices: (12..=16)
                .rev()
                .map(|n| choice(&format!("lib32gcc-{n}-dev libc6-dev-i386"), None))
                .collect(),
        },
    ];
    ensure_all(paths, &needs)
}

/// Whether a program succeeds with this input; what it prints is of no interest.
fn with_input(command: &mut Command, input: &[u8]) -> bool {
    let mut run = || -> std::io::Result<bool> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input)?;
        }
        Ok(child.wait()?.success())
    };
    run().unwrap_or(false)
}

fn ensure_all(paths: &Paths, needs: &[Need]) -> Result<()> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !(need.found)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|need| need.what).collect();
    if !apt::is_here() {
        let text = format!(
            "missing on this host, which has no apt-get: {}. Install them and try again.",
            names.join(", ")
        );
        return Err(Missing(text).into());
    }
    install(&missing, &paths.log("packages")?)?;
    let still: Vec<&str> = missing
        .iter()
        .filter(|need| !(need.found)())
        .map(|need| need.what)
        .collect();
    if still.is_empty() {
        return Ok(());
    }
    let text = format!("still missing after the installation: {}", still.join(", "));
    Err(Missing(text).into())
}

fn install(missing: &[&Need], log: &Path) -> Result<()> {
    let root = nix::unistd::geteuid().is_root();
    let mut packages = choose_all(missing);
    // An image of a bare system has no package lists yet.
    if packages.is_err() && root {
        apt::update(log)?;
        packages = choose_all(missing);
    }
    let packages = packages?;
    let command = apt::install_args(&packages).join(" ");
    if !root {
        let text =
            format!("not root, so nothing is installed. Missing packages:\n  sudo {command}");
        return Err(Missing(text).into());
    }
    let mut result = apt::install(&packages, log);
    if result.is_err() {
        // The lists may be older than the archive.
        result = apt::update(log).and_then(|()| apt::install(&packages, log));
    }
    result.map_err(|e| Missing(format!("cannot install packages with\n  {command}\n{e:#}")).into())
}

fn choose_all(missing: &[&Need]) -> Result<Vec<String>> {
    let names: Vec<&str> = missing
        .iter()
        .flat_map(|need| &need.choices)
        .flat_map(|choice| choice.packages.iter().map(String::as_str))
        .collect();
    let policies = apt::policies(&names)?;
    let mut chosen = BTreeSet::new();
    for need in missing {
        match choose(&need.choices, &policies) {
            Some(packages) => chosen.extend(packages.iter().cloned()),
            None => {
                let tried: Vec<String> =
                    need.choices.iter().map(|c| c.packages.join(" ")).collect();
                let text = format!(
                    "{} is missing, and the host's package archives have none of: {}",
                    need.what,
                    tried.join("; ")
                );
                return Err(Missing(text).into());
            }
        }
    }
    Ok(chosen.into_iter().collect())
}

/// Returns the first choice that the archives can serve.
fn choose<'a>(choices: &'a [Choice], policies: &BTreeMap<String, Policy>) -> Option<&'a [String]> {
    let candidate = |name: &String| policies.get(name)?.candidate.as_deref();
    choices
        .iter()
        .find(|choice| {
            let new_enough = match (&choice.min, candidate(&choice.packages[0])) {
                (Some(min), Some(version)) => Version::parse(version).is_some_and(|v| v >= *min),
                (None, version) => version.is_some(),
                (_, None) => false,
            };
            new_enough && choice.packages.iter().all(|name| candidate(name).is_some())
        })
        .map(|choice| &choice.packages[..])
}

fn needs(base: &ToolsBase) -> Result<Vec<Need>> {
    let rustc_min = base.rustc_min()?;
    let llvm_min = base.llvm_min;
    let mut needs = vec![
        Need {
            what: "a Rust compiler with its library source, clippy and rustfmt",
            found: Box::new(move || tools::find_rust(&rustc_min).is_some()),
            choices: vec![
                choice(
                    "rustc rust-src rust-clippy rustfmt cargo",
                    Some(base.rustc_min()?),
                ),
                choice(
                    "rustc-web rust-web-src rust-web-clippy rustfmt-web cargo-web",
                    Some(base.rustc_min()?),
                ),
            ],
        },
        Need {
            what: "clang, lld, llvm and libclang",
            found: Box::new(move || tools::find_llvm(llvm_min).is_some()),
            // 19 is known to work well; then the newest.
            choices: [19, 22, 21, 20, 18, 17]
                .iter()
                .filter(|&&n| n >= llvm_min)
                .map(|n| {
                    choice(
                        &format!("clang-{n} lld-{n} llvm-{n} libclang-{n}-dev"),
                        None,
                    )
                })
                .collect(),
        },
    ];
    let programs = [
        ("make", "make"),
        ("cc", "gcc"),
        ("objcopy", "binutils"),
        ("flex", "flex"),
        ("bison", "bison"),
        ("bc", "bc"),
        ("cpio", "cpio"),
        ("kmod", "kmod"),
        ("rsync", "rsync"),
        ("xz", "xz-utils"),
        ("python3", "python3"),
        ("ccache", "ccache"),
        ("qemu-system-x86_64", "qemu-system-x86"),
    ];
    needs.extend(programs.map(|(program, package)| Need {
        what: program,
        found: Box::new(move || tools::on_path(program).is_some()),
        choices: vec![choice(package, None)],
    }));
    needs.push(Need {
        what: "perl with its modules",
        // A bare system has the language alone, which is not enough for checkpatch.
        found: Box::new(|| {
            let program = "use Term::ANSIColor; use Encode; use POSIX;";
            capture(Command::new("perl").args(["-e", program])).is_ok()
        }),
        choices: vec![choice("perl", None)],
    });
    let files = [
        (
            "the C library's headers",
            "/usr/include/stdio.h",
            "libc6-dev",
        ),
        (
            "the headers of libelf",
            "/usr/include/libelf.h",
            "libelf-dev",
        ),
        (
            "the headers of OpenSSL",
            "/usr/include/openssl/ssl.h",
            "libssl-dev",
        ),
        ("a static busybox", tools::BUSYBOX, "busybox-static"),
        (
            "certificates for https",
            "/etc/ssl/certs/ca-certificates.crt",
            "ca-certificates",
        ),
    ];
    needs.extend(files.map(|(what, file, package)| Need {
        what,
        found: Box::new(move || Path::new(file).exists()),
        choices: vec![choice(package, None)],
    }));
    Ok(needs)
}

fn choice(packages: &str, min: Option<Version>) -> Choice {
    Choice {
        packages: packages.split(' ').map(str::to_owned).collect(),
        min,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(candidates: &[(&str, &str)]) -> BTreeMap<String, Policy> {
        candidates
            .iter()
            .map(|(name, version)| {
                let policy = Policy {
                    installed: None,
                    candidate: Some((*version).to_owned()),
                };
                ((*name).to_owned(), policy)
            })
            .collect()
    }

    fn rust_choices() -> [Choice; 2] {
        let min = Version::parse("1.85");
        [
            choice("rustc rust-src", min.clone()),
            choice("rustc-web rust-web-src", min),
        ]
    }

    #[test]
    fn a_compiler_that_is_too_old_is_passed_over_for_the_next_choice() {
        let here = policies(&[
            ("rustc", "1.63.0+dfsg1-2"),
            ("rust-src", "1.63.0+dfsg1-2"),
            ("rustc-web", "1.96.0-1"),
            ("rust-web-src", "1.96.0-1"),
        ]);
        let choices = rust_choices();
        assert_eq!(choose(&choices, &here).unwrap()[0], "rustc-web");
    }

    #[test]
    fn a_choice_is_taken_only_if_all_its_packages_exist() {
        let here = policies(&[("rustc", "1.96.0"), ("rustc-web", "1.96.0")]);
        assert!(choose(&rust_choices(), &here).is_none());
    }
}
