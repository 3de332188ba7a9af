// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `test`: the host's tests, then every guest program in both kernels; one line at the end.

use std::env;
use std::process::Command;

use anyhow::Result;
use guest_init::protocol::{suite_name, Job, Program};

use super::Workshop;
use crate::cli::TestArgs;
use crate::guest::boot::{Report, Sink};
use crate::guest::programs::{self, Programs};
use crate::guest::session::{Options, Session};
use crate::guest::verdict::{judge, Verdict};
use crate::kernel::build::Kernel;
use crate::kernel::overlay::Overlay;
use crate::kernel::Flavour;
use crate::setup;
use crate::util::command::logged;
use crate::util::paths::Paths;
use crate::util::progress::Progress;

/// Runs the verb.
pub(crate) fn run(paths: &Paths, args: &TestArgs) -> Result<u8> {
    let mut verdict = Verdict::default();
    verdict.add(test_on_host(paths, args.filter.as_deref())?);
    let mut status_of_set_up = 0;
    if !args.host_only {
        // Whatever goes wrong, what has been found out so far is told, and the count comes last.
        if let Err(e) = test_in_guest(paths, args, &mut verdict) {
            status_of_set_up = setup::status_of(&e);
            verdict.failures.push(format!("{e:#}"));
        }
    }
    for skipped in &verdict.skipped {
        println!("skipped: {skipped}");
    }
    if verdict.passed_count == 0 && verdict.failures.is_empty() {
        verdict.failures.push(match &args.filter {
            Some(filter) => format!("nothing has a name that contains `{filter}`"),
            None => "no test was run".to_owned(),
        });
    }
    for failure in &verdict.failures {
        println!("failed: {}", failure.trim_end());
    }
    println!("{}", verdict.line());
    Ok(match status_of_set_up {
        0 => u8::from(!verdict.failures.is_empty()),
        status => status,
    })
}

fn test_in_guest(paths: &Paths, args: &TestArgs, verdict: &mut Verdict) -> Result<()> {
    let workshop = Workshop::open(paths, &args.tree)?;
    let programs = programs::build(paths, Some((&workshop.tools, &workshop.tree)))?;
    let suites = suites(&Overlay::read(paths)?, args.filter.as_deref());
    let flavours = match &args.flavour[..] {
        [] => &Flavour::TESTED[..],
        some => some,
    };
    for &flavour in flavours {
        // One kernel that cannot be built must not hide what the other one says.
        if let Err(e) = test_in_kernel(&workshop, &programs, &suites, flavour, args, verdict) {
            verdict
                .failures
                .push(format!("{} kernel: {e:#}", flavour.name()));
        }
    }
    Ok(())
}

fn test_in_kernel(
    workshop: &Workshop,
    programs: &Programs,
    suites: &[String],
    flavour: Flavour,
    args: &TestArgs,
    verdict: &mut Verdict,
) -> Result<()> {
    let paths = &workshop.paths;
    let kernel = workshop.kernel(flavour)?;
    // Before it is believed, the harness has to show that it sees failures. The debug kernel would
    // only make that slow.
    if args.filter.is_none() && flavour == Flavour::Product {
        verdict.add(test_harness(paths, &kernel)?);
    }
    let job = job(programs, suites, flavour, args.filter.as_deref());
    if job.programs.is_empty() && suites.is_empty() {
        return Ok(());
    }
    let options = Options {
        flavour,
        cpus_count: 2,
        icount: false,
        logs: flavour.name().to_owned(),
    };
    let image = programs.image.clone();
    let qemu = workshop.tools.qemu.clone();
    let session = Session::new(paths, qemu, &kernel, image, &options)?;
    let what = match job.programs.len() {
        0 => format!("unit tests of the {} kernel", flavour.name()),
        count => format!("{count} programs in the {} kernel", flavour.name()),
    };
    let progress = Progress::spinner(&what);
    let reports = session.run_all(&job, &Sink::Quiet)?;
    progress.done();
    verdict.add(told(flavour, &job, suites, &reports));
    Ok(())
}

