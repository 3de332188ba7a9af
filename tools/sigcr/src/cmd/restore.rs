// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `sigcr restore`: the signal state from a file, into a process.

use std::io::Write;

use sigcr::{ptrace, Error, Model, RestoreFlags};

use crate::backend::{self, Backend};
use crate::cli::RestoreArgs;
use crate::exit::{Exit, Failure};
use crate::select;
use crate::source;
use crate::target::Target;
use crate::text;

pub(crate) fn run(args: &RestoreArgs, _out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut model = source::read(&args.file)?.to_model();
    if args.requeue_in_flight {
        model.requeue_inflight();
    }
    let gone_count = select::keep(&mut model, &args.only, &args.without)?;
    if gone_count > 0 {
        let signals = text::count(gone_count, "signal");
        eprintln!("sigcr: left out {signals} of timers that are left out");
    }
    if !args.thread {
        // Before the target is touched; of a single thread it is not yet known which one.
        let snapshot = model.encode().map_err(Error::Refused)?;
        snapshot
            .record()
            .check_restorable()
            .map_err(Error::Refused)?;
    }

    let target = Target::open(args.pid, args.thread)?;
    let needs_calls = args.no_stop.then_some("--no-stop");
    let chosen = backend::choose(args.backend, needs_calls)?;
    match chosen.backend {
        Backend::Kernel => restore(args, &target, model)?,
        Backend::Ptrace => {
            chosen.tell();
            restore_by_ptrace(args, &target, model)?;
        }
    }
    Ok(Exit::Success)
}

fn restore(args: &RestoreArgs, target: &Target, mut model: Model) -> Result<(), Failure> {
    // From here on no thread comes or goes.
    let stopped = match args.no_stop {
        true => None,
        false => Some(target.stop()?),
    };
    select::place(&mut model, args.remap.as_ref(), &target.tids()?)?;
    let snapshot = model.encode().map_err(Error::Refused)?;
    target.restore(&snapshot, flags(args))?;
    drop(stopped);
    Ok(())
}

fn restore_by_ptrace(args: &RestoreArgs, target: &Target, mut model: Model) -> Result<(), Failure> {
    let stopped = target.stop_by_ptrace()?;
    select::place(&mut model, args.remap.as_ref(), &target.tids()?)?;
    let snapshot = model.encode().map_err(Error::Refused)?;
    let mut flags = ptrace::RestoreFlags::empty();
    flags.set(ptrace::RestoreFlags::DRY_RUN, args.dry_run);
    flags.set(ptrace::RestoreFlags::PARTIAL, args.partial);
    for lost in ptrace::restore(&stopped, &snapshot, flags)? {
        eprintln!("sigcr: not restored: {lost}");
    }
    Ok(())
}

fn flags(args: &RestoreArgs) -> RestoreFlags {
    let mut flags = RestoreFlags::empty();
    flags.set(RestoreFlags::DRY_RUN, args.dry_run);
    flags.set(RestoreFlags::SHARED_SIGHAND, args.shared_sighand);
    flags
}
