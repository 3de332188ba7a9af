// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where the kernel's source comes from: several places, tried in order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};

use super::archive::{feed, Archive};
use super::base::{Base, UpstreamBase};
use crate::setup::{apt, tools, Missing};
use crate::util::command::capture;
use crate::util::hash;
use crate::util::paths::Paths;
use crate::util::progress::Progress;
use crate::util::version::Version;

/// A kernel source that may be used.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// An archive in the cache.
    Archive(Archive),
    /// A tree of the user's own, which is copied and never touched.
    UserTree(PathBuf),
}

impl Source {
    /// Names it; part of folder names.
    pub(crate) fn id(&self) -> String {
        match self {
            Self::Archive(archive) => archive.id.clone(),
            Self::UserTree(dir) => {
                let hash = hash::of_bytes(dir.as_os_str().as_encoded_bytes());
                format!("user-{}", &hash[..12])
            }
        }
    }
}

/// Returns the first source that `accept` takes, and what `accept` made of it.
///
/// # Errors
///
/// Says of each source why it could not be used.
pub(crate) fn first_accepted<T>(
    paths: &Paths,
    base: &Base,
    user_tree: Option<&Path>,
    accept: impl Fn(&Source) -> Result<T>,
) -> Result<T> {
    if let Some(dir) = user_tree {
        // Who names a tree wants that one and no other.
        let dir = dir
            .canonicalize()
            .with_context(|| format!("no kernel tree at {}", dir.display()))?;
        return accept(&Source::UserTree(dir));
    }
    let downloads = paths.cache_dir("downloads")?;
    let mut tried = Vec::new();
    for archive in Archive::all_in(&downloads)? {
        let id = archive.id.clone();
        match accept(&Source::Archive(archive)) {
            Ok(accepted) => return Ok(accepted),
            Err(e) => tried.push(format!("the cache's {id}: {e:#}")),
        }
    }
    for place in places(base) {
        let result = place
            .fetch(paths, base, &downloads)
            .and_then(|archive| accept(&Source::Archive(archive)));
        match result {
            Ok(accepted) => return Ok(accepted),
            Err(e) => tried.push(format!("{}: {e:#}", place.name())),
        }
    }
    let line = base.kernel.line()?;
    let text = format!(
        "no usable source of Linux {line} was found. Tried:\n- {}\n\
         Remedy: get any {line}.y yourself and name its folder with --tree DIR.",
        tried.join("\n- ")
    );
    Err(Missing(text).into())
}

/// A place on the network.
enum Place {
    Host,
    Suite(String),
    Upstream,
}

fn places(base: &Base) -> Vec<Place> {
    let mut places = Vec::new();
    if apt::is_here() {
        places.push(Place::Host);
        places.extend(base.kernel.debian.suites.iter().cloned().map(Place::Suite));
    }
    places.push(Place::Upstream);
    places
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Host => "the host's own package set-up".to_owned(),
            Self::Suite(suite) => format!("suite {suite} of the host's package archive"),
            Self::Upstream => "kernel.org".to_owned(),
        }
    }

    fn fetch(&self, paths: &Paths, base: &Base, downloads: &Path) -> Result<Archive> {
        let suite = match self {
            Self::Upstream => return fetch_upstream(&base.kernel.upstream, downloads),
            Self::Host => apt::Suite::of_the_host(),
            Self::Suite(name) => apt::Suite::open(&paths.cache_dir("apt")?, name)?,
        };
        let package = &base.kernel.debian.package;
        let to = downloads.join("partial");
        if to.exists() {
            fs::remove_dir_all(&to)?;
        }
        let (deb, version) = suite.download(package, &base.kernel.line()?, &to)?;
        let archive = archive_of_package(&deb, &version, downloads)?;
        fs::remove_dir_all(&to)?;
        Ok(archive)
    }
}

