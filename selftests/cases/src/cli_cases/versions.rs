// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Records of other versions and of later kernels, which the debug kernel can be made to write.

use std::fs;
use std::io::ErrorKind;
use std::os::fd::AsRawFd;

use anyhow::ensure;
use serde_json::Value;
use sigcr::Snapshot;

use super::exits::ended;
use super::{arg, plan, running, Dir};
use crate::compare::same_but_for_ids;
use crate::lib_cases::checkpoint_c;
use crate::subject::{Plan, Subject};
use crate::tap::{skip, Case};
use crate::tool::{run, run_well};

pub(super) const CASES: &[Case] = crate::cases![
    version_one_can_be_asked_for_and_is_what_is_taken_otherwise,
    a_version_that_the_kernel_does_not_write_has_code_three,
    probe_tells_the_newest_version_of_a_later_kernel,
    a_later_kernel_writes_the_version_that_is_asked_for,
    a_record_of_version_two_is_refused_with_the_remedy,
    what_a_later_kernel_adds_to_a_record_does_no_harm,
    a_section_that_must_be_understood_and_is_not_is_named,
];

/// The switch of kernels that are built with `CONFIG_SIGCR_TEST_VERSION2`.
const SWITCH: &str = "/sys/kernel/debug/sigcr/test_version2";

/// What can be written to it, added up; `kernel/sigcr/version2.rs` says what they do.
const VERSION_2: u32 = 1;
const GROWN: u32 = 2;
const MANDATORY: u32 = 4;

/// The kernel behaves like a later one until this is dropped.
struct LaterKernel;

impl LaterKernel {
    /// A skip where the kernel cannot do that.
    fn new(how: u32) -> anyhow::Result<Self> {
        match fs::write(SWITCH, how.to_string()) {
            Ok(()) => Ok(Self),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(skip(format!(
                "the kernel cannot behave like a later one: no {SWITCH}"
            ))),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for LaterKernel {
    fn drop(&mut self) {
        let _ = fs::write(SWITCH, "0");
    }
}

fn version_one_can_be_asked_for_and_is_what_is_taken_otherwise() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let subject = Subject::stopped(&plan())?;
    let [default, asked] = ["default", "asked"].map(|name| dir.file(name));
    run_well(&["checkpoint", &arg(&subject), "-o", &default])?;
    let version = ["--record-version", "1"];
    run_well(&[
        "checkpoint",
        version[0],
        version[1],
        &arg(&subject),
        "-o",
        &asked,
    ])?;
    let bytes = fs::read(&default)?;
    ensure!(bytes == fs::read(&asked)?, "two kinds of version 1");
    ensure!(bytes[4..8] == [1, 0, 0, 0], "the version is not 1");
    Ok(())
}

fn a_version_that_the_kernel_does_not_write_has_code_three() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let subject = running()?;
    let file = dir.file("record");
    for version in ["2", "9", "255"] {
        for mode in ["--live", "--no-stop"] {
            let pid = arg(&subject);
            let version = ["--record-version", version];
            let ran = run(&[
                "checkpoint",
                mode,
                version[0],
                version[1],
                &pid,
                "-o",
                &file,
            ])?;
            ended(&ran, 3, &["EOPNOTSUPP", "sigcr probe", "--record-version"])?;
        }
    }
    ensure!(fs::metadata(&file).is_err(), "a file was written");
    Ok(())
}

fn probe_tells_the_newest_version_of_a_later_kernel() -> anyhow::Result<()> {
    let later = LaterKernel::new(VERSION_2)?;
    let text = run_well(&["probe"])?;
    ensure!(
        text.contains("versions up to 2, of which version 1 is used"),
        "{text}"
    );
    let found: Value = serde_json::from_str(&run_well(&["probe", "--json"])?)?;
    ensure!(
        found["status"] == "available"
            && found["record_version"] == 2
            && found["own_record_version"] == 1
            && found["own_process"] == true,
        "{found}"
    );
    drop(later);
    let text = run_well(&["probe"])?;
    ensure!(text.contains("records of version 1\n"), "{text}");
    Ok(())
}

fn a_later_kernel_writes_the_version_that_is_asked_for() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let subject = Subject::stopped(&plan())?;
    let pid = arg(&subject);
    let [before, default, one, two] = ["before", "default", "1", "2"].map(|name| dir.file(name));
    run_well(&["checkpoint", &pid, "-o", &before])?;

