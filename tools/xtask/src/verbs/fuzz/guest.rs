// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Fuzzing in the guest: the program `fuzz-cases` with many records, in each kernel.

use anyhow::Result;
use guest_init::protocol::Program;

use super::Run;
use crate::guest::session::Session;
use crate::kernel::Flavour;
use crate::util::progress::Progress;
use crate::verbs::{long, Workshop};

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
        [] => &Flavour::TESTED[..],
        some => some,
    };
    // All is built first, since a session has copies: others may build while the guests run.
    let mut sessions = Vec::new();
    let workshop = Workshop::open(run.paths, &run.args.tree)?;
    for &flavour in flavours {
        // One kernel that cannot be built must not hide what the other one says.
        match long::session(run.paths, &workshop, PROGRAM, "fuzz", flavour) {
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
            (_, Flavour::Debug | Flavour::Kcsan) => run.args.guest_inputs / DEBUG_SHARE,
            (_, Flavour::Product) => run.args.guest_inputs - run.args.guest_inputs / DEBUG_SHARE,
        };
        let seconds = run.seconds((sessions.len() - index) as u64);
        fuzz_kernel(run, session, *flavour, count, seconds)?;
    }
    Ok(())
}

fn fuzz_kernel(
    run: &mut Run<'_>,
    session: &Session,
    flavour: Flavour,
    count: u64,
    seconds: Option<u64>,
) -> Result<()> {
    let what = format!("records in the {} kernel", flavour.name());
    let progress = Progress::inputs(&what, count);
    let program = program(run, flavour, count, seconds);
    let ran = long::run(session, program, flavour, &what, progress)?;
    let thrown = ran.output.lines();
    let thrown = thrown
        .into_iter()
        .find_map(|line| long::number(line, "# thrown "));
    run.guest_count += thrown.unwrap_or(0);
    run.failures.extend(ran.failures);
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
        Flavour::Debug | Flavour::Kcsan => 2,
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
