// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the kernel itself has to report: KUnit results in its log, and leaked memory.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use guest_init::protocol::{suite_name, Event};
use guest_init::tap::{SuiteItem, Suites};

/// Returns the results of the unit tests that the kernel ran while it booted.
pub(crate) fn kunit_events() -> Result<Vec<Event>, String> {
    let mut suites = Suites::default();
    let event = |item| match item {
        SuiteItem::Plan(suite, count) => Event::Plan {
            program: suite_name(&suite),
            count,
        },
        SuiteItem::Case(suite, name, result) => Event::Case {
            program: suite_name(&suite),
            name,
            result,
        },
    };
    let log = kernel_log()?;
    let items = log.iter().filter_map(|line| suites.line(line));
    Ok(items.map(event).collect())
}

/// Scans for memory that the kernel has lost; returns its report when there is any.
pub(crate) fn leak_event() -> Result<Option<Event>, String> {
    let path = Path::new("/sys/kernel/debug/kmemleak");
    for _ in 0..2 {
        // An object counts only when it is older than five seconds, and a pointer that was in
        // flight during one scan is found by the next.
        sleep(Duration::from_secs(6));
        fs::write(path, "scan")
            .map_err(|e| format!("cannot scan for leaks through {}: {e}", path.display()))?;
    }
    let report = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok((!report.trim().is_empty()).then_some(Event::Leak { report }))
}

/// Returns the messages in the kernel's log so far, without their prefixes.
fn kernel_log() -> Result<Vec<String>, String> {
    let mut kmsg = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/kmsg")
        .map_err(|e| format!("cannot open /dev/kmsg: {e}"))?;
    let mut lines = Vec::new();
    // Each read returns one record; the kernel refuses a buffer that is too small for it.
    let mut record = [0; 8192];
    loop {
        match kmsg.read(&mut record) {
            Ok(0) => break,
            Ok(len) => {
                let text = String::from_utf8_lossy(&record[..len]);
                if let Some((_prefix, message)) = text.split_once(';') {
                    lines.push(message.lines().next().unwrap_or_default().to_owned());
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            // The oldest record was overwritten; the next read goes on behind the gap.
            Err(e) if e.raw_os_error() == Some(libc::EPIPE) => {}
            Err(e) => return Err(format!("cannot read /dev/kmsg: {e}")),
        }
    }
    Ok(lines)
}
