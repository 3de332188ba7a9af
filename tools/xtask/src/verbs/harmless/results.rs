// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a selftest said in one kernel, and whether it says the same in another.

use std::collections::BTreeMap;

use guest_init::protocol::{Event, Outcome};
use guest_init::tap::{parse_line, Item};

use crate::guest::boot::Report;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With this status; 128 + signo when a signal ended it.
    Exit(i32),
    /// It was killed since it ran too long.
    Timeout,
    /// It took the guest down with it.
    GuestDown,
    /// It was not begun, or could not be executed.
    NotRun,
}

/// What came of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProgramResult {
    pub(super) end: End,
    /// Its cases, if it tells of any.
    pub(super) cases: Vec<(String, Outcome)>,
}

/// Something in which two results are not the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) aspect: Aspect,
    /// What the one is, and the other.
    text: String,
}

/// What results are compared by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Aspect {
    /// How the program ended.
    End,
    /// A case, by its name without numbers.
    Case(String),
}

/// Numbers of cases that passed, failed and were skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

/// The status that says that all was skipped.
const KSFT_SKIP: i32 = 4;

/// The statuses of a shell that could not execute the program.
const NOT_EXECUTED: [i32; 2] = [126, 127];

/// Reads what all boots that it took have to say about a program.
pub(super) fn read(name: &str, reports: &[Report]) -> ProgramResult {
    let mut end = End::NotRun;
    let mut output = String::new();
    for report in reports {
        for event in &report.events {
            match event {
                Event::Start { program } if program == name => end = End::GuestDown,
                Event::Timeout { program, .. } if program == name => end = End::Timeout,
                Event::Exit { program, code } if program == name && end != End::Timeout => {
                    end = End::Exit(*code);
                }
                _ => {}
            }
        }
        output += &output_of(name, &String::from_utf8_lossy(&report.output));
    }
    let cases = cases(&output);
    if matches!(end, End::Exit(code) if NOT_EXECUTED.contains(&code)) && cases.is_empty() {
        end = End::NotRun;
    }
    ProgramResult { end, cases }
}

/// All of the differences in words.
pub(super) fn listed(differences: &[Difference]) -> String {
    let words: Vec<String> = differences.iter().map(ToString::to_string).collect();
    words.join(", ")
}

/// What one program wrote.
fn output_of(name: &str, output: &str) -> String {
    let title = format!("# program: {name}");
    output
        .lines()
        .skip_while(|line| line.trim_end() != title)
        .skip(1)
        .take_while(|line| !line.starts_with("# program: "))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// The cases that the output tells of: by TAP or, where there is none, by marks in brackets.
fn cases(output: &str) -> Vec<(String, Outcome)> {
    let tap: Vec<_> = output
        .lines()
        .filter_map(|line| match parse_line(line)? {
            Item::Case { name, result } => Some((name, result)),
            Item::BailOut(reason) => Some((format!("Bail out! {reason}"), Outcome::Fail)),
            Item::Plan(_) => None,
        })
        .collect();
    if !tap.is_empty() {
        return tap;
    }
    output.lines().filter_map(marked).collect()
}

/// A case in the way of the selftests of x86.
fn marked(line: &str) -> Option<(String, Outcome)> {
    let marks = [
        ("[OK]", Outcome::Pass),
        ("[PASS]", Outcome::Pass),
        ("[FAIL]", Outcome::Fail),
        ("[SKIP]", Outcome::Skip),
    ];
    marks.iter().find_map(|(mark, outcome)| {
        let rest = line.trim_start().strip_prefix(mark)?;
        Some((rest.trim().to_owned(), *outcome))
    })
}

impl ProgramResult {
    /// Counts the cases; a program that tells of none is one by itself.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, outcome) in &self.cases {
            match outcome {
                Outcome::Pass => counts.passed += 1,
                Outcome::Fail => counts.failed += 1,
                Outcome::Skip => counts.skipped += 1,
            }
        }
        match self.end {
            End::Exit(0) if self.cases.is_empty() => counts.passed += 1,
            End::Exit(KSFT_SKIP) if self.cases.is_empty() => counts.skipped += 1,
            End::Exit(_) if !self.cases.is_empty() => {}
            _ => counts.failed += 1,
        }
        counts
    }

    /// What is not the same in another result; nothing if they agree.
    pub(super) fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        if self.end != other.end {
            differences.push(Difference {
                aspect: Aspect::End,
                text: format!("{} / {}", self.end, other.end),
            });
        }
        let (old, new) = (self.by_name(), other.by_name());
        let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            if old.get(name) != new.get(name) {
                let told =
                    |of: Option<&Counts>| of.map_or("not told".to_owned(), Counts::to_string);
                let (old, new) = (told(old.get(name)), told(new.get(name)));
                differences.push(Difference {
                    aspect: Aspect::Case(name.clone()),
                    text: format!("`{name}`: {old} / {new}"),
                });
            }
        }
        differences
    }

    /// The cases that failed, by their names without numbers, and how often.
    pub(super) fn failed(&self) -> BTreeMap<String, usize> {
        let by_name = self.by_name().into_iter();
        let failed = by_name.map(|(name, counts)| (name, counts.failed));
        failed.filter(|(_, count)| *count > 0).collect()
    }

    /// Counts by the names of the cases, in which numbers may be measured ones.
    fn by_name(&self) -> BTreeMap<String, Counts> {
        let mut by_name: BTreeMap<String, Counts> = BTreeMap::new();
        for (name, outcome) in &self.cases {
            let counts = by_name.entry(without_numbers(name)).or_default();
            match outcome {
                Outcome::Pass => counts.passed += 1,
                Outcome::Fail => counts.failed += 1,
                Outcome::Skip => counts.skipped += 1,
            }
        }
        by_name
    }
}

