// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where the tools are that build and boot the kernel, and their versions.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Missing;
use crate::kernel::base::ToolsBase;
use crate::util::command::capture;
use crate::util::hash::Key;
use crate::util::paths::Paths;
use crate::util::version::Version;

/// The shell and commands of the guest; the package installs it under this very name.
pub(crate) const BUSYBOX: &str = "/bin/busybox";

/// All tools of a kernel build, found once.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The Rust tools, all of one version.
    pub(crate) rust: RustTools,
    /// The folder with `clang`, `ld.lld` and the rest.
    pub(crate) llvm_bin: PathBuf,
    /// The binding generator.
    pub(crate) bindgen: PathBuf,
    /// The emulator.
    pub(crate) qemu: PathBuf,
    /// Where compiled C objects are remembered, if `ccache` is here.
    pub(crate) ccache_dir: Option<PathBuf>,
    /// Changes when any version does.
    pub(crate) versions_key: String,
}

/// A Rust compiler that has its library's source, and what comes with it.
#[derive(Clone, Debug)]
pub(crate) struct RustTools {
    /// The folder that all of them are in.
    pub(crate) bin: PathBuf,
}

impl RustTools {
    /// Returns the path of one of the tools.
    pub(crate) fn tool(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }
}

impl Tools {
    /// Finds all; what is missing now was not installed or is not usable.
    pub(crate) fn find(paths: &Paths, base: &ToolsBase, bindgen: PathBuf) -> Result<Self> {
        let missing = |what: &str| Missing(format!("{what} is missing"));
        let rust = find_rust(&base.rustc_min()?).ok_or_else(|| {
            missing("a Rust compiler with its library source (rust-src), clippy and rustfmt")
        })?;
        let llvm_bin =
            find_llvm(base.llvm_min).ok_or_else(|| missing("clang with lld and llvm"))?;
        let qemu = on_path("qemu-system-x86_64").ok_or_else(|| missing("qemu-system-x86_64"))?;
        let ccache_dir = match (on_path("ccache"), env::var_os("CCACHE_DIR")) {
            (None, _) => None,
            (Some(_), Some(dir)) => Some(PathBuf::from(dir)),
            (Some(_), None) => Some(paths.cache_dir("ccache")?),
        };
        let mut key = Key::default();
        for tool in [rust.tool("rustc"), llvm_bin.join("clang"), bindgen.clone()] {
            key.add(capture(Command::new(&tool).arg("--version"))?);
        }
        Ok(Self {
            rust,
            llvm_bin,
            bindgen,
            qemu,
            ccache_dir,
            versions_key: key.finish(),
        })
    }

    /// The search path that puts the chosen LLVM first.
    pub(crate) fn search_path(&self) -> Result<std::ffi::OsString> {
        let old = env::var_os("PATH").unwrap_or_default();
        let dirs = [self.llvm_bin.clone()]
            .into_iter()
            .chain(env::split_paths(&old));
        env::join_paths(dirs).context("PATH cannot be extended")
    }
}

/// Finds a program as a shell would.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        // An unprivileged user's path often lacks these.
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Finds a Rust compiler that can build the kernel: new enough, and with the library's source,
/// which a plain rustup toolchain does not have.
pub(crate) fn find_rust(min: &Version) -> Option<RustTools> {
    let path = env::var_os("PATH").unwrap_or_default();
    ["/usr/bin".into()]
        .into_iter()
        .chain(env::split_paths(&path))
        .find_map(|dir: PathBuf| {
            let rustc = dir.join("rustc");
            if !rustc.is_file() {
                return None;
            }
            let sysroot = capture(Command::new(&rustc).args(["--print", "sysroot"])).ok()?;
            let sysroot = Path::new(sysroot.trim());
            // A rustup proxy stands for the tools of its toolchain.
            let bin = sysroot.join("bin");
            let version = capture(Command::new(bin.join("rustc")).arg("--version")).ok()?;
            let complete = sysroot
                .join("lib/rustlib/src/rust/library/core/src/lib.rs")
                .is_file()
                && ["rustdoc", "rustfmt", "clippy-driver"]
                    .iter()
                    .all(|tool| bin.join(tool).is_file());
            (complete && Version::find(&version)? >= *min).then_some(RustTools { bin })
        })
}

/// Finds the folder of a complete LLVM: version 19 when it is there, else the newest.
pub(crate) fn find_llvm(min: u32) -> Option<PathBuf> {
    [19].into_iter()
        .chain((min..=40).rev())
        .filter(|&n| n >= min)
        .map(|n| PathBuf::from(format!("/usr/lib/llvm-{n}/bin")))
        .chain(llvm_of_path(min))
        .find(|bin| is_complete_llvm(bin))
}

/// On hosts other than Debian the tools are simply on the search path.
fn llvm_of_path(min: u32) -> Option<PathBuf> {
    let clang = on_path("clang")?;
    let version = capture(Command::new(&clang).arg("--version")).ok()?;
    let new_enough = Version::find(&version)? >= Version::parse(&min.to_string())?;
    new_enough.then(|| clang.parent().map(Path::to_owned))?
}

fn is_complete_llvm(bin: &Path) -> bool {
    let tools = [
        "clang",
        "ld.lld",
        "llvm-ar",
        "llvm-nm",
        "llvm-objcopy",
        "llvm-strip",
    ];
    let lib = bin.join("../lib");
    let libclang = std::fs::read_dir(lib).is_ok_and(|mut entries| {
        entries.any(|entry| {
            entry.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("libclang"))
        })
    });
    libclang && tools.iter().all(|tool| bin.join(tool).is_file())
}
