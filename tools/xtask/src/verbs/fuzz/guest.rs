// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Fuzzing in the guest: the program `fuzz-cases` with many records, in each kernel.

use std::cell::RefCell;

use anyhow::{bail, Result};
use guest_init::protocol::{Job, Program};

use super::Run;
use crate::guest::boot::Sink;
use crate::guest::programs;
use crate::guest::session::{Options, Session};
use crate::guest::verdict::judge;
use crate::kernel::Flavour;
use crate::util::progress::Progress;
use crate::verbs::Workshop;

/// The guest program that throws the records.
const PROGRAM: &str = "fuzz-cases";

/// The debug kernel gets one record in so many, since it is that much slower.
const DEBUG_SHARE: u64 = 50;

/// Fuzzes the kernels.
pub(super) fn fuzz(run: &mut Run<'_>) -> Result<()> {
    let replays_elsewhere = run.args.only.is_some() && run.args.inputs > 0;
    if run.args.guest_inputs == 0 || replays_elsewhere {
        return Ok(());
    }
    let flavours = match &run.args.flavour[..] {
        [] => &Flavour::ALL[..],
        some => some,
    };
    // All is built first, since a session has copies: others may build while the guests run.
    let mut sessions = Vec::new();
    let workshop = Workshop::open(run.paths, &run.args.tree)?;
    for &flavour in flavours {
        // One kernel that cannot be built must not hide what the other one says.
        match session(run, &workshop, flavour) {
            Ok(session) => sessions.push((flavour, session)),
            Err(e) => run
                .failures
                .push(format!("{} kernel: {e:#}", flavour.name())),
        }
    }
    drop(workshop);
    for (index, (flavour, session)) in sessions.iter().enumerate() {
        let count = match (flavours.len(), flavour) {
            (1, _) => run.args.guest_inputs,
            (_, Flavour::Debug) => run.args.guest_inputs / DEBUG_SHARE,
            (_, Flavour::Product) => run.args.guest_inputs - run.args.guest_inputs / DEBUG_SHARE,
        };
        let seconds = run.seconds((sessions.len() - index) as u64);
        fuzz_kernel(run, session, *flavour, count, seconds)?;
    }
    Ok(())
}

fn session(run: &Run<'_>, workshop: &Workshop, flavour: Flavour) -> Result<Session> {
    let kernel = workshop.kernel(flavour)?;
    let image = programs::build(run.paths, None)?.image;
    if !image.has_command(PROGRAM) {
        bail!("the workspace builds no program {PROGRAM} (selftests/cases should)");
    }
    let options = Options {
        flavour,
        cpus_count: 2,
        icount: false,
        logs: match flavour {
            Flavour::Product => "fuzz-product",
            Flavour::Debug => "fuzz-debug",
        },
    };
    let qemu = workshop.tools.qemu.clone();
    Session::new(run.paths, qemu, &kernel, image, &options)
}

fn fuzz_kernel(
    run: &mut Run<'_>,
    session: &Session,
    flavour: Flavour,
    count: u64,
    seconds: Option<u64>,
) -> Result<()> {
    let job = Job {
        programs: vec![program(run, flavour, count, seconds)],
        kunit: false,
        kmemleak: flavour == Flavour::Debug,
        titles: false,
    };
    let what = format!("records in the {} kernel", flavour.name());
    let progress = RefCell::new(Progress::inputs(&what, count));
    let look = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let done = text.lines().rev().find_map(|line| number(line, "# done "));
        if let Some(done) = done {
            progress.borrow_mut().set(done);
        }
    };
    let report = session.boot(&job, &Sink::Watch(&look))?;
    let output = String::from_utf8_lossy(&report.output).into_owned();
    println!("{what}:");
    for line in output.lines() {
        let told = line
            .strip_prefix("# ")
            .filter(|line| !line.starts_with("done "));
        match told {
            Some(line) => println!("  {line}"),
            None if line.starts_with("ok ") || line.starts_with("not ok ") => println!("  {line}"),
            None => {}
        }
    }
    let thrown = output.lines().find_map(|line| number(line, "# thrown "));
    run.guest_count += thrown.unwrap_or(0);
    let console_log = report.console_log.display().to_string();
    let verdict = judge(&job.programs, &[], &[report]);
    if !verdict.failures.is_empty() {
        println!("the kernel's console is in {console_log}");
    }
    let failures = verdict.failures.iter();
    run.failures
        .extend(failures.map(|failure| format!("{} kernel: {failure}", flavour.name())));
    Ok(())
}

fn program(run: &Run<'_>, flavour: Flavour, count: u64, seconds: Option<u64>) -> Program {
    let mut args = vec![
        format!("--seed={}", run.args.seed),
        format!("--inputs={count}"),
    ];
    args.extend(run.args.only.map(|index| format!("--only={index}")));
    args.extend(seconds.map(|seconds| format!("--seconds={seconds}")));
    // Far fewer than there are on a host that has other work.
    let inputs_per_second = match flavour {
        Flavour::Product => 20,
        Flavour::Debug => 2,
    };
    Program {
        name: PROGRAM.to_owned(),
        path: format!("/bin/{PROGRAM}"),
        args,
        env: Vec::new(),
        timeout_secs: 600 + seconds.unwrap_or(count / inputs_per_second),
        interactive: false,
    }
}

/// The number behind a prefix.
fn number(line: &str, prefix: &str) -> Option<u64> {
    let rest = line.strip_prefix(prefix)?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_the_program_prints() {
        assert_eq!(number("# done 17", "# done "), Some(17));
        assert_eq!(number("# thrown 17 seed 1", "# thrown "), Some(17));
        assert_eq!(number("# done", "# done "), None);
        assert_eq!(number("done 17", "# done "), None);
    }
}
