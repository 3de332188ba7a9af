// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs the selftests in both kernels, and again those that do not agree.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::thread;

use anyhow::{Context, Result};
use guest_init::protocol::{Job, Program};

use super::results::{self, complaint_kind, listed, Aspect, Difference, End, ProgramResult};
use super::selftests::{Test, Tests};
use crate::guest::boot::{Report, Sink};
use crate::guest::programs;
use crate::guest::session::{Options, Session};
use crate::guest::verdict::guest_failures;
use crate::kernel::build::Kernel;
use crate::kernel::Flavour;
use crate::util::progress::Progress;
use crate::verbs::Workshop;

/// How often a program is run at most until both kernels agree.
const ROUNDS_COUNT_MAX: usize = 5;

/// What came of one program in both kernels.
pub(super) struct Row {
    /// Folder and name.
    pub(super) name: String,
    /// Without and with the patch, round by round; at least one.
    pub(super) rounds: Vec<[ProgramResult; 2]>,
}

/// The results of all programs.
pub(super) struct Results {
    pub(super) rows: Vec<Row>,
    /// What each kernel complained about.
    pub(super) complaints: [Vec<String>; 2],
}

impl Results {
    /// What is not as it is without the patch.
    pub(super) fn failures(&self) -> Vec<String> {
        let differs = self.rows.iter().filter(|row| row.differs());
        let differs = differs.map(|row| format!("{}: {}", row.name, listed(&row.differences())));
        // What was run in neither kernel agrees, and says nothing.
        let not_run = |row: &&Row| row.last().iter().any(|result| result.end == End::NotRun);
        let not_run = self.rows.iter().filter(|row| row.agrees()).filter(not_run);
        let not_run = not_run.map(|row| format!("{}: {}", row.name, End::NotRun));
        // A complaint that both kernels make is not the patch's doing.
        let old: Vec<String> = self.complaints[0]
            .iter()
            .map(|c| complaint_kind(c))
            .collect();
        let is_new = |text: &&String| !old.contains(&complaint_kind(text));
        let complaints = self.complaints[1].iter().filter(is_new);
        let complaints = complaints.map(|text| format!("with the patch: {text}"));
        differs.chain(not_run).chain(complaints).collect()
    }

    /// The complaints that both kernels make.
    pub(super) fn complaints_of_both(&self) -> BTreeSet<String> {
        let kinds = |all: &[String]| all.iter().map(|text| complaint_kind(text)).collect();
        let [plain, patched]: [BTreeSet<String>; 2] = self.complaints.each_ref().map(|c| kinds(c));
        &plain & &patched
    }
}

impl Row {
    /// The results of the last round, without and with the patch.
    pub(super) fn last(&self) -> &[ProgramResult; 2] {
        &self.rounds[self.rounds.len() - 1]
    }

    /// What was not the same in the last round.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let [plain, patched] = self.last();
        plain.differences(patched)
    }

    /// Do both kernels agree?
    pub(super) fn agrees(&self) -> bool {
        self.differences().is_empty()
    }

    /// Do they not agree, although each is the same in all rounds without the patch?
    pub(super) fn differs(&self) -> bool {
        let differences = self.differences();
        !differences
            .iter()
            .all(|last| self.is_unsteady(&last.aspect))
    }

    /// Whether this changes from round to round without the patch already.
    fn is_unsteady(&self, aspect: &Aspect) -> bool {
        let [[first, _], others @ ..] = &self.rounds[..] else {
            return false;
        };
        let mut changes = others
            .iter()
            .flat_map(|[plain, _]| first.differences(plain));
        changes.any(|change| change.aspect == *aspect)
    }
}

/// The guests, one for each kernel.
pub(super) fn sessions(
    workshop: &Workshop,
    tests: &Tests,
    kernels: [&Kernel; 2],
) -> Result<[Session; 2]> {
    let mut image = programs::build_bare(&workshop.paths)?;
    tests.add_to(&mut image)?;
    let session = |index: usize| {
        let options = Options {
            flavour: Flavour::Product,
            cpus_count: 2,
            icount: false,
            logs: ["upstream-plain", "upstream-patched"][index].to_owned(),
        };
        let qemu = workshop.tools.qemu.clone();
        Session::new(
            &workshop.paths,
            qemu,
            kernels[index],
            image.clone(),
            &options,
        )
    };
    Ok([session(0)?, session(1)?])
}

