// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Fuzzing in user space: the mutator's own campaign, then the targets of cargo-fuzz.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::Run;
use crate::kernel::base::Base;
use crate::setup;
use crate::util::command::logged;
use crate::util::lock::Lock;
use crate::util::progress::Progress;

/// The targets in `libsigcr/fuzz`, each with a quarter of all inputs.
const TARGETS: [&str; 2] = ["decode", "decode_encode_decode"];

/// The longest input that libFuzzer makes, in bytes; the mutator makes longer ones.
const LEN_MAX: usize = 8192;

/// Fuzzes what needs no kernel of ours.
pub(super) fn fuzz(run: &mut Run<'_>) -> Result<()> {
    if run.args.inputs == 0 {
        return Ok(());
    }
    let mutator = build_mutator(run)?;
    if let Some(index) = run.args.only {
        return only(run, &mutator, index);
    }
    // Should one part fail, the others may find more.
    campaign(run, &mutator);
    let cargo_fuzz = {
        let _lock = Lock::take(run.paths)?;
        setup::ensure_fuzz(run.paths, &Base::read(run.paths)?)?
    };
    let dir = build_targets(run, &cargo_fuzz)?;
    for (index, target) in TARGETS.into_iter().enumerate() {
        libfuzzer(run, &dir.join(target), target, TARGETS.len() - index)?;
    }
    Ok(())
}

fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds the mutator's campaign, and returns the program.
fn build_mutator(run: &Run<'_>) -> Result<PathBuf> {
    let target_dir = run.paths.cache_dir("fuzz-target")?;
    let mut progress = Progress::spinner("building the mutator");
    let mut command = cargo();
    command
        .args(["build", "--release", "--package", "mutator"])
        .args(["--example", "mutants", "--target-dir"])
        .arg(&target_dir)
        // Every check that a debug build has: a wrapped length is found where it wraps.
        .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .current_dir(&run.paths.root);
    logged(&mut command, &run.paths.log("fuzz-mutator")?, |line| {
        progress.message(line.trim())
    })?;
    progress.done();
    Ok(target_dir.join("release/examples/mutants"))
}

/// Makes one record again and shows what is said of it.
fn only(run: &mut Run<'_>, mutator: &Path, index: u64) -> Result<()> {
    let mut command = Command::new(mutator);
    command.args(["--seed", &run.args.seed.to_string()]);
    command.args(["--only", &index.to_string()]);
    run.user_space_count += 1;
    logged(&mut command, &run.paths.log("fuzz-only")?, |line| {
        println!("{line}")
    })
}

/// Half of the inputs: what must hold of each, and every rule reached.
fn campaign(run: &mut Run<'_>, mutator: &Path) {
    let (inputs, seed) = (run.args.inputs.div_ceil(2), run.args.seed);
    let mut command = Command::new(mutator);
    command.args(["--seed", &seed.to_string(), "--inputs", &inputs.to_string()]);
    if let Some(seconds) = run.seconds(6) {
        command.args(["--seconds", &seconds.to_string()]);
    }
    let mut progress = Progress::inputs("records of the mutator", inputs);
    let mut done = 0;
    let mut table = Vec::new();
    let log = match run.paths.log("fuzz-mutants") {
        Ok(log) => log,
        Err(e) => return run.failures.push(format!("{e:#}")),
    };
    let result = logged(&mut command, &log, |line| {
        match line.strip_prefix("done ").map(str::parse) {
            Some(Ok(count)) => {
                done = count;
                progress.set(count);
            }
            _ => table.push(line.to_owned()),
        }
    });
    progress.done();
    println!("mutator: {done} records, seed {seed}; what the decoder said:");
    table.iter().for_each(|line| println!("  {line}"));
    run.user_space_count += done;
    if let Err(e) = result {
        run.failures.push(format!(
            "mutator: {e:#}\nagain: cargo xtask fuzz --seed {seed} --only RECORD"
        ));
    }
}

