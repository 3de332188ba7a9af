// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What /proc says of a process's threads.

use std::{fs, io};

use super::Failure;
use crate::Errno;

/// The threads of the process `pid` that it still has, dead ones not among them.
pub(super) fn threads(pid: i32) -> Result<Vec<i32>, Failure> {
    let mut tids = all_threads(pid)?;
    tids.retain(|tid| !is_dead(pid, *tid));
    if tids.is_empty() {
        return Err(Failure::GONE);
    }
    Ok(tids)
}

/// The threads that are listed of the process `pid`, also those that have ended.
pub(crate) fn all_threads(pid: i32) -> Result<Vec<i32>, Failure> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).map_err(failed)?;
    let mut tids = Vec::new();
    for entry in entries {
        // The process may go while its threads are listed.
        let name = entry.map_err(failed)?.file_name();
        tids.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    Ok(tids)
}

/// Whether all threads of the process are in a group stop or a ptrace stop.
pub(super) fn is_stopped(pid: i32) -> Result<bool, Failure> {
    let tids = threads(pid)?;
    Ok(tids
        .into_iter()
        .all(|tid| matches!(state(pid, tid), Some('T' | 't' | 'Z' | 'X') | None)))
}

/// Whether the thread has ended, be it that it is still listed.
pub(crate) fn is_dead(pid: i32, tid: i32) -> bool {
    matches!(state(pid, tid), Some('Z' | 'X') | None)
}

/// Whether the thread is in a ptrace stop.
pub(crate) fn is_traced_stop(pid: i32, tid: i32) -> bool {
    state(pid, tid) == Some('t')
}

/// The process that is told when the process `pid` ends.
pub(super) fn parent(pid: i32) -> Option<u32> {
    field(pid, pid, "PPid:")?.parse().ok()
}

/// The thread's state letter; `None` if it is gone.
fn state(pid: i32, tid: i32) -> Option<char> {
    field(pid, tid, "State:")?.chars().next()
}

fn field(pid: i32, tid: i32, name: &str) -> Option<String> {
    field_of(&status(pid, tid)?, name).map(str::to_owned)
}

/// The text of `/proc/PID/task/TID/status`; `None` if the thread is gone.
pub(crate) fn status(pid: i32, tid: i32) -> Option<String> {
    let status = fs::read(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    // A program's name is in there as it is, and need not be UTF-8.
    Some(String::from_utf8_lossy(&status).into_owned())
}

/// What a status says behind `name`, which ends with a colon.
pub(crate) fn field_of<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    let value = status.lines().find_map(|line| line.strip_prefix(name));
    value.map(str::trim)
}

fn failed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::GONE,
        _ => Failure::new(
            error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
            "its threads cannot be listed; check that /proc is mounted and shows the process",
        ),
    }
}