/// Runs all programs whose name contains `filter`.
pub(super) fn run(sessions: &[Session; 2], tests: &Tests, filter: Option<&str>) -> Result<Results> {
    let wanted: Vec<&Test> = tests
        .tests
        .iter()
        .filter(|test| filter.is_none_or(|filter| test.name.contains(filter)))
        .collect();
    let mut results = Results {
        rows: Vec::new(),
        complaints: [Vec::new(), Vec::new()],
    };
    let mut round = wanted;
    for number in 1..=ROUNDS_COUNT_MAX {
        if round.is_empty() {
            break;
        }
        let pair = run_in_both(sessions, &round, number)?;
        for (complaints, reports) in results.complaints.iter_mut().zip(&pair) {
            complaints.extend(reports.iter().flat_map(guest_failures));
        }
        for test in &round {
            let both = [&pair[0], &pair[1]].map(|reports| results::read(&test.name, reports));
            match results.rows.iter_mut().find(|row| row.name == test.name) {
                Some(row) => row.rounds.push(both),
                None => results.rows.push(Row {
                    name: test.name.clone(),
                    rounds: vec![both],
                }),
            }
        }
        let agree: BTreeSet<&str> = results
            .rows
            .iter()
            .filter(|row| row.agrees())
            .map(|row| row.name.as_str())
            .collect();
        round.retain(|test| !agree.contains(test.name.as_str()));
    }
    Ok(results)
}

/// Runs the programs in both kernels at once: the host is as busy for the one as for the other.
fn run_in_both(sessions: &[Session; 2], tests: &[&Test], round: usize) -> Result<[Vec<Report>; 2]> {
    thread::scope(|scope| {
        let start = |index: usize| {
            let name = ["plain", "patched"][index];
            let what = format!(
                "round {round}: {} selftests in the {name} kernel",
                tests.len()
            );
            scope.spawn(move || run_in(&sessions[index], tests, &what))
        };
        let [plain, patched] = [start(0), start(1)].map(|running| match running.join() {
            Ok(reports) => reports,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        Ok([plain?, patched?])
    })
}

fn run_in(session: &Session, tests: &[&Test], what: &str) -> Result<Vec<Report>> {
    let job = Job {
        programs: tests.iter().map(|test| program(test)).collect(),
        titles: true,
        ..Job::default()
    };
    let progress = RefCell::new(Progress::spinner(what));
    let line = RefCell::new(Vec::new());
    let watch = |bytes: &[u8]| {
        for &byte in bytes {
            if byte != b'\n' {
                line.borrow_mut().push(byte);
                continue;
            }
            let whole = line.take();
            if let Some(name) = String::from_utf8_lossy(&whole).strip_prefix("# program: ") {
                progress.borrow_mut().message(name);
            }
        }
    };
    let reports = session
        .run_all(&job, &Sink::Watch(&watch))
        .with_context(|| what.to_owned())?;
    progress.into_inner().done();
    Ok(reports)
}

fn program(test: &Test) -> Program {
    let (folder, name) = test.name.rsplit_once('/').unwrap_or(("", &test.name));
    Program {
        name: test.name.clone(),
        // Some look for helpers in the folder that they are started in.
        path: "sh".to_owned(),
        args: vec![
            "-c".to_owned(),
            format!(
                "cd /{}/{folder} && exec ./{name}",
                super::selftests::IN_GUEST
            ),
        ],
        env: Vec::new(),
        timeout_secs: test.timeout_secs,
        interactive: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, rounds: &[[End; 2]]) -> Row {
        let result = |end| ProgramResult {
            end,
            cases: Vec::new(),
        };
        Row {
            name: name.to_owned(),
            rounds: rounds.iter().map(|ends| ends.map(result)).collect(),
        }
    }

    #[test]
    fn what_differs_or_was_run_in_neither_kernel_is_a_failure() {
        let [good, bad] = [End::Exit(0), End::Exit(1)];
        let results = Results {
            rows: vec![
                row("same", &[[bad, bad]]),
                row("differs", &[[good, bad], [good, End::Timeout]]),
                row("same in round 2", &[[good, bad], [good, good]]),
                row("unsteady", &[[good, bad], [bad, good], [good, bad]]),
                row("not run", &[[End::NotRun; 2]]),
            ],
            complaints: [
                vec!["old".to_owned()],
                vec!["old".to_owned(), "new".to_owned()],
            ],
        };
        assert_eq!(
            results.failures(),
            [
                "differs: status 0 / killed after its time was up",
                "not run: was not run",
                "with the patch: new"
            ]
        );
        // Both passed and failed with the patch only: that may be the patch.
        let row = row("p", &[[good, bad], [good, bad]]);
        assert!(row.differs() && !row.agrees());
    }
}
