// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The job that the host puts into the image and the events that come back, one JSON line each.
//!
//! Defined once and used by both sides. The events travel over a serial port of their own
//! ([`VERDICT_PORT`]), so nothing that a program or the kernel prints can forge or garble them.

use serde::{Deserialize, Serialize};

/// Where the job is in the guest's file system.
pub const JOB_PATH: &str = "/etc/job.json";

/// The kernel's console: kept by the host, scanned for splats, never a source of the verdict.
pub const CONSOLE_PORT: &str = "ttyS0";

/// Input and output of the programs, forwarded byte for byte.
pub const OUTPUT_PORT: &str = "ttyS1";

/// The events, guest to host only.
pub const VERDICT_PORT: &str = "ttyS2";

/// So begin the names under which the kernel's own unit tests are reported, each suite as a program.
pub const KUNIT: &str = "kunit ";

/// The name of a suite of the kernel's unit tests in all events.
pub fn suite_name(suite: &str) -> String {
    KUNIT.to_owned() + suite
}

/// What one boot is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Run one after the other, in this order.
    pub programs: Vec<Program>,
    /// Report the KUnit results found in the kernel log.
    pub kunit: bool,
    /// Scan for leaked kernel memory after the last program.
    pub kmemleak: bool,
    /// Write a line `# program: NAME` before the output of each program.
    pub titles: bool,
}

/// One program of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its name in all events.
    pub name: String,
    /// Path in the guest, or a name to be looked for in `PATH`.
    pub path: String,
    /// Arguments without the program's own name.
    pub args: Vec<String>,
    /// Added to the environment that PID 1 gives to all.
    pub env: Vec<(String, String)>,
    /// After this many seconds it is killed. 0: never.
    pub timeout_secs: u64,
    /// Connect it to the output port as its controlling terminal.
    pub interactive: bool,
}

/// What happened in the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// PID 1 runs and could read its job.
    Boot,
    /// The program is about to be executed.
    Start {
        /// Name of the program.
        program: String,
    },
    /// The program announced how many cases it will run.
    Plan {
        /// Name of the program.
        program: String,
        /// Number of cases announced.
        count: u32,
    },
    /// One test case ended.
    Case {
        /// Name of the program.
        program: String,
        /// Name of the case.
        name: String,
        /// How it ended.
        result: Outcome,
    },
    /// The program ended.
    Exit {
        /// Name of the program.
        program: String,
        /// Exit status, 128 + signo when a signal ended it, 127 when it could not be executed.
        code: i32,
    },
    /// The program was killed since it ran too long. An `Exit` follows.
    Timeout {
        /// Name of the program.
        program: String,
        /// The limit that it exceeded.
        seconds: u64,
    },
    /// Kernel memory that nothing points at any more.
    Leak {
        /// The kernel's report.
        report: String,
    },
    /// PID 1 cannot go on.
    Fatal {
        /// Why.
        reason: String,
    },
    /// All is done; the guest resets now. Without this line the boot has failed.
    End,
}

/// How a test case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail,
    /// It could not be tried here.
    Skip,
}

impl Event {
    /// Returns the event as one line, with its newline.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).unwrap_or_else(|e| {
            // Only a map with keys that are not strings could get here, and there is none.
            format!("{{\"event\":\"fatal\",\"reason\":\"event cannot be written: {e}\"}}")
        });
        line.push('\n');
        line
    }

    /// Reads one line of the verdict port.
    ///
    /// # Errors
    ///
    /// The line is not one of the events above.
    pub fn from_line(line: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(line.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_json_lines_that_the_documentation_shows() {
        assert_eq!(Event::Boot.to_line(), "{\"event\":\"boot\"}\n");
        let case = Event::Case {
            program: "p".into(),
            name: "n".into(),
            result: Outcome::Skip,
        };
        assert_eq!(
            case.to_line(),
            "{\"event\":\"case\",\"program\":\"p\",\"name\":\"n\",\"result\":\"skip\"}\n"
        );
        assert_eq!(Event::from_line(&case.to_line()).unwrap(), case);
    }

    #[test]
    fn a_newline_in_a_report_does_not_break_the_line_protocol() {
        let leak = Event::Leak {
            report: "a\nb".into(),
        };
        assert_eq!(leak.to_line().matches('\n').count(), 1);
        assert_eq!(Event::from_line(&leak.to_line()).unwrap(), leak);
    }

    #[test]
    fn unknown_events_are_refused() {
        assert!(Event::from_line("{\"event\":\"party\"}").is_err());
        assert!(Event::from_line("ok 1 looks_like_tap").is_err());
    }
}
