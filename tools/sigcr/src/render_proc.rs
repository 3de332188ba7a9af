// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A record as the six files that were proposed for `/proc/PID/sig/` in 2007.
//!
//! Each file is a line with its name, then its lines, indented. Sets of signals are 16 hexadecimal
//! digits, as in `/proc/PID/status`, addresses are hexadecimal, all other numbers decimal:
//!
//! | file | a line for | fields |
//! |---|---|---|
//! | `action` | each signal with an action | signo, handler, flags, mask, restorer, frame |
//! | `altstack` | each thread | tid, sp, size, flags |
//! | `blocked` | each thread | tid, set |
//! | `pending` | each queued signal of a thread | tid, signo, errno, code, then the rest of the siginfo |
//! | `shared_pending` | each queued signal of the process | the same without the tid |
//! | `waiters` | each thread that waits for children | tid, kind, id, options |
//!
//! The frame is `native`, `ia32` or `x32`. Before the signals of a queue stands its set, with `set` in front.

use std::io::{self, Write};

use sigcr::{FrameAbi, Model, Queue, WaitsFor};

use crate::siginfo::Siginfo;

/// Writes the six files.
pub(crate) fn write(out: &mut dyn Write, model: &Model) -> io::Result<()> {
    writeln!(out, "action")?;
    for action in model.actions.iter().flatten() {
        writeln!(
            out,
            "  {} {:016x} {:08x} {:016x} {:016x} {}",
            action.signo.get(),
            action.handler.0,
            action.flags.bits(),
            action.mask.bits(),
            action.restorer,
            frame(action.abi)
        )?;
    }
    writeln!(out, "altstack")?;
    for thread in &model.threads {
        if let Some(altstack) = &thread.altstack {
            let (sp, size, flags) = (altstack.sp, altstack.size, altstack.flags.bits());
            writeln!(out, "  {} {sp:016x} {size} {flags:08x}", thread.tid)?;
        }
    }
    writeln!(out, "blocked")?;
    for thread in model
        .threads
        .iter()
        .filter(|thread| !thread.is_listed_only())
    {
        if let Some(state) = &thread.state {
            writeln!(out, "  {} {:016x}", thread.tid, state.blocked.bits())?;
        }
    }
    writeln!(out, "pending")?;
    for thread in &model.threads {
        if let Some(queue) = &thread.pending {
            write_queue(out, queue, &format!("{} ", thread.tid))?;
        }
    }
    writeln!(out, "shared_pending")?;
    if let Some(queue) = &model.shared_pending {
        write_queue(out, queue, "")?;
    }
    writeln!(out, "waiters")?;
    for waiter in model.waiters.iter().flatten() {
        let (kind, id) = match waiter.waits_for {
            WaitsFor::All => ("all", 0),
            WaitsFor::Process(pid) => ("pid", pid),
            WaitsFor::ProcessGroup(pgid) => ("pgid", pgid),
        };
        writeln!(out, "  {} {kind} {id} {:#x}", waiter.tid, waiter.options)?;
    }
    Ok(())
}

fn frame(abi: FrameAbi) -> &'static str {
    match abi {
        FrameAbi::Native => "native",
        FrameAbi::Ia32 => "ia32",
        FrameAbi::X32 => "x32",
    }
}

fn write_queue(out: &mut dyn Write, queue: &Queue, tid: &str) -> io::Result<()> {
    writeln!(out, "  {tid}set {:016x}", queue.set.bits())?;
    for entry in &queue.entries {
        let info = Siginfo::read(&entry.siginfo);
        let rest: String = entry.siginfo[12..]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        writeln!(
            out,
            "  {tid}{} {} {} {rest}",
            info.signo,
            info.errno,
            entry.code()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigcr::{Action, ActionFlags, Handler, SigNo, SigSet};

    #[test]
    fn the_file_of_actions_has_restorer_and_frame() {
        let mut model = Model::new(5);
        let action = |signo, abi| Action {
            signo: SigNo::new(signo).unwrap(),
            handler: Handler(0x55d0_c0ff_ee00),
            flags: ActionFlags::RESTORER | ActionFlags::SIGINFO,
            restorer: 0x7f52_1c04_2520,
            mask: SigSet::from_bits(0x2800),
            abi,
        };
        model.actions = Some(vec![
            action(1, FrameAbi::Native),
            action(10, FrameAbi::Ia32),
            action(64, FrameAbi::X32),
        ]);
        let mut out = Vec::new();
        write(&mut out, &model).unwrap();
        let text = String::from_utf8(out).unwrap();
        let fields = "000055d0c0ffee00 04000004 0000000000002800 00007f521c042520";
        let lines = [
            format!("  1 {fields} native"),
            format!("  10 {fields} ia32"),
            format!("  64 {fields} x32"),
        ];
        assert_eq!(text.lines().skip(1).take(3).collect::<Vec<_>>(), lines);
    }
}
