// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `sigcr probe`: whether this kernel has the calls, and what this user may do with them.
//!
//! The JSON has these fields: `status` (`available`, `missing`, `denied` or `too-old`), `errno` (its
//! name, or null), `record_version` (the newest that the kernel writes, or null),
//! `own_record_version` (the newest that this program reads), `message` (with the remedy),
//! `own_process` (whether a checkpoint of oneself works, or null), `backend` (which one takes and
//! restores, `kernel` or `ptrace`; null: none), `capabilities` (each with whether it is there) and
//! `yama_ptrace_scope` (or null).

use std::fs;
use std::io::Write;

use serde::Serialize;
use sigcr::{CheckpointFlags, Errno, Status, Target, RECORD_VERSION};

use crate::backend::{self, Backend, Choice};
use crate::cli::ProbeArgs;
use crate::exit::{exit_of_status, Exit, Failure};

/// What was found out.
#[derive(Serialize)]
struct Findings {
    status: &'static str,
    errno: Option<String>,
    record_version: Option<u32>,
    own_record_version: u8,
    message: String,
    own_process: Option<bool>,
    backend: Option<Backend>,
    capabilities: Capabilities,
    yama_ptrace_scope: Option<u32>,
}

/// The capabilities that matter, in the user namespace of this process.
#[derive(Serialize)]
struct Capabilities {
    cap_sys_ptrace: bool,
    cap_sys_admin: bool,
    cap_checkpoint_restore: bool,
}

pub(crate) fn run(args: &ProbeArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let status = sigcr::status();
    let findings = find(status);
    if args.json {
        serde_json::to_writer_pretty(&mut *out, &findings).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        write_text(out, &findings)?;
    }
    Ok(exit_of_status(status))
}

fn find(status: Status) -> Findings {
    let (name, errno, record_version) = match status {
        Status::Missing => ("missing", Some(Errno::ENOSYS), None),
        Status::Denied(errno) => ("denied", Some(errno), None),
        Status::TooOld { version } => ("too-old", None, Some(version)),
        Status::Available { version } => ("available", None, Some(version)),
        _ => ("unknown", None, None),
    };
    let own_process = status
        .is_available()
        .then(|| sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::empty()).is_ok());
    let read = |path: &str| fs::read_to_string(path).ok();
    Findings {
        status: name,
        errno: errno.map(|errno| format!("{errno:?}")),
        record_version,
        own_record_version: RECORD_VERSION,
        message: status.to_string(),
        own_process,
        backend: backend::choose_by(status, Choice::Auto, None)
            .ok()
            .map(|chosen| chosen.backend),
        capabilities: Capabilities::read(&read("/proc/self/status").unwrap_or_default()),
        yama_ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope")
            .and_then(|text| text.trim().parse().ok()),
    }
}

fn write_text(out: &mut dyn Write, findings: &Findings) -> std::io::Result<()> {
    writeln!(out, "system calls     {}", findings.message)?;
    let backend = match findings.backend {
        Some(Backend::Kernel) => "kernel: the system calls take and restore",
        Some(Backend::Ptrace) => {
            "ptrace: takes and restores without the system calls what it can see"
        }
        None => "none: nothing can be taken or restored here",
    };
    writeln!(out, "backend          {backend}")?;
    if let Some(works) = findings.own_process {
        let answer = match works {
            true => "can be taken",
            false => "cannot be taken; is a filter in the way?",
        };
        writeln!(out, "own process      {answer}")?;
    }
    let capabilities = &findings.capabilities;
    let processes = match (capabilities.cap_sys_ptrace, findings.yama_ptrace_scope) {
        (_, Some(3..)) => "none: /proc/sys/kernel/yama/ptrace_scope forbids it to everybody",
        (true, _) => "all in this user namespace, by CAP_SYS_PTRACE",
        (false, Some(2)) => {
            "none: needs CAP_SYS_PTRACE while /proc/sys/kernel/yama/ptrace_scope is 2"
        }
        (false, Some(1)) => {
            "descendants of the caller; for others of the same user set\n                 \
             /proc/sys/kernel/yama/ptrace_scope to 0, or use CAP_SYS_PTRACE"
        }
        (false, _) => "those of the same user; CAP_SYS_PTRACE for others",
    };
    writeln!(out, "other processes  {processes}")?;
    let codes = match capabilities.cap_checkpoint_restore || capabilities.cap_sys_admin {
        true => "can be restored onto other processes",
        false => {
            "cannot be restored onto other processes; needs\n                 \
             CAP_CHECKPOINT_RESTORE in the user namespace of the target"
        }
    };
    writeln!(out, "kernel's codes   {codes}")
}

impl Capabilities {
    /// Reads the effective set from the text of `/proc/PID/status`.
    fn read(status: &str) -> Self {
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        let bits = line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
        let has = |capability: u32| bits.unwrap_or(0) >> capability & 1 != 0;
        // The numbers of `<linux/capability.h>`.
        Self {
            cap_sys_ptrace: has(19),
            cap_sys_admin: has(21),
            cap_checkpoint_restore: has(40),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read_from_the_effective_set() {
        let found = Capabilities::read("CapPrm:\t000001ffffffffff\nCapEff:\t0000010000480000\n");
        assert!(found.cap_sys_ptrace && found.cap_checkpoint_restore);
        assert!(!found.cap_sys_admin);
        assert!(!Capabilities::read("").cap_sys_ptrace);
    }

    #[test]
    fn each_status_has_its_name_and_keeps_its_remedy() {
        for (status, name) in [
            (Status::Missing, "missing"),
            (Status::Denied(Errno::EPERM), "denied"),
            (Status::TooOld { version: 0 }, "too-old"),
        ] {
            let findings = find(status);
            assert_eq!(findings.status, name);
            assert_eq!(findings.message, status.to_string());
            assert_eq!(findings.own_process, None);
        }
        assert_eq!(
            find(Status::Denied(Errno::EPERM)).errno.as_deref(),
            Some("EPERM")
        );
    }
}