    let later = LaterKernel::new(VERSION_2)?;
    run_well(&["checkpoint", &pid, "-o", &default])?;
    run_well(&["checkpoint", "--record-version", "1", &pid, "-o", &one])?;
    for file in [&default, &one] {
        ensure!(
            fs::read(file)? == fs::read(&before)?,
            "version 1 is not what it was"
        );
    }
    // The kernel writes it, and the tool cannot read it.
    let ran = run(&["checkpoint", "--record-version", "2", &pid, "-o", &two])?;
    ended(&ran, 1, &["version is 2", "--record-version 1`"])?;
    ensure!(fs::metadata(&two).is_err(), "a file was written");
    let ran = run(&["checkpoint", "--record-version", "3", &pid, "-o", &two])?;
    ended(&ran, 3, &["EOPNOTSUPP", "sigcr probe"])?;

    let fresh = Subject::start(&Plan::empty(2))?;
    run_well(&["restore", &arg(&fresh), &default, "--remap", "in-order"])?;
    run_well(&["diff", "--by-order", &before, &arg(&fresh)])?;
    drop(later);
    Ok(())
}

fn a_record_of_version_two_is_refused_with_the_remedy() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    let subject = Subject::stopped(&plan())?;
    let later = LaterKernel::new(VERSION_2)?;
    let mut record = vec![0; 1 << 16];
    let len = checkpoint_c(subject.pidfd()?.as_raw_fd(), &mut record, 2 << 24)?;
    fs::write(&file, &record[..len])?;
    let remedy = [
        "version is 2",
        "reader knows up to 1",
        "--record-version 1`",
    ];
    let fresh = Subject::start(&Plan::empty(2))?;
    let restore = ["restore", &arg(&fresh), &file, "--remap", "in-order"];
    for arguments in [&["show", &file][..], &["check", &file], &restore] {
        ended(&run(arguments)?, 1, &remedy)?;
    }
    // Who takes the record anew as it is told to can restore it.
    let version = ["--record-version", "1"];
    run_well(&[
        "checkpoint",
        version[0],
        version[1],
        &arg(&subject),
        "-o",
        &file,
    ])?;
    run_well(&restore)?;
    run_well(&["diff", "--by-order", &file, &arg(&fresh)])?;
    drop(later);
    Ok(())
}

fn what_a_later_kernel_adds_to_a_record_does_no_harm() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let [today, grown] = ["today", "grown"].map(|name| dir.file(name));
    let subject = Subject::stopped(&plan())?;
    run_well(&["checkpoint", &arg(&subject), "-o", &today])?;
    let later = LaterKernel::new(GROWN)?;
    run_well(&["checkpoint", &arg(&subject), "-o", &grown])?;
    let probe = run_well(&["probe"])?;
    ensure!(probe.contains("records of version 1\n"), "{probe}");
    drop(later);

    let lens = [&today, &grown].map(|file| fs::metadata(file).map_or(0, |file| file.len()));
    // A header, nine sections and 302 entries have something appended.
    ensure!(lens[1] > lens[0] + 302 * 8, "nothing was added: {lens:?}");
    ensure!(run_well(&["check", &grown])? == format!("{grown}: ok\n"));
    let shown = run_well(&["show", &grown])?;
    ensure!(
        shown.contains("0x4c54"),
        "the new sections are not named:\n{shown}"
    );
    run_well(&["diff", &today, &grown])?;
    let mut model = Snapshot::read_from(&grown)?.to_model();
    model.process = None;
    for thread in model.threads.iter_mut().filter_map(|t| t.state.as_mut()) {
        thread.group_stop = false;
    }
    same_but_for_ids("the record", &plan().model(&[1, 2]), &model)?;

    let fresh = Subject::start(&Plan::empty(2))?;
    run_well(&["restore", &arg(&fresh), &grown, "--remap", "in-order"])?;
    run_well(&["diff", "--by-order", &today, &arg(&fresh)])?;
    Ok(())
}

fn a_section_that_must_be_understood_and_is_not_is_named() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    let subject = Subject::stopped(&plan())?;
    let later = LaterKernel::new(GROWN | MANDATORY)?;
    let ran = run(&["checkpoint", &arg(&subject), "-o", &file])?;
    ended(&ran, 1, &["0x80004c54", "must be understood"])?;
    ensure!(fs::metadata(&file).is_err(), "a file was written");
    let mut record = vec![0; 1 << 16];
    let len = checkpoint_c(subject.pidfd()?.as_raw_fd(), &mut record, 1 << 24)?;
    drop(later);
    fs::write(&file, &record[..len])?;
    for verb in ["show", "check"] {
        ended(&run(&[verb, &file])?, 1, &["0x80004c54", "newer"])?;
    }
    Ok(())
}