/// Judges the programs one by one, and shows a line for each and the output of those that failed.
fn told(flavour: Flavour, job: &Job, suites: &[String], reports: &[Report]) -> Verdict {
    let verdict = judge(&job.programs, suites, reports);
    let of = |name: &str| {
        let prefix = format!("{name}: ");
        verdict
            .failures
            .iter()
            .filter(|f| f.starts_with(&prefix))
            .count()
    };
    let programs = job.programs.iter().map(|program| &program.name);
    for name in suites.iter().chain(programs) {
        let failed_count = of(name);
        println!(
            "{} {name}: {}",
            flavour.name(),
            match failed_count {
                0 => "ok".to_owned(),
                count => format!("{count} failed"),
            }
        );
        if failed_count > 0 {
            print!("{}", last_output(name, reports));
        }
    }
    if let (false, Some(report)) = (verdict.failures.is_empty(), reports.last()) {
        println!(
            "the kernel's console is in {}",
            report.console_log.display()
        );
    }
    let mut verdict = verdict;
    for text in verdict.failures.iter_mut().chain(&mut verdict.skipped) {
        *text = format!("{} kernel: {text}", flavour.name());
    }
    verdict
}

/// Returns the end of what a program wrote.
fn last_output(name: &str, reports: &[Report]) -> String {
    const LINES_COUNT_MAX: usize = 40;
    let title = format!("# program: {name}");
    for report in reports {
        let output = String::from_utf8_lossy(&report.output);
        let lines: Vec<&str> = output
            .lines()
            .skip_while(|line| *line != title)
            .skip(1)
            .take_while(|line| !line.starts_with("# program: "))
            .collect();
        if !lines.is_empty() {
            let from = lines.len().saturating_sub(LINES_COUNT_MAX);
            return lines[from..]
                .iter()
                .map(|line| format!("    {line}\n"))
                .collect();
        }
    }
    String::new()
}

/// Returns the suites of unit tests that the patch brings into the kernel.
fn suites(overlay: &Overlay, filter: Option<&str>) -> Vec<String> {
    let mut suites = Vec::new();
    for (path, file) in &overlay.files {
        if !path.ends_with(".rs") {
            continue;
        }
        let text = String::from_utf8_lossy(&file.content);
        for rest in text.split("kunit_tests(").skip(1) {
            if let Some((suite, _)) = rest.split_once(')') {
                suites.push(suite_name(suite));
            }
        }
    }
    suites.retain(|suite| is_wanted(suite, filter));
    suites.sort();
    suites
}

fn is_wanted(name: &str, filter: Option<&str>) -> bool {
    filter.is_none_or(|filter| name.contains(filter))
}

fn job(programs: &Programs, suites: &[String], flavour: Flavour, filter: Option<&str>) -> Job {
    let programs = programs
        .tests
        .iter()
        .filter(|path| is_wanted(path, filter))
        .map(|path| Program {
            name: path.rsplit('/').next().unwrap_or(path).to_owned(),
            path: path.clone(),
            args: Vec::new(),
            env: Vec::new(),
            timeout_secs: match flavour {
                Flavour::Product => 180,
                Flavour::Debug | Flavour::Kcsan => 1200,
            },
            interactive: false,
        })
        .collect();
    Job {
        programs,
        kunit: !suites.is_empty(),
        kmemleak: flavour == Flavour::Debug,
        titles: true,
    }
}

/// Runs all tests that need no kernel of ours.
fn test_on_host(paths: &Paths, filter: Option<&str>) -> Result<Verdict> {
    let mut command = cargo_test(paths);
    command.args(["--workspace", "--no-fail-fast"]);
    if let Some(filter) = filter {
        command.args(["--", filter]);
    }
    run_cargo_test(paths, "host", command)
}

