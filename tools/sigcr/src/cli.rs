// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The command line: its table of verbs and options, and the types that they are read into.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use crate::backend::Choice;
use crate::exit::EXIT_CODES;
use crate::paint::When;
use crate::select::Kind;
use crate::source::Source;

/// Checkpoint, restore, show and compare the signal state of processes.
///
/// The signal state is the actions, the blocked signals, the pending signals with all that was
/// queued with them, and the alternate signal stacks, of a process with all its threads.
#[derive(Debug, Parser)]
#[command(name = "sigcr", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write the signal state of a process to a file
    Checkpoint(CheckpointArgs),
    /// Give a process the signal state from a file
    Restore(RestoreArgs),
    /// Show a record, or the present state of a process
    Show(ShowArgs),
    /// Say whether files hold records that can be restored, and if not, what is wrong
    Check(CheckArgs),
    /// Say in words what differs between two records
    Diff(DiffArgs),
    /// Say whether this kernel has the system calls and what this user may do with them
    Probe(ProbeArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CheckpointArgs {
    /// Process to take; with --thread a thread
    #[arg(value_name = "PID")]
    pub(crate) pid: Pid,
    /// File to write, replaced as a whole or not at all; - is the standard output [default: PID.sigcr]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Take the process while it runs; the record says what may be out of date
    #[arg(long, conflicts_with = "no_stop")]
    pub(crate) live: bool,
    /// Also tell which threads wait for children, and for whom
    #[arg(long, conflicts_with = "thread")]
    pub(crate) waiters: bool,
    /// Take only the private state of the one thread PID
    #[arg(long)]
    pub(crate) thread: bool,
    /// Do not stop the process: it must be stopped already
    #[arg(long)]
    pub(crate) no_stop: bool,
    /// Take a record of this version [default: the newest one that this program reads]
    ///
    /// An older version is for a kernel or a program that knows no newer one. `sigcr probe` tells
    /// the newest version of this kernel.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) record_version: Option<u8>,
    /// By which means: `auto` is the system call where there is one, else ptrace
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub(crate) backend: Choice,
    /// Write JSON that says what was taken, by which backend, and what could not be seen
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// Process to change; with --thread a thread
    #[arg(value_name = "PID")]
    pub(crate) pid: Pid,
    /// Record to restore; - is the standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Make every check, change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Restore these kinds of state only
    #[arg(
        long,
        value_name = "KIND,..",
        value_delimiter = ',',
        conflicts_with = "without"
    )]
    pub(crate) only: Vec<Kind>,
    /// Leave these kinds of state as they are
    #[arg(long, value_name = "KIND,..", value_delimiter = ',')]
    pub(crate) without: Vec<Kind>,
    /// Queue the signals again that ptracers held when the record was made
    #[arg(long)]
    pub(crate) requeue_in_flight: bool,
    /// Give the record's threads the ids of the target's: `in-order`, or pairs OLD=NEW
    ///
    /// `in-order` gives the first thread of the record the id of the target's first thread, and the
    /// others in ascending order theirs; both must have as many. Threads that had exited and kernel
    /// workers are not counted. Ids are those of the target's own pid namespace.
    #[arg(long, value_name = "HOW")]
    pub(crate) remap: Option<Remap>,
    /// Consent to change an action table that another process shares
    #[arg(long)]
    pub(crate) shared_sighand: bool,
    /// Restore only the private state of the one thread PID
    #[arg(long)]
    pub(crate) thread: bool,
    /// Do not stop the process: it must be stopped already
    #[arg(long)]
    pub(crate) no_stop: bool,
    /// By which means: `auto` is the system call where there is one, else ptrace
    #[arg(long, value_name = "WHICH", default_value = "auto")]
    pub(crate) backend: Choice,
    /// Consent to what ptrace cannot restore: it is left out, or comes near
    #[arg(long)]
    pub(crate) partial: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// File with a record, - for the standard input, or the number of a process
    ///
    /// A number is always a process; write ./123 for a file of that name. A process is not
    /// stopped for being looked at.
    #[arg(value_name = "FILE|PID")]
    pub(crate) source: Source,
    /// Write JSON that holds every field
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the six files of signal state that were once proposed for /proc
    #[arg(long = "proc", conflicts_with_all = ["json", "all"])]
    pub(crate) as_proc: bool,
    /// Write a line for each queued signal, however many there are of a kind
    #[arg(long, conflicts_with = "json")]
    pub(crate) all: bool,
    /// When to use colours; the environment variable NO_COLOR turns `auto` off
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: When,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Files with records; - is the standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// Record to start from: a file, - for the standard input, or the number of a process
    #[arg(value_name = "A")]
    pub(crate) a: Source,
    /// Record to compare with it
    #[arg(value_name = "B")]
    pub(crate) b: Source,
    /// Compare the threads by their order, whatever their ids
    #[arg(long)]
    pub(crate) by_order: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ProbeArgs {
    /// Write JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The id of a process or thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pid(pub(crate) i32);

impl FromStr for Pid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(pid) if pid > 0 => Ok(Self(pid)),
            _ => Err("not the number of a process; `ps` lists them".to_owned()),
        }
    }
}

/// How the record's thread ids become those of the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remap {
    InOrder,
    Pairs(Vec<(i32, i32)>),
}

impl FromStr for Remap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "in-order" {
            return Ok(Self::InOrder);
        }
        text.split(',')
            .map(pair)
            .collect::<Result<_, _>>()
            .map(Self::Pairs)
    }
}

fn pair(text: &str) -> Result<(i32, i32), String> {
    let ids = text
        .split_once('=')
        .map(|(old, new)| (old.parse(), new.parse()));
    match ids {
        Some((Ok(Pid(old)), Ok(Pid(new)))) => Ok((old, new)),
        _ => Err(format!(
            "'{text}' is not OLD=NEW with two thread ids; use such pairs with commas between them, \
             or in-order"
        )),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_table_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_remap_is_in_order_or_pairs_of_ids() {
        assert_eq!("in-order".parse(), Ok(Remap::InOrder));
        let pairs = Remap::Pairs(vec![(1, 9), (2, 8)]);
        assert_eq!("1=9,2=8".parse(), Ok(pairs));
        for text in ["", "1", "1=", "=2", "1=0", "1=2,", "1=2=3", "x=1"] {
            assert!(text.parse::<Remap>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_pid_is_a_positive_number() {
        assert_eq!("12".parse(), Ok(Pid(12)));
        for text in ["0", "-1", "12x", "", "4294967296"] {
            assert!(text.parse::<Pid>().is_err(), "{text}");
        }
    }
}