/// Builds the targets, and returns their folder.
fn build_targets(run: &Run<'_>, cargo_fuzz: &Path) -> Result<PathBuf> {
    const TRIPLE: &str = "x86_64-unknown-linux-gnu";
    let target_dir = run.paths.cache_dir("fuzz-target")?;
    let mut progress = Progress::spinner("building the fuzz targets");
    let mut command = Command::new(cargo_fuzz);
    command
        .args(["fuzz", "build", "--fuzz-dir"])
        .arg(run.paths.root.join("libsigcr/fuzz"))
        // What they run has no unsafe code, and a stable compiler has no sanitizer.
        .args(["--sanitizer", "none", "--target", TRIPLE])
        .arg("--target-dir")
        .arg(&target_dir)
        .current_dir(&run.paths.root);
    logged(&mut command, &run.paths.log("fuzz-targets")?, |line| {
        progress.message(line.trim())
    })?;
    progress.done();
    Ok(target_dir.join(TRIPLE).join("release"))
}

/// A quarter of the inputs, for one target.
fn libfuzzer(run: &mut Run<'_>, program: &Path, target: &str, parts_left: usize) -> Result<()> {
    let parts = TARGETS.len() as u64;
    let inputs = run.args.inputs / 2 / parts;
    if inputs == 0 {
        return Ok(());
    }
    // What one run has found the next one goes on from.
    let corpus = run.paths.cache_dir(&format!("fuzz-corpus/{target}"))?;
    let artifacts = run.paths.cache_dir("fuzz-artifacts")?;
    let mut command = Command::new(program);
    command
        .arg(corpus)
        .arg(run.paths.root.join("libsigcr/testdata"))
        .arg(format!("-runs={inputs}"))
        // Its own seed is a number of 32 bits, and 0 is a random one.
        .arg(format!("-seed={}", run.args.seed % 0xffff_ffff + 1))
        .arg(format!("-max_len={LEN_MAX}"))
        .arg(format!(
            "-artifact_prefix={}/{target}-",
            artifacts.display()
        ))
        .args(["-timeout=20", "-print_final_stats=1", "-len_control=0"]);
    // The guest's part comes afterwards and takes most of the time.
    if let Some(seconds) = run.seconds(3 + parts_left as u64) {
        command.arg(format!("-max_total_time={seconds}"));
    }
    let mut progress = Progress::inputs(&format!("libFuzzer {target}"), inputs);
    let (mut done, mut coverage, mut artifact) = (0, String::new(), None);
    let log = run.paths.log(&format!("fuzz-{target}"))?;
    let result = logged(&mut command, &log, |line| {
        if let Some(status) = status(line) {
            progress.set(status.0);
            coverage = status.1.to_owned();
        } else if let Some((_, count)) = line.split_once("stat::number_of_executed_units:") {
            done = count.trim().parse().unwrap_or(0);
        } else if let Some((_, path)) = line.split_once("Test unit written to ") {
            artifact = Some(path.trim().to_owned());
        }
    });
    progress.done();
    println!("{target}: {done} inputs, {coverage}");
    run.user_space_count += done;
    if let Err(e) = result {
        let again = artifact.map_or(String::new(), |path| {
            format!("\nagain: {} {path}", program.display())
        });
        run.failures.push(format!("{target}: {e:#}{again}"));
    }
    Ok(())
}

/// Reads a line like `#1024 pulse  cov: 770 ft: 1399 corp: 351/102Kb ...`.
fn status(line: &str) -> Option<(u64, &str)> {
    let (number, rest) = line.strip_prefix('#')?.split_once(char::is_whitespace)?;
    let (_, coverage) = rest.split_once("cov: ")?;
    let end = coverage.find(" lim:").or_else(|| coverage.find(" exec/s"));
    let start = rest.len() - coverage.len() - "cov: ".len();
    let coverage = &rest[start..];
    let end = end.map_or(coverage.len(), |end| end + "cov: ".len());
    Some((number.parse().ok()?, &coverage[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_lines_of_libfuzzer_are_read() {
        let line =
            "#300000\tDONE   cov: 770 ft: 1399 corp: 351/102Kb lim: 4096 exec/s: 75000 rss: 29Mb";
        let wanted = (300_000, "cov: 770 ft: 1399 corp: 351/102Kb");
        assert_eq!(status(line), Some(wanted));
        let line = "#1024\tpulse  cov: 7 ft: 13 corp: 1/1b exec/s: 0 rss: 29Mb";
        assert_eq!(status(line), Some((1024, "cov: 7 ft: 13 corp: 1/1b")));
        assert_eq!(status("##### Recommended dictionary. #####"), None);
    }
}