/// Runs those tests of the boot harness that boot a kernel.
fn test_harness(paths: &Paths, kernel: &Kernel) -> Result<Verdict> {
    let mut command = cargo_test(paths);
    command
        .args([
            "--package",
            "xtask",
            "harness",
            "--",
            "--ignored",
            "--test-threads=1",
        ])
        .env("SIGCR_TEST_KERNEL", &kernel.image);
    run_cargo_test(paths, "harness", command)
}

fn cargo_test(paths: &Paths) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("test").current_dir(&paths.root);
    command
}

fn run_cargo_test(paths: &Paths, group: &str, mut command: Command) -> Result<Verdict> {
    let mut progress = Progress::spinner(&format!("{group} tests"));
    let mut verdict = Verdict::default();
    let log = paths.log(&format!("{group}-tests"))?;
    let result = logged(&mut command, &log, |line| {
        progress.message(line.trim());
        match host_result(line) {
            Some((_, true)) => verdict.passed_count += 1,
            Some((name, false)) => verdict.failures.push(format!("{group}: {name}")),
            None => {}
        }
    });
    match result {
        Ok(()) => progress.done(),
        // Failed tests have been counted; anything else is a failure of its own.
        Err(e) if verdict.failures.is_empty() => {
            drop(progress);
            verdict.failures.push(format!("{group}: {e:#}"));
        }
        Err(e) => {
            drop(progress);
            println!("{e:#}");
        }
    }
    Ok(verdict)
}

/// Reads a line `test NAME ... ok`.
fn host_result(line: &str) -> Option<(&str, bool)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    match result.split([' ', ',']).next()? {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::overlay::Wanted;

    #[test]
    fn results_of_host_tests_are_read() {
        assert_eq!(host_result("test a::b ... ok"), Some(("a::b", true)));
        assert_eq!(host_result("test a::b ... FAILED"), Some(("a::b", false)));
        let doc_test = "test src/lib.rs - x (line 3) - compile ... ok";
        assert!(host_result(doc_test).unwrap().1);
        assert_eq!(host_result("test a::b ... ignored"), None);
        assert_eq!(host_result("test result: ok. 3 passed; 0 failed"), None);
    }

    fn programs() -> Programs {
        Programs {
            image: Default::default(),
            tests: vec!["/bin/pending-cases".into(), "/selftests/abi_test".into()],
        }
    }

    #[test]
    fn a_filter_selects_programs_and_suites_of_unit_tests() {
        let all = job(&programs(), &suites(&overlay(), None), Flavour::Debug, None);
        assert_eq!(
            (all.programs.len(), all.kunit, all.kmemleak),
            (2, true, true)
        );
        let filter = Some("abi");
        let suites = suites(&overlay(), filter);
        let some = job(&programs(), &suites, Flavour::Product, filter);
        assert_eq!(some.programs[0].name, "abi_test");
        assert_eq!(
            (some.programs.len(), some.kunit, some.kmemleak),
            (1, false, false)
        );
    }

    fn overlay() -> Overlay {
        let mut overlay = Overlay::default();
        let text = "#[cfg_attr(\n    X,\n    kernel::macros::kunit_tests(b)\n)]\nmod tests {}\n\
                    #[kunit_tests(a)]\nmod more {}\n";
        for (path, text) in [("kernel/x.rs", text), ("x.c", "kunit_tests(c)")] {
            let wanted = Wanted {
                content: text.into(),
                executable: false,
            };
            overlay.files.insert(path.to_owned(), wanted);
        }
        overlay
    }

    #[test]
    fn the_suites_are_those_in_the_source() {
        assert_eq!(suites(&overlay(), None), ["kunit a", "kunit b"]);
        assert_eq!(suites(&overlay(), Some("kunit b")), ["kunit b"]);
        assert!(suites(&overlay(), Some("x")).is_empty());
    }
}
