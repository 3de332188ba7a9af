// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The worker: a program with threads whose handlers log every signal that they get.
//!
//! It speaks by lines: `ready TID...` when its threads stand, then it waits for `go`; `done` when
//! everything that was pending has been handled. As `Role::First` it sets up its signal state; as
//! `Role::Fresh` it sets up none, so whatever its handlers log was put there by a restore.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::{BufRead, Write};
use std::num::NonZeroUsize;
use std::os::fd::{IntoRawFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{mpsc, Arc, Barrier};

use anyhow::{bail, Context};
use nix::sys::mman::{mmap_anonymous, MapFlags, ProtFlags};

use super::plan;
use super::plan::Arrival;
use crate::sys;
use crate::sys::RawAction;

/// Which instance of the worker this is.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Sets up handlers, masks and alternate stacks.
    First,
    /// Has no signal state of its own.
    Fresh,
}

/// Runs the worker until everything is logged.
pub fn run(role: Role, log: &Path) -> anyhow::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(log)?;
    LOG.store(file.into_raw_fd(), Ordering::Relaxed);
    forget_the_runtime()?;
    if role == Role::First {
        set_actions()?;
    }
    set_up_thread(role, 0)?;

    let go = Arc::new(Barrier::new(plan::THREAD_COUNT + 1));
    let (tid_sender, tids) = mpsc::channel();
    let mut threads = Vec::new();
    for index in 1..=plan::THREAD_COUNT {
        let (go, tid_sender) = (go.clone(), tid_sender.clone());
        threads.push(std::thread::spawn(move || -> anyhow::Result<()> {
            set_up_thread(role, index)?;
            tid_sender.send(sys::tid())?;
            go.wait();
            take(plan::thread_set())
        }));
        // One after the other, so that ascending tids are in the order of creation.
        print!(
            "{}{}",
            if index == 1 { "ready " } else { " " },
            tids.recv()?
        );
    }
    println!();
    std::io::stdout().flush()?;

    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line != "go\n" {
        bail!("told {line:?} instead of go");
    }
    go.wait();
    for thread in threads {
        match thread.join() {
            Ok(result) => result?,
            Err(_) => bail!("a thread panicked"),
        }
    }
    take(plan::shared_set())?;
    println!("done");
    Ok(())
}

/// Takes back what the Rust runtime did to the signal state before `main`.
fn forget_the_runtime() -> anyhow::Result<()> {
    for signo in [libc::SIGSEGV, libc::SIGBUS, libc::SIGPIPE] {
        sys::set_action(signo as u32, &RawAction::default())?;
    }
    Ok(())
}

fn set_actions() -> anyhow::Result<()> {
    // While one of these runs, none of the others can: so the log is in the order of delivery.
    let mask = plan::shared_set() | plan::thread_set();
    for signo in (1..=64).filter(|&signo| mask & sys::bit(signo) != 0) {
        let flags = if plan::on_altstack(signo) {
            libc::SA_ONSTACK
        } else {
            libc::SA_RESTART
        };
        sys::handle(signo, log_arrival, flags, mask)?;
    }
    // These are only there to be restored.
    sys::handle(libc::SIGTERM as u32, log_arrival, libc::SA_NODEFER, 0)?;
    let ignored = RawAction {
        handler: libc::SIG_IGN as u64,
        ..RawAction::default()
    };
    sys::set_action(libc::SIGPIPE as u32, &ignored)?;
    Ok(())
}

/// Maps the thread's alternate stack, which is memory and not signal state; in the first instance
/// also registers it and blocks the thread's signals.
fn set_up_thread(role: Role, index: usize) -> anyhow::Result<()> {
    INDEX.set(index as u32);
    let address = plan::stack_address(index);
    let (Some(start), Some(len)) = (
        NonZeroUsize::new(address),
        NonZeroUsize::new(plan::STACK_LEN),
    ) else {
        bail!("an alternate stack at 0 or without length");
    };
    // SAFETY: MAP_FIXED_NOREPLACE: no existing mapping is touched.
    unsafe {
        mmap_anonymous(
            Some(start),
            len,
            ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
            MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE,
        )
    }
    .with_context(|| format!("cannot map the alternate stack at {address:#x}"))?;
    let (size, flags) = match role {
        Role::First => (plan::STACK_LEN, plan::stack_flags(index)),
        // The Rust runtime has given each thread one.
        Role::Fresh => (0, libc::SS_DISABLE as u32),
    };
    // SAFETY: the memory was mapped above for this alone and is never unmapped.
    unsafe { sys::set_altstack(address as u64, size as u64, flags) }?;
    if role == Role::First {
        sys::set_blocked(plan::blocked(index))?;
    }
    Ok(())
}

/// Lets the pending signals of `set` in; they have all been handled when this returns.
fn take(set: u64) -> anyhow::Result<()> {
    sys::set_blocked(sys::blocked()? & !set)?;
    Ok(())
}

/// The handler of all signals: async-signal-safe, since all it does is one write(2).
extern "C" fn log_arrival(
    signo: libc::c_int,
    info: *mut libc::siginfo_t,
    _context: *mut libc::c_void,
) {
    // SAFETY: the kernel passes a siginfo to a handler with SA_SIGINFO. The fields after the code
    // are there for every way in which the demo sends a signal.
    let (code, pid, value) = unsafe {
        (
            (*info).si_code,
            (*info).si_pid(),
            (*info).si_value().sival_ptr,
        )
    };
    let thread = INDEX.get();
    let stack = plan::stack_address(thread as usize);
    let here = std::ptr::from_ref(&thread) as usize;
    let arrival = Arrival {
        thread,
        signo: signo as u32,
        code,
        pid,
        value: value as u64,
        on_altstack: (stack..stack + plan::STACK_LEN).contains(&here),
    };
    let bytes = arrival.to_bytes();
    // SAFETY: writes the bytes of a local array. What is lost here is missed by the demo.
    unsafe {
        libc::write(
            LOG.load(Ordering::Relaxed),
            bytes.as_ptr().cast(),
            bytes.len(),
        )
    };
}

/// The log, open for appending.
static LOG: AtomicI32 = AtomicI32::new(RawFd::MAX);

thread_local! {
    /// Number of the thread; const and without a destructor, so a handler may read it.
    static INDEX: Cell<u32> = const { Cell::new(0) };
}
