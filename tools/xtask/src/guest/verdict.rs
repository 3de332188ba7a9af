// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What counts as passed. Everything that is not said counts as failed.

use guest_init::protocol::{Event, Outcome, Program, KUNIT};

use super::boot::{End, Report};
use super::races;

/// The sum of some tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Cases that hold.
    pub(crate) passed_count: u32,
    /// Cases that were not tried, with their program.
    pub(crate) skipped: Vec<String>,
    /// One entry for each failure, in words.
    pub(crate) failures: Vec<String>,
}

impl Verdict {
    /// Adds another one.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed_count += other.passed_count;
        self.skipped.extend(other.skipped);
        self.failures.extend(other.failures);
    }

    /// Cases that were reported, as long as nothing but their results has been added.
    fn cases_count(&self) -> usize {
        self.passed_count as usize + self.failures.len() + self.skipped.len()
    }

    /// The line that a run ends with.
    pub(crate) fn line(&self) -> String {
        format!(
            "{} passed, {} failed",
            self.passed_count,
            self.failures.len()
        )
    }
}

/// Judges test programs, and suites of the kernel's unit tests, by all boots that it took to run them.
pub(crate) fn judge(programs: &[Program], suites: &[String], reports: &[Report]) -> Verdict {
    let mut verdict = Verdict::default();
    for report in reports {
        verdict.failures.extend(guest_failures(report));
    }
    let events: Vec<&Event> = reports.iter().flat_map(|r| &r.events).collect();
    for program in programs {
        verdict.add(judge_program(&program.name, &events));
    }
    // Also those that nobody asked for: the kernel has some of its own.
    let mut reported: Vec<&str> = suites.iter().map(String::as_str).collect();
    for event in &events {
        let (Event::Plan { program, .. } | Event::Case { program, .. }) = event else {
            continue;
        };
        if program.starts_with(KUNIT) && !reported.contains(&program.as_str()) {
            reported.push(program);
        }
    }
    for suite in reported {
        verdict.add(judge_suite(suite, &events));
    }
    verdict
}

/// Judges a suite of the kernel's unit tests: all of its cases have run, and there are some.
fn judge_suite(name: &str, events: &[&Event]) -> Verdict {
    let mut verdict = cases_of(name, events);
    let cases_count = verdict.cases_count();
    let none = (cases_count == 0).then(|| "the kernel reported no test case".to_owned());
    let wrong = plan_failures(name, cases_count, events).chain(none);
    let wrong = wrong.map(|what| format!("{name}: {what}"));
    verdict.failures.extend(wrong);
    verdict
}

/// What is wrong with the guest itself, whatever the programs said.
pub(crate) fn guest_failures(report: &Report) -> Vec<String> {
    let mut failures = Vec::new();
    let during = match running_program(&report.events) {
        Some(program) => format!(" while {program} ran"),
        None => String::new(),
    };
    if !report.events.contains(&Event::End) {
        failures.push(match &report.end {
            End::Silent(what) => format!("the guest hangs{during}: {what}"),
            End::SwitchedOff => "the guest was switched off".to_owned(),
            End::Emulator(what) => format!("the emulator failed: {what}"),
            End::Exited if report.events.is_empty() => {
                "the guest ended without a word: it did not get as far as its PID 1".to_owned()
            }
            End::Exited => format!("the guest went down{during}"),
        });
    } else if let End::Silent(what) = &report.end {
        failures.push(format!("the guest hangs after its work: {what}"));
    }
    for event in &report.events {
        match event {
            Event::Fatal { reason } => failures.push(format!("PID 1 of the guest: {reason}")),
            Event::Leak { report } => {
                failures.push(format!(
                    "the kernel leaks memory:\n{}",
                    indented(report.lines())
                ));
            }
            _ => {}
        }
    }
    for splat in report.splats.iter().filter(|s| !races::is_of_others(s)) {
        let lines = splat.lines.iter().map(String::as_str);
        failures.push(format!("the kernel complained:\n{}", indented(lines)));
    }
    failures
}

/// Returns a program's exit status, if it got one.
pub(crate) fn exit_code(name: &str, events: &[Event]) -> Option<i32> {
    events.iter().find_map(|event| match event {
        Event::Exit { program, code } if program == name => Some(*code),
        _ => None,
    })
}

/// `kselftest` programs say with this status that all was skipped.
const KSFT_SKIP: i32 = 4;

