// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Finds in the kernel's console log what a healthy kernel never says.

/// One report of the kernel, from its first line to the end of its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Splat {
    /// Its lines, without time stamps.
    pub(crate) lines: Vec<String>,
}

/// Longest report that is shown.
const LINES_COUNT_MAX: usize = 150;
/// A report without a trace is shown with this many lines after it.
const LINES_COUNT_WITHOUT_TRACE: usize = 12;

/// Returns all reports in a console log.
pub(crate) fn splats(log: &str) -> Vec<Splat> {
    let lines: Vec<&str> = log.lines().map(message).collect();
    let mut splats = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        if !begins(lines[at]) {
            at += 1;
            continue;
        }
        let end = end_of(&lines, at);
        splats.push(Splat {
            lines: lines[at..end]
                .iter()
                .map(|line| (*line).to_owned())
                .collect(),
        });
        at = end;
    }
    splats
}

/// What a report may begin with.
const BEGINNINGS: &[&str] = &[
    "BUG: ",
    "WARNING: ",
    "kernel BUG at ",
    "UBSAN: ",
    "KASAN: ",
    "Kernel panic - not syncing",
    "Oops: ",
    "Oops - ",
    "general protection fault",
    "Internal error: ",
    "kmemleak: Cannot",
    "ODEBUG: ",
    "list_add corruption",
    "list_del corruption",
    "Bad page state",
    "INFO: trying to register non-static key",
    "DEBUG_LOCKS_WARN_ON",
    "rust_kernel: panicked at",
    "panicked at",
];

fn begins(message: &str) -> bool {
    // Some subsystems put their name in front.
    let rest = ["watchdog: ", "rcu: ", "rust_kernel: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .unwrap_or(message);
    BEGINNINGS
        .iter()
        .any(|beginning| message.starts_with(beginning) || rest.starts_with(beginning))
        || (rest.starts_with("INFO: rcu") && rest.contains("stall"))
        || (rest.starts_with("INFO: task ") && rest.contains("blocked for more than"))
        || (message.starts_with("kmemleak: ") && message.contains("new suspected memory leaks"))
        || message.contains("soft lockup - CPU#")
        || message.contains("hard LOCKUP")
}

/// Returns the index behind the last line of the report that begins at `start`.
fn end_of(lines: &[&str], start: usize) -> usize {
    let limit = lines.len().min(start + LINES_COUNT_MAX);
    let is_kasan = ["KASAN", "KCSAN", "UBSAN"]
        .iter()
        .any(|name| lines[start].contains(name));
    let mut trace_end = None;
    for (at, line) in lines.iter().enumerate().take(limit).skip(start + 1) {
        if line.contains("---[ end") {
            return at + 1;
        }
        // These close with a double line; what follows their trace belongs to them.
        if is_kasan && line.starts_with("====") {
            return at + 1;
        }
        if !is_kasan && line.trim() == "</TASK>" {
            // The registers and the end mark may follow.
            trace_end = Some(at + 1);
        }
        if trace_end.is_some_and(|end| at >= end + 20 || begins(line)) {
            break;
        }
    }
    trace_end.unwrap_or_else(|| {
        let has_trace = lines[start..limit]
            .iter()
            .any(|l| l.contains("Call Trace:"));
        if has_trace {
            limit
        } else {
            lines.len().min(start + LINES_COUNT_WITHOUT_TRACE)
        }
    })
}

/// Returns the line without what printk puts in front of it: `[    1.234567][   T12] `.
fn message(line: &str) -> &str {
    let mut rest = line.trim_end();
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((stamp, after)) = inner.split_once(']') else {
            break;
        };
        let is_stamp = stamp
            .trim_start_matches([' ', 'T', 'C'])
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b'.');
        if !is_stamp {
            break;
        }
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    rest
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
