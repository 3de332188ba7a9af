// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The boot: one processor, a clock that counts instructions, and the guest program that counts.

use std::cell::RefCell;

use anyhow::{bail, Result};
use guest_init::figure::Line;
use guest_init::protocol::{Job, Program};

use super::provenance::Provenance;
use super::Results;
use crate::cli::BenchArgs;
use crate::guest::boot::{Report, Sink};
use crate::guest::programs;
use crate::guest::session::{Options, Session};
use crate::guest::verdict::{exit_code, guest_failures};
use crate::kernel::Flavour;
use crate::util::paths::Paths;
use crate::util::progress::Progress;
use crate::verbs::Workshop;

/// The guest program that does the counting.
const PROGRAM: &str = "sigcr-bench";

/// Builds all, boots, and returns what the guest has found out.
pub(crate) fn run(paths: &Paths, args: &BenchArgs) -> Result<Results> {
    let workshop = Workshop::open(paths, &args.tree)?;
    let kernel = workshop.kernel(Flavour::Product)?;
    let provenance = Provenance::of_host(&workshop.tools)?;
    let image = programs::build_bench(paths)?;
    let options = Options {
        flavour: Flavour::Product,
        cpus_count: 1,
        icount: true,
        logs: "bench".to_owned(),
    };
    let session = Session::new(paths, workshop.tools.qemu.clone(), &kernel, image, &options)?;
    drop(workshop);
    let job = Job {
        programs: vec![program(args)],
        ..Job::default()
    };
    let progress = RefCell::new(Progress::spinner(match args.short {
        true => "counting instructions, short run",
        false => "counting instructions",
    }));
    let watch = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for line in text.lines() {
            if let Ok(Line::Figure(figure)) = serde_json::from_str(line) {
                progress.borrow_mut().message(&figure.to_string());
            }
        }
    };
    let report = session.boot(&job, &Sink::Watch(&watch))?;
    progress.into_inner().done();
    let output = String::from_utf8_lossy(&report.output).into_owned();
    check(&report, &output)?;
    let mut results = Results::read(&output, provenance)?;
    results.is_short = args.short;
    Ok(results)
}

fn program(args: &BenchArgs) -> Program {
    let mut words = vec![
        "--peek-pending-max".to_owned(),
        args.peek_pending_max.to_string(),
    ];
    if args.short {
        words.push("--short".to_owned());
    }
    Program {
        name: PROGRAM.to_owned(),
        path: format!("/bin/{PROGRAM}"),
        args: words,
        env: Vec::new(),
        // By the guest's clock: each second is a thousand million instructions.
        timeout_secs: match (args.short, args.peek_pending_max > 10_000) {
            (_, true) => 0,
            (true, false) => 30,
            (false, false) => 120,
        },
        interactive: false,
    }
}

/// Is the run one whose figures count?
fn check(report: &Report, output: &str) -> Result<()> {
    let failures = guest_failures(report);
    if failures.is_empty() && exit_code(PROGRAM, &report.events) == Some(0) {
        return Ok(());
    }
    let said: String = output
        .lines()
        .filter(|line| !line.starts_with('{'))
        .map(|line| format!("\n{line}"))
        .collect();
    let complaints: String = failures.iter().map(|f| format!("\n{f}")).collect();
    bail!(
        "the guest's {PROGRAM} failed:{said}{complaints}\nthe kernel's console is in {}",
        report.console_log.display()
    );
}
