// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `sigcr diff`: what differs between two records, in words.

use std::io::Write;

use sigcr::{CheckpointFlags, Model};

use crate::cli::DiffArgs;
use crate::compare;
use crate::exit::{Exit, Failure};
use crate::source::Source;

pub(crate) fn run(args: &DiffArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let stdin = "-".parse::<Source>();
    if Ok(&args.a) == stdin.as_ref() && args.a == args.b {
        return Err(Failure::Usage(
            "the standard input holds one record only; give a file for the other one".to_owned(),
        ));
    }
    let mut a = load(&args.a)?;
    let mut b = load(&args.b)?;
    for note in compare::notes(&a, &b) {
        writeln!(out, "note: {note}")?;
    }
    if args.by_order {
        number_threads(&mut a)?;
        number_threads(&mut b)?;
    }
    let differences = compare::differences(&a, &b);
    for line in &differences {
        writeln!(out, "{line}")?;
    }
    match differences.is_empty() {
        true => {
            writeln!(out, "no difference in signal state")?;
            Ok(Exit::Success)
        }
        false => Ok(Exit::Refused),
    }
}

fn load(source: &Source) -> Result<Model, Failure> {
    match source.load(CheckpointFlags::empty()) {
        Ok(snapshot) => Ok(snapshot.to_model()),
        Err(failure) => Err(Failure::Incomparable(Box::new(failure))),
    }
}

/// Gives the threads the numbers 1, 2, 3 and so on. Those that are only listed go away.
fn number_threads(model: &mut Model) -> Result<(), Failure> {
    model.drop_listed_only();
    let numbers: Vec<_> = (1..).take(model.threads.len()).collect();
    Ok(model.remap_in_order(&numbers)?)
}