/// Takes the source archive out of a source package.
fn archive_of_package(deb: &Path, version: &str, downloads: &Path) -> Result<Archive> {
    let mut dpkg = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(deb)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run dpkg-deb")?;
    let id = format!("{}-debian", file_name(version));
    let partial = downloads.join("partial.tar.xz");
    let mut tar = Command::new("tar")
        .args([
            "--extract",
            "--to-stdout",
            "--wildcards",
            "./usr/src/linux-source-*.tar.xz",
        ])
        .stdin(Stdio::piped())
        .stdout(fs::File::create(&partial)?)
        .spawn()
        .context("cannot run tar")?;
    let mut packed = dpkg.stdout.take().context("dpkg-deb has no output")?;
    let mut progress = Progress::spinner("taking the source out of the package");
    feed(&mut tar, &mut packed, |_| progress.message(""))?;
    let status = dpkg.wait()?;
    if !status.success() {
        bail!("dpkg-deb failed: {status}");
    }
    progress.done();
    let file = downloads.join(format!("linux-{id}.tar.xz"));
    fs::rename(&partial, &file)?;
    Archive::describe(&id, file)
}

fn fetch_upstream(upstream: &UpstreamBase, downloads: &Path) -> Result<Archive> {
    let name = &upstream.tarball;
    let expected = match &upstream.sha256 {
        Some(sha256) => sha256.clone(),
        None => {
            let sums = downloads.join("sha256sums.asc");
            download(&format!("{}/sha256sums.asc", upstream.folder), &sums)?;
            let sums = crate::util::files::read_text(&sums)?;
            checksum_of(&sums, name)
                .with_context(|| format!("sha256sums.asc does not list {name}"))?
                .to_owned()
        }
    };
    let partial = downloads.join(format!("{name}.partial"));
    let progress = Progress::spinner(&format!("downloading {name}"));
    download(&format!("{}/{name}", upstream.folder), &partial)?;
    progress.done();
    let actual = hash::of_file(&partial)?;
    if actual != expected {
        fs::remove_file(&partial)?;
        bail!("{name} has the checksum {actual}, not {expected}");
    }
    let version = Version::find(&name.replace('-', " ")).context("the tarball names no version")?;
    let file = downloads.join(name);
    fs::rename(&partial, &file)?;
    Archive::describe(&format!("{version}-upstream"), file)
}

/// Downloads with what is there: curl, or the helper that comes with apt.
fn download(address: &str, to: &Path) -> Result<()> {
    if !address.starts_with("https://") {
        bail!("{address}: only https is accepted");
    }
    let apt_helper = "/usr/lib/apt/apt-helper";
    let mut command = if tools::on_path("curl").is_some() {
        let mut curl = Command::new("curl");
        curl.args(["--fail", "--silent", "--show-error", "--location"])
            .args(["--proto", "=https", "--connect-timeout", "20", "--output"])
            .arg(to)
            .arg(address);
        curl
    } else if Path::new(apt_helper).exists() {
        let mut helper = Command::new(apt_helper);
        helper
            .args(["-o", "Acquire::https::Timeout=20", "download-file", address])
            .arg(to);
        helper
    } else {
        bail!("neither curl nor apt is here to download {address}");
    };
    capture(&mut command)?;
    Ok(())
}

/// Finds a file's checksum in a list as `sha256sum` prints it.
fn checksum_of<'a>(sums: &'a str, name: &str) -> Option<&'a str> {
    sums.lines().find_map(|line| {
        let (sum, file) = line.split_once("  ")?;
        (file.trim() == name && sum.len() == 64).then_some(sum)
    })
}

/// A package version may hold characters that are a nuisance in a file name.
fn file_name(version: &str) -> String {
    version
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || ".-+".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_found_by_the_exact_name() {
        let sum = "a".repeat(64);
        let other = "b".repeat(64);
        let sums = format!(
            "-----BEGIN PGP SIGNED MESSAGE-----\n{other}  linux-7.3.40.tar.xz\n{sum}  linux-7.3.4.tar.xz\n"
        );
        assert_eq!(checksum_of(&sums, "linux-7.3.4.tar.xz"), Some(&*sum));
        assert_eq!(checksum_of(&sums, "linux-7.3.5.tar.xz"), None);
    }

    #[test]
    fn plain_http_is_refused() {
        let to = tempfile::tempdir().unwrap();
        let error = download("http://example.invalid/x", &to.path().join("x")).unwrap_err();
        assert!(error.to_string().contains("only https"));
    }

    #[test]
    fn a_package_version_becomes_a_plain_file_name() {
        assert_eq!(file_name("7.3.4-1~bpo13+1"), "7.3.4-1_bpo13+1");
    }
}
