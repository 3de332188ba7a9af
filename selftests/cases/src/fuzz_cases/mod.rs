// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Hostile records, thrown at sigrestore(2): against the caller itself and against a stopped
//! victim, with all privileges and with none.
//!
//! Each record is first put before the decoder of user space. What that refuses the kernel has to
//! refuse with the same errno. After every refusal, and every dry run, the whole state of the
//! target is what it was: its record and its lines in `/proc/PID/status`, byte by byte. After a
//! success it is what the record says, in all that can be restored; then the target gets its own
//! record back.
//!
//! The one thing that changes by itself is the time that remains of a timer which runs by a clock.
//! It is taken out of the records that are compared; instead it is checked that the time of its
//! expiry, which lies between two known points, can be the same ([`state`]).

mod attack;
mod board;
mod expect;
mod scene;
mod state;
mod supervise;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutator::tally::Tally;
use nix::errno::Errno;

use attack::Attack;
use board::Board;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Decides all records and all targets.
    pub seed: u64,
    /// How many records.
    pub inputs: u64,
    /// Only the record with this index.
    pub only: Option<u64>,
    /// No new record after this time.
    pub limit: Option<Duration>,
}

/// Whose state is attacked, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Role {
    /// The attacker itself is the target, else a stopped child of it.
    pub(crate) own: bool,
    /// The attacker has all privileges, else none; the target has the same.
    pub(crate) privileged: bool,
}

/// The record `index` belongs to the role of that number, modulo the count.
const ROLES: [Role; 4] = [
    Role {
        own: true,
        privileged: true,
    },
    Role {
        own: true,
        privileged: false,
    },
    Role {
        own: false,
        privileged: true,
    },
    Role {
        own: false,
        privileged: false,
    },
];

impl Role {
    fn name(self) -> &'static str {
        match (self.own, self.privileged) {
            (true, true) => "itself with all privileges",
            (true, false) => "itself with no privileges",
            (false, true) => "a stopped victim with all privileges",
            (false, false) => "a stopped victim with no privileges",
        }
    }
}

/// So many records each attacker has to throw, however short the time is.
const ENOUGH_IN_TIME: u64 = 10;

/// With so many records every refusal and the common errors have to be seen.
const ENOUGH: u64 = 20_000;

/// Throws the records and prints TAP.
pub fn run(options: &Options) -> ExitCode {
    println!("TAP version 13\n1..{}", ROLES.len() + 1);
    match throw_all(options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("Bail out! {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// True if all holds.
fn throw_all(options: &Options) -> anyhow::Result<bool> {
    let started = Instant::now();
    let mut attacks = Vec::new();
    for (number, role) in (0..).zip(ROLES) {
        attacks.push(Attack {
            role,
            number,
            step: ROLES.len() as u64,
            options: *options,
            // Each pair has half of the time.
            deadline: options.limit.map(|limit| match number {
                0 | 1 => started + limit / 2,
                _ => started + limit,
            }),
            board: Board::new()?,
        });
    }
    let mut good = true;
    let mut number = 0;
    // Two at the same time, each on a processor; and not two of one user, who is charged for the
    // signals of all targets together.
    for pair in attacks.chunks(2) {
        let done = attacks.iter().map(|attack| attack.board.counts().done);
        let results = supervise::run(pair, done.sum())?;
        for (attack, result) in pair.iter().zip(results) {
            number += 1;
            let name = attack.role.name();
            let what = format!("hostile records change nothing that they should not of {name}");
            good &= tell(number, &what, &result);
            print!("{}", shown(name, &attack.board));
        }
    }
    let result = reach(options, &attacks);
    good &= tell(
        number + 1,
        "the records reach every refusal and every outcome",
        &result,
    );
    println!("# took {} s", started.elapsed().as_secs());
    Ok(good)
}

/// Prints the result of a case; false if it is a failure.
fn tell(number: usize, name: &str, result: &Result<(), String>) -> bool {
    match result {
        Ok(()) => println!("ok {number} {name}"),
        Err(what) => {
            println!("not ok {number} {name}");
            what.lines().for_each(|line| println!("# {line}"));
        }
    }
    result.is_ok()
}

/// The counts of one role, as comments.
fn shown(name: &str, board: &Board) -> String {
    let counts = board.counts();
    let errnos: Vec<String> = board
        .errnos()
        .map(|(errno, count)| match errno {
            Errno::UnknownErrno => format!("success {count}"),
            errno => format!("{errno:?} {count}"),
        })
        .collect();
    let mut text = format!("# {name}: {} records: {}\n", counts.done, errnos.join(", "));
    text += &format!(
        "#   {} refused and nothing changed, {} dry runs and nothing changed\n\
         #   {} restored and as the record says, {} of them but for timers that were due\n\
         #   {} restored that could be deadly, {} targets made anew\n",
        counts.refused, counts.dry_runs, counts.restored, counts.due, counts.deadly, counts.scenes,
    );
    text
}

/// All of the rules and outcomes that have to be seen were seen.
fn reach(options: &Options, attacks: &[Attack]) -> Result<(), String> {
    let mut tally = Tally::default();
    for attack in attacks {
        attack.board.add_to(&mut tally);
    }
    println!("# what the decoder said of all records:");
    tally
        .to_string()
        .lines()
        .for_each(|line| println!("# {line}"));
    let wanted = match options.only {
        Some(_) => 1,
        None => options.inputs,
    };
    if tally.total() < wanted && options.limit.is_none() {
        return Err(format!("{} of {wanted} records were thrown", tally.total()));
    }
    for Attack { role, board, .. } in attacks {
        let done = board.counts().done;
        if done < ENOUGH_IN_TIME.min(wanted / ROLES.len() as u64) {
            return Err(format!("{}: only {done} records were thrown", role.name()));
        }
    }
    println!("# thrown {} seed {}", tally.total(), options.seed);
    if tally.total() < ENOUGH {
        return Ok(());
    }
    tally.check_reach()?;
    for Attack { role, board, .. } in attacks {
        let mut wanted = vec![
            Errno::EINVAL,
            Errno::EBADMSG,
            Errno::EOPNOTSUPP,
            Errno::E2BIG,
            Errno::ESRCH,
            Errno::EBUSY,
            Errno::EAGAIN,
        ];
        if !role.own && !role.privileged {
            wanted.push(Errno::EPERM);
        }
        for errno in wanted {
            if !board.errnos().any(|(seen, _)| seen == errno) {
                return Err(format!("{}: no record was {errno:?}", role.name()));
            }
        }
        let counts = board.counts();
        if counts.restored < counts.done / 20 {
            return Err(format!(
                "{}: only {} of {} records were restored",
                role.name(),
                counts.restored,
                counts.done
            ));
        }
    }
    Ok(())
}