fn judge_program(name: &str, events: &[&Event]) -> Verdict {
    let mut verdict = cases_of(name, events);
    let cases_count = verdict.cases_count();
    let failed_case = !verdict.failures.is_empty();
    let only_skipped = cases_count > 0 && cases_count == verdict.skipped.len();
    let mut fail = |what: String| verdict.failures.push(format!("{name}: {what}"));

    let mut exit = None;
    for event in events {
        match event {
            Event::Timeout { program, seconds } if program == name => {
                fail(format!(
                    "killed after {seconds} s: it did not end by itself"
                ));
            }
            Event::Exit { program, code } if program == name => exit = Some(*code),
            _ => {}
        }
    }
    for what in plan_failures(name, cases_count, events) {
        fail(what);
    }
    match exit {
        None => fail("did not run to its end".to_owned()),
        Some(_) if cases_count == 0 => fail("reported no test case".to_owned()),
        Some(0) | Some(_) if failed_case => {}
        Some(0) => {}
        Some(KSFT_SKIP) if only_skipped => {}
        Some(code) => fail(format!("exit status {code}, though no case failed")),
    }
    verdict
}

/// What is wrong if a program did not report as many cases as it announced.
fn plan_failures<'a>(
    name: &'a str,
    cases_count: usize,
    events: &'a [&Event],
) -> impl Iterator<Item = String> + 'a {
    events.iter().filter_map(move |event| match event {
        Event::Plan { program, count } if program == name && *count as usize != cases_count => {
            Some(format!(
                "announced {count} cases and reported {cases_count}"
            ))
        }
        _ => None,
    })
}

fn cases_of(name: &str, events: &[&Event]) -> Verdict {
    let mut verdict = Verdict::default();
    for event in events {
        let Event::Case {
            program,
            name: case,
            result,
        } = event
        else {
            continue;
        };
        if program != name {
            continue;
        }
        match result {
            Outcome::Pass => verdict.passed_count += 1,
            Outcome::Fail => verdict.failures.push(format!("{name}: {case}")),
            Outcome::Skip => verdict.skipped.push(format!("{name}: {case}")),
        }
    }
    verdict
}

/// Returns the program that was started and has not ended.
fn running_program(events: &[Event]) -> Option<&str> {
    events.iter().rev().find_map(|event| match event {
        Event::Start { program } => Some(Some(program.as_str())),
        Event::Exit { .. } => Some(None),
        _ => None,
    })?
}