/// What a complaint of a kernel says first, without numbers, and the program that it names.
pub(super) fn complaint_kind(complaint: &str) -> String {
    let title = complaint.lines().find(|line| line.contains(": "));
    let words = title.unwrap_or(complaint).split_whitespace();
    let about: Vec<String> = words
        .map(|word| match word.chars().all(|c| c.is_ascii_hexdigit()) {
            true if word.len() >= ADDRESS_LEN => "#".to_owned(),
            _ => without_numbers(word),
        })
        .collect();
    let program = complaint.split_once("Comm: ").map_or("", |(_, rest)| rest);
    let program = program.split_whitespace().next().unwrap_or("");
    format!("{} ({program})", about.join(" "))
}

/// How many digits an address has at least in a complaint, which has no `0x` before it.
const ADDRESS_LEN: usize = 8;

/// The text with each number replaced, decimal or hexadecimal.
fn without_numbers(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        result += &rest[..at];
        result.push('#');
        rest = &rest[at..];
        let digit = |c: char| match rest.starts_with("0x") {
            true => c.is_ascii_hexdigit() || c == 'x',
            false => c.is_ascii_digit(),
        };
        rest = rest.trim_start_matches(digit);
    }
    result + rest
}

impl Counts {
    /// Adds other ones.
    pub(super) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "status {code}"),
            Self::Timeout => f.write_str("killed after its time was up"),
            Self::GuestDown => f.write_str("took the guest down"),
            Self::NotRun => f.write_str("was not run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::boot::End as BootEnd;

    fn report(name: &str, output: &str, events: Vec<Event>) -> Report {
        let mut all = vec![Event::Start {
            program: name.to_owned(),
        }];
        all.extend(events);
        Report {
            events: all,
            output: format!(
                "# program: other\nok 1 o\n# program: {name}\n{output}# program: z\nok 1 z\n"
            )
            .into_bytes(),
            splats: Vec::new(),
            end: BootEnd::Exited,
            console_log: "log".into(),
        }
    }

    fn exit(code: i32) -> Vec<Event> {
        vec![Event::Exit {
            program: "d/p".to_owned(),
            code,
        }]
    }

    fn result(output: &str, code: i32) -> ProgramResult {
        read("d/p", &[report("d/p", output, exit(code))])
    }

    fn counts(passed: usize, failed: usize, skipped: usize) -> Counts {
        Counts {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn cases_are_read_from_tap_or_marks_or_else_from_the_status() {
        let tap = "TAP version 13\n1..3\n[OK] no case\nok 1 a\nnot ok 2 b\nok 3 c # SKIP no\n";
        assert_eq!(result(tap, 1).counts(), counts(1, 1, 1));
        let marks = "[RUN]\tx\n[OK]\ta\n\t[FAIL]\tb\n[SKIP]\tc\n";
        assert_eq!(result(marks, 1).counts(), counts(1, 1, 1));
        assert_eq!(result("said\n", 0).counts(), counts(1, 0, 0));
        assert_eq!(result("said\n", 4).counts(), counts(0, 0, 1));
        assert_eq!(result("said\n", 139).counts(), counts(0, 1, 0));
    }

    #[test]
    fn a_program_that_does_not_end_has_failed() {
        let timeout = vec![
            Event::Timeout {
                program: "d/p".to_owned(),
                seconds: 1,
            },
            exit(137).remove(0),
        ];
        let timeout = read("d/p", &[report("d/p", "ok 1 a\n", timeout)]);
        assert_eq!(
            (timeout.end, timeout.counts()),
            (End::Timeout, counts(1, 1, 0))
        );
        let down = read("d/p", &[report("d/p", "ok 1 a\n", Vec::new())]);
        assert_eq!((down.end, down.counts()), (End::GuestDown, counts(1, 1, 0)));
        assert_eq!(read("d/q", &[]).end, End::NotRun);
        assert_eq!(read("d/q", &[]).counts(), counts(0, 1, 0));
        let not_found = result("sh: ./p: not found\n", 127);
        assert_eq!(not_found.end, End::NotRun);
        assert_eq!(result("ok 1 a\n", 127).end, End::Exit(127));
    }

    #[test]
    fn a_case_that_changes_is_named_and_a_measured_number_is_no_change() {
        let old = result("ok 1 took 17 ns at 0x7fa0\nok 2 b\nnot ok 3 c\n", 1);
        let same = result("ok 1 took 4 ns at 0x12\nok 2 b\nnot ok 3 c\n", 1);
        let told = |old: &ProgramResult, new: &ProgramResult| -> Vec<String> {
            let differences = old.differences(new);
            differences.iter().map(ToString::to_string).collect()
        };
        assert_eq!(old.differences(&same), []);
        let worse = result("ok 1 took 4 ns at 0x12\nnot ok 2 b\nnot ok 3 c\n", 1);
        assert_eq!(
            told(&old, &worse),
            ["`b`: 1 passed, 0 failed, 0 skipped / 0 passed, 1 failed, 0 skipped"]
        );
        let shorter = result("ok 1 took 4 ns at 0x12\nnot ok 3 c\n", 1);
        assert_eq!(
            told(&old, &shorter),
            ["`b`: 1 passed, 0 failed, 0 skipped / not told"]
        );
        // Also one that another change makes up for.
        let swapped = result("ok 1 took 4 ns at 0x12\nnot ok 2 b\nok 3 c\n", 1);
        assert_eq!(old.differences(&swapped).len(), 2);
        assert_eq!(old.counts(), swapped.counts());
        assert_eq!(old.differences(&result("", 1)).len(), 3);
        let status = result("ok 1 took 17 ns at 0x7fa0\nok 2 b\nnot ok 3 c\n", 0);
        assert_eq!(told(&old, &status), ["status 1 / status 0"]);
    }

    #[test]
    fn a_complaint_is_known_by_what_it_is_about_and_the_program() {
        let oops = |address: &str, program: &str| {
            format!(
                "the kernel complained:\n    BUG: unable to handle page fault for address: {address}\n    \
                 CPU: 0 PID: 7 Comm: {program} Tainted: G\n    RIP: 0033:{address}\n"
            )
        };
        let kind = complaint_kind(&oops("00000000419f2fe8", "sysret"));
        assert_eq!(
            kind,
            "BUG: unable to handle page fault for address: # (sysret)"
        );
        assert_eq!(complaint_kind(&oops("00000000ffa70bfc", "sysret")), kind);
        assert_ne!(complaint_kind(&oops("00000000419f2fe8", "other")), kind);
        let warning = |place: &str| {
            complaint_kind(&format!(
                "complained:\n WARNING: CPU: 0 PID: 7 at {place}\n"
            ))
        };
        assert_eq!(
            warning("kernel/a.c:12 f+0x1/0x2"),
            warning("kernel/a.c:14 f+0x3/0x2")
        );
        assert_ne!(
            warning("kernel/a.c:12 f+0x1/0x2"),
            warning("kernel/b.c:12 f+0x1/0x2")
        );
        assert_ne!(
            warning("kernel/a.c:12 f+0x1/0x2"),
            warning("kernel/a.c:12 g+0x1/0x2")
        );
    }

    #[test]
    fn the_output_of_other_programs_is_not_read() {
        assert_eq!(
            result("ok 1 a\n", 0).cases,
            [("a".to_owned(), Outcome::Pass)]
        );
    }
}
