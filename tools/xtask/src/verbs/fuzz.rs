// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `fuzz`: hostile records, in user space and then in the kernels; the counts and one verdict.

mod guest;
mod user_space;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cli::FuzzArgs;
use crate::setup;
use crate::util::paths::Paths;

/// What a run of the verb is to do and has done.
struct Run<'a> {
    paths: &'a Paths,
    args: &'a FuzzArgs,
    deadline: Option<Instant>,
    user_space_count: u64,
    guest_count: u64,
    /// One entry for each failure, in words.
    failures: Vec<String>,
}

/// Runs the verb.
pub(crate) fn run(paths: &Paths, args: &FuzzArgs) -> Result<u8> {
    let started = Instant::now();
    let limit = args
        .minutes
        .map(|minutes| Duration::from_secs(60 * minutes));
    let mut run = Run {
        paths,
        args,
        deadline: limit.map(|limit| started + limit),
        user_space_count: 0,
        guest_count: 0,
        failures: Vec::new(),
    };
    let mut status_of_set_up = 0;
    // Whatever goes wrong, what has been found out so far is told, and the verdict comes last.
    for part in [user_space::fuzz, guest::fuzz] {
        if let Err(e) = part(&mut run) {
            status_of_set_up = setup::status_of(&e);
            run.failures.push(format!("{e:#}"));
        }
    }
    for failure in &run.failures {
        println!("failed: {}", failure.trim_end());
    }
    println!(
        "fuzz: {}: {} inputs in user space and {} in the guest",
        match run.failures.len() {
            0 => "passed".to_owned(),
            count => format!("{count} FAILED"),
        },
        run.user_space_count,
        run.guest_count,
    );
    Ok(match status_of_set_up {
        0 | 1 => u8::from(!run.failures.is_empty()),
        status => status,
    })
}

impl Run<'_> {
    /// The seconds that the next of `parts_count` equal parts of the rest of the time has.
    fn seconds(&self, parts_count: u64) -> Option<u64> {
        let left = self.deadline?.saturating_duration_since(Instant::now());
        // A program that gets none would take it for no limit.
        Some((left.as_secs() / parts_count).max(1))
    }
}
