// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Questions to apt: what the host could install, and what other suites of its archive hold.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{bail, Context, Result};

use crate::util::command::{capture, logged};
use crate::util::progress::Progress;
use crate::util::version::Version;

/// A package as `apt-cache policy` knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Version that is installed.
    pub(crate) installed: Option<String>,
    /// Version that would be installed.
    pub(crate) candidate: Option<String>,
}

/// Is this a host with apt?
pub(crate) fn is_here() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// Asks for several packages at once; one that apt does not know is not in the answer.
pub(crate) fn policies(names: &[&str]) -> Result<BTreeMap<String, Policy>> {
    let mut command = apt("apt-cache");
    command.arg("policy").args(names);
    Ok(parse_policies(&capture(&mut command)?))
}

/// Refreshes the host's package lists.
pub(crate) fn update(log: &Path) -> Result<()> {
    let progress = Progress::spinner("package lists");
    logged(apt("apt-get").arg("update"), log, |_| {})?;
    progress.done();
    Ok(())
}

/// Arguments of the command that installs packages, for running it and for showing it.
pub(crate) fn install_args(names: &[String]) -> Vec<String> {
    let fixed = ["apt-get", "install", "--yes", "--no-install-recommends"];
    fixed
        .iter()
        .map(|&arg| arg.to_owned())
        .chain(names.iter().cloned())
        .collect()
}

/// Installs packages.
pub(crate) fn install(names: &[String], log: &Path) -> Result<()> {
    let mut progress = Progress::spinner(&format!("installing {} packages", names.len()));
    let args = install_args(names);
    logged(apt(&args[0]).args(&args[1..]), log, |line| {
        progress.message(line)
    })?;
    progress.done();
    Ok(())
}

/// Something to download packages from.
pub(crate) struct Suite {
    /// Lists and cache of its own, so that the host's set-up is not touched.
    dir: Option<PathBuf>,
    name: String,
}

impl Suite {
    /// All that the host itself is set up with.
    pub(crate) fn of_the_host() -> Self {
        Self {
            dir: None,
            name: "the host's own set-up".to_owned(),
        }
    }

    /// Another suite of the host's archive: fetches the lists of the suite `name` into `dir`.
    pub(crate) fn open(dir: &Path, name: &str) -> Result<Self> {
        let site = archive_site()?;
        let dir = dir.join(name);
        for below in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(below))?;
        }
        let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
        let list = format!("deb [signed-by={keyring}] {site} {name} main\n");
        fs::write(dir.join("sources.list"), list)?;
        let suite = Self {
            dir: Some(dir),
            name: name.to_owned(),
        };
        capture(suite.apt("apt-get").arg("update"))
            .with_context(|| format!("the archive has no usable suite {name}"))?;
        Ok(suite)
    }

    /// Downloads the newest version of `package` that is of the given line, and returns the file
    /// and its version.
    pub(crate) fn download(
        &self,
        package: &str,
        line: &Version,
        to: &Path,
    ) -> Result<(PathBuf, String)> {
        let policy = capture(self.apt("apt-cache").args(["policy", package]))?;
        let candidate = parse_policies(&policy)
            .remove(package)
            .and_then(|policy| policy.candidate)
            .with_context(|| format!("{} has no package {package}", self.name))?;
        if !Version::parse(&candidate).is_some_and(|v| v.is_of(line)) {
            bail!(
                "{} has {package} {candidate}, which is not {line}",
                self.name
            );
        }
        let show = capture(self.apt("apt-cache").args(["show", package]))?;
        let total_len = show
            .lines()
            .find_map(|line| line.strip_prefix("Size: "))
            .and_then(|size| size.trim().parse().ok())
            .unwrap_or(0);
        fs::create_dir_all(to)?;
        let mut command = self.apt("apt-get");
        command
            .args(["download", &format!("{package}={candidate}")])
            .current_dir(to);
        download_with_progress(command, &format!("{package} {candidate}"), to, total_len)?;
        let file = fs::read_dir(to)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|ext| ext == "deb"))
            .context("apt-get download left no package")?;
        Ok((file, candidate))
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = apt(program);
        let Some(dir) = &self.dir else {
            return command;
        };
        let dir = dir.display();
        for option in [
            format!("Dir::Etc::SourceList={dir}/sources.list"),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            format!("Dir::State::Lists={dir}/lists"),
            format!("Dir::Cache={dir}/cache"),
        ] {
            command.args(["-o", &option]);
        }
        command
    }
}

/// Runs a download and shows how far the files in `dir` have grown.
fn download_with_progress(
    mut command: Command,
    what: &str,
    dir: &Path,
    total_len: u64,
) -> Result<()> {
    let mut progress = Progress::bytes(what, total_len);
    let dir = dir.to_owned();
    let worker = std::thread::spawn(move || capture(&mut command));
    while !worker.is_finished() {
        std::thread::sleep(std::time::Duration::from_millis(200));
        let len = crate::util::files::walk(&dir)
            .unwrap_or_default()
            .iter()
            .filter_map(|path| Some(fs::metadata(dir.join(path)).ok()?.len()))
            .sum();
        progress.set(len);
    }
    match worker.join() {
        Ok(result) => result?,
        Err(_) => bail!("the download's thread panicked"),
    };
    progress.done();
    Ok(())
}

/// The base address of the archive that the host is set up with.
fn archive_site() -> Result<String> {
    let sites = capture(apt("apt-get").args(["indextargets", "--format", "$(SITE)"]))?;
    choose_site(&sites).context("apt has no archive set up (apt-get indextargets names none)")
}

/// The security archive has no suites but its own.
fn choose_site(sites: &str) -> Option<String> {
    sites
        .lines()
        .map(|site| site.trim().trim_end_matches('/'))
        .find(|site| !site.is_empty() && !site.ends_with("security"))
        .map(str::to_owned)
}

fn apt(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn parse_policies(text: &str) -> BTreeMap<String, Policy> {
    let mut policies = BTreeMap::new();
    let mut name = None;
    for line in text.lines() {
        if !line.starts_with(' ') {
            name = line.strip_suffix(':').map(str::to_owned);
            continue;
        }
        let (Some(name), Some((key, value))) = (&name, line.trim().split_once(": ")) else {
            continue;
        };
        let value = (value != "(none)").then(|| value.to_owned());
        let policy: &mut Policy = policies.entry(name.clone()).or_default();
        match key {
            "Installed" => policy.installed = value,
            "Candidate" => policy.candidate = value,
            _ => {}
        }
    }
    policies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_per_package() {
        let text = "bc:\n  Installed: (none)\n  Candidate: 1.07.1-3\n  Version table:\n     \
                    1.07.1-3 500\nrustc:\n  Installed: 1.63\n  Candidate: (none)\n";
        let policies = parse_policies(text);
        assert_eq!(policies["bc"].installed, None);
        assert_eq!(policies["bc"].candidate.as_deref(), Some("1.07.1-3"));
        assert_eq!(policies["rustc"].installed.as_deref(), Some("1.63"));
        assert_eq!(policies["rustc"].candidate, None);
    }

    #[test]
    fn the_security_archive_is_not_taken_for_the_archive() {
        let sites = "http://mirror.invalid/debian-security\nhttp://mirror.invalid/debian/\n";
        assert_eq!(
            choose_site(sites).as_deref(),
            Some("http://mirror.invalid/debian")
        );
        assert_eq!(choose_site("\n"), None);
    }

    #[test]
    fn the_install_command_is_shown_as_it_is_run() {
        assert_eq!(
            install_args(&["bc".into()]).join(" "),
            "apt-get install --yes --no-install-recommends bc"
        );
    }
}