fn indented<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::guest::console::Splat;
    use guest_init::protocol::suite_name;

    pub(crate) fn program(name: &str) -> Program {
        Program {
            name: name.to_owned(),
            path: format!("/bin/{name}"),
            args: Vec::new(),
            env: Vec::new(),
            timeout_secs: 10,
            interactive: false,
        }
    }

    pub(crate) fn start(name: &str) -> Event {
        Event::Start {
            program: name.to_owned(),
        }
    }

    fn exit(name: &str, code: i32) -> Event {
        Event::Exit {
            program: name.to_owned(),
            code,
        }
    }

    fn case(name: &str, result: Outcome) -> Event {
        Event::Case {
            program: name.to_owned(),
            name: "case".to_owned(),
            result,
        }
    }

    fn report(events: &[Event]) -> Report {
        Report {
            events: events.to_vec(),
            output: Vec::new(),
            splats: Vec::new(),
            end: End::Exited,
            console_log: "console.log".into(),
        }
    }

    fn judge_one(events: &[Event]) -> Verdict {
        judge(&[program("a")], &[], &[report(events)])
    }

    fn whole(middle: &[Event], code: i32) -> Vec<Event> {
        let mut events = vec![Event::Boot, start("a")];
        events.extend_from_slice(middle);
        events.extend([exit("a", code), Event::End]);
        events
    }

    #[test]
    fn a_program_with_passed_cases_and_status_0_passes() {
        let events = whole(&[case("a", Outcome::Pass), case("a", Outcome::Skip)], 0);
        let verdict = judge_one(&events);
        assert_eq!(verdict.line(), "1 passed, 0 failed");
        assert_eq!(verdict.skipped, ["a: case"]);
    }

    #[test]
    fn silence_is_failure() {
        let verdict = judge_one(&[]);
        assert_eq!(verdict.passed_count, 0);
        assert!(
            verdict.failures[0].contains("without a word"),
            "{verdict:?}"
        );
        assert!(verdict.failures[1].contains("did not run"), "{verdict:?}");
    }

    #[test]
    fn a_boot_without_its_end_is_failure_though_all_cases_passed() {
        let mut events = whole(&[case("a", Outcome::Pass)], 0);
        events.pop();
        let verdict = judge_one(&events);
        assert_eq!(verdict.line(), "1 passed, 1 failed");
    }

    #[test]
    fn a_program_that_reports_no_case_fails() {
        let verdict = judge_one(&whole(&[], 0));
        assert_eq!(verdict.failures, ["a: reported no test case"]);
    }

    #[test]
    fn a_failed_case_counts_once_whatever_the_status_is() {
        for code in [0, 1] {
            let verdict = judge_one(&whole(&[case("a", Outcome::Fail)], code));
            assert_eq!(verdict.failures, ["a: case"], "{code}");
        }
    }

    #[test]
    fn a_bad_status_without_a_failed_case_is_failure() {
        let verdict = judge_one(&whole(&[case("a", Outcome::Pass)], 139));
        assert_eq!(verdict.line(), "1 passed, 1 failed");
        assert!(verdict.failures[0].contains("139"));
    }

    #[test]
    fn the_skip_status_is_accepted_only_if_all_was_skipped() {
        let verdict = judge_one(&whole(&[case("a", Outcome::Skip)], 4));
        assert_eq!(verdict.line(), "0 passed, 0 failed");
        let some = whole(&[case("a", Outcome::Skip), case("a", Outcome::Pass)], 4);
        assert_eq!(judge_one(&some).line(), "1 passed, 1 failed");
    }

    #[test]
    fn fewer_cases_than_announced_are_failure() {
        let plan = Event::Plan {
            program: "a".into(),
            count: 3,
        };
        let verdict = judge_one(&whole(&[plan, case("a", Outcome::Pass)], 0));
        assert_eq!(verdict.failures, ["a: announced 3 cases and reported 1"]);
    }

    #[test]
    fn a_timeout_is_failure_and_so_is_a_splat_or_a_leak() {
        let timeout = Event::Timeout {
            program: "a".into(),
            seconds: 10,
        };
        let verdict = judge_one(&whole(&[case("a", Outcome::Pass), timeout], 137));
        assert!(verdict.failures[0].contains("killed after 10 s"));

        let mut report = report(&whole(&[case("a", Outcome::Pass)], 0));
        assert!(guest_failures(&report).is_empty());
        report.splats.push(Splat {
            lines: vec!["BUG: x".into()],
        });
        report.events.push(Event::Leak {
            report: "0x1".into(),
        });
        let verdict = judge(&[program("a")], &[], &[report]);
        assert_eq!(verdict.line(), "1 passed, 2 failed");
    }

    #[test]
    fn the_program_that_took_the_guest_down_is_named_and_the_others_count() {
        let first = report(&[Event::Boot, start("a")]);
        let second = report(&[
            Event::Boot,
            start("b"),
            case("b", Outcome::Pass),
            exit("b", 0),
            Event::End,
        ]);
        let verdict = judge(&[program("a"), program("b")], &[], &[first, second]);
        assert_eq!(verdict.passed_count, 1);
        assert!(verdict.failures[0].contains("went down while a ran"));
    }

    #[test]
    fn a_suite_of_unit_tests_has_to_run_whole() {
        let suite = suite_name("s");
        let plan = |count| Event::Plan {
            program: suite_name("s"),
            count,
        };
        let line = |unit_tests: &[Event]| {
            let mut events = whole(&[case("a", Outcome::Pass)], 0);
            events.splice(1..1, unit_tests.iter().cloned());
            let suites = [suite.clone()];
            judge(&[program("a")], &suites, &[report(&events)]).line()
        };
        let passed = case(&suite, Outcome::Pass);
        assert_eq!(line(&[]), "1 passed, 1 failed");
        assert_eq!(line(&[plan(1), passed.clone()]), "2 passed, 0 failed");
        assert_eq!(line(&[plan(2), passed.clone()]), "2 passed, 1 failed");
        assert_eq!(line(&[case(&suite, Outcome::Fail)]), "1 passed, 1 failed");
        // One that nobody has asked for counts as well, but not in place of the other.
        let other = case(&suite_name("other"), Outcome::Fail);
        assert_eq!(line(&[plan(1), passed, other]), "2 passed, 1 failed");
    }
}
