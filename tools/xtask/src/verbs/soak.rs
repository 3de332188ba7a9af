// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `soak`: storms on processes that are checkpointed and restored, in each kernel; the counts, the
//! data races that are not ours, and one verdict.

use anyhow::Result;
use guest_init::protocol::Program;

use super::{long, Workshop};
use crate::cli::SoakArgs;
use crate::guest::races;
use crate::guest::session::Session;
use crate::kernel::Flavour;
use crate::setup;
use crate::util::paths::Paths;
use crate::util::progress::Progress;

/// The guest program that makes the storms.
const PROGRAM: &str = "soak-cases";
/// The kernels that look for mistakes.
const FLAVOURS: [Flavour; 2] = [Flavour::Debug, Flavour::Kcsan];

/// Runs the verb.
pub(crate) fn run(paths: &Paths, args: &SoakArgs) -> Result<u8> {
    let flavours = match &args.flavour[..] {
        [] => &FLAVOURS[..],
        some => some,
    };
    let mut failures = Vec::new();
    let mut status_of_set_up = 0;
    // All is built first, since a session has copies: others may build while the guests run.
    let mut sessions = Vec::new();
    let workshop = Workshop::open(paths, &args.tree)?;
    for &flavour in flavours {
        // One kernel that cannot be built must not hide what the other one says.
        match long::session(paths, &workshop, PROGRAM, "soak", flavour) {
            Ok(session) => sessions.push((flavour, session)),
            Err(e) => {
                status_of_set_up = setup::status_of(&e);
                failures.push(format!("{} kernel: {e:#}", flavour.name()));
            }
        }
    }
    drop(workshop);
    let mut done = Vec::new();
    for (flavour, session) in &sessions {
        match soak(session, *flavour, args, &mut failures) {
            Ok(summary) => done.push(summary),
            Err(e) => failures.push(format!("{} kernel: {e:#}", flavour.name())),
        }
    }
    for failure in &failures {
        println!("failed: {}", failure.trim_end());
    }
    println!(
        "soak: {}: seed {}{}",
        match failures.len() {
            0 => "passed".to_owned(),
            count => format!("{count} FAILED"),
        },
        args.seed,
        done.concat(),
    );
    Ok(match status_of_set_up {
        0 | 1 => u8::from(!failures.is_empty()),
        status => status,
    })
}

/// Soaks one kernel, and returns what was done in it.
fn soak(
    session: &Session,
    flavour: Flavour,
    args: &SoakArgs,
    failures: &mut Vec<String>,
) -> Result<String> {
    let what = format!("storms in the {} kernel", flavour.name());
    let seconds = 60 * args.minutes;
    let progress = Progress::seconds(&what, seconds);
    let ran = long::run(session, program(args, seconds), flavour, &what, progress)?;
    let others = races::of_others(&ran.report.splats);
    if flavour == Flavour::Kcsan {
        println!(
            "  {} data races of the kernel with itself, which are not judged (guest/races.rs):",
            others.len()
        );
        for (functions, count) in &others {
            println!("  {count:>11} {functions}");
        }
    }
    failures.extend(ran.failures);
    let sum = |words: &str| -> u64 {
        let lines = ran.output.lines().filter_map(|line| count(line, words));
        lines.sum()
    };
    Ok(format!(
        "; {}: {} s, {} records, {} restores, {} signals",
        flavour.name(),
        long_time(&ran.output),
        sum("records taken"),
        sum("restores") + sum("restores of a process onto itself"),
        sum("numbered signals sent"),
    ))
}

/// How long the program says that it took, in seconds.
fn long_time(output: &str) -> u64 {
    let mut lines = output.lines();
    lines
        .find_map(|line| long::number(line, "# took "))
        .unwrap_or(0)
}

/// The number of a line `#      12 words`.
fn count(line: &str, words: &str) -> Option<u64> {
    let (number, rest) = line.strip_prefix('#')?.trim_start().split_once(' ')?;
    (rest == words).then_some(number.parse().ok()?)
}

fn program(args: &SoakArgs, seconds: u64) -> Program {
    Program {
        name: PROGRAM.to_owned(),
        path: format!("/bin/{PROGRAM}"),
        args: vec![
            format!("--seed={}", args.seed),
            format!("--seconds={seconds}"),
            format!("--filter={}", args.filter.as_deref().unwrap_or_default()),
        ],
        env: Vec::new(),
        // The last round, and what is waited for after each.
        timeout_secs: 900 + 2 * seconds,
        interactive: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_the_table_of_the_program() {
        assert_eq!(count("#         12 restores", "restores"), Some(12));
        assert_eq!(count("#         12 restores refused", "restores"), None);
        assert_eq!(count("# live:", "restores"), None);
        assert_eq!(long_time("1..4\n# took 125 s, seed 1\n"), 125);
    }
}
