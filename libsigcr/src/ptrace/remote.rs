// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs system calls in a thread that is held, and puts the thread back to where it was.
//!
//! The thread makes the calls by an instruction that its program has anyway, from one system call
//! stop to the next. So no code is written into it and no signal is involved, `SIGTRAP` neither. All
//! signals are blocked meanwhile, and nothing of a system call that was interrupted is touched: its
//! number, its result and the kernel's memory of how to restart it are as before.
//!
//! `SIGSTOP` cannot be blocked. If it is sent meanwhile the thread takes it; that stops the process
//! as soon as it is let go, as it would have without a ptracer.

use std::{
    thread,
    time::{Duration, Instant},
};

use libc::user_regs_struct as Registers;
use nix::{
    sys::{
        ptrace::{self, Options},
        signal::Signal,
    },
    unistd::Pid,
};

use super::{
    arch,
    memory::{Memory, SCRATCH_LEN},
    sys,
};
use crate::{
    stop::{sys as stop_sys, task, Failure, TIME_LIMIT},
    Errno,
};

/// Bytes of a sigset, which system calls that take one have to be told.
pub(super) const SIGSET_LEN: u64 = 8;

/// A thread that system calls can be run in; put back when it is dropped.
pub(super) struct Remote<'m> {
    pid: i32,
    tid: i32,
    memory: &'m Memory,
    /// Where the instruction is.
    instruction: u64,
    /// As they were.
    registers: Registers,
    /// As they were.
    blocked: u64,
    scratch: u64,
    /// What was there.
    scratch_bytes: Vec<u8>,
    /// Address and content of a pointer that the kernel clears if the thread leaves the code that it
    /// stands for.
    rseq_cs: Option<(u64, u64)>,
    position: Position,
    /// Whether a `SIGSTOP` that the thread takes is thrown away; it cannot be blocked.
    discards_stops: bool,
    /// The signal of a group stop that the thread has run into meanwhile.
    stop_signo: Option<i32>,
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// In the stop that it was in at first.
    Held,
    /// On its way to the entry of a system call.
    ToEntry,
    /// In the stop at the entry.
    Entry,
    /// On its way out.
    ToExit,
    /// In the stop at the exit.
    Exit,
    /// Gone.
    Gone,
}

/// How long to look for a stop without a pause: it mostly comes at once.
const SPIN: Duration = Duration::from_millis(2);
/// How long to sleep between two looks after that.
const NAP: Duration = Duration::from_micros(100);

const REFUSED: &str = "ptrace(2) fails while a system call is run in it; try again";

impl<'m> Remote<'m> {
    /// Makes the thread `tid` of the process `pid`, which is in a stop of `PTRACE_INTERRUPT`, ready.
    /// System calls are made by the instruction at `instruction`.
    ///
    /// # Errors
    ///
    /// The thread is as before.
    pub(super) fn new(
        pid: i32,
        tid: i32,
        memory: &'m Memory,
        instruction: u64,
    ) -> Result<Remote<'m>, Failure> {
        let registers = ptrace::getregs(Pid::from_raw(tid)).map_err(failed)?;
        let mut options = Options::PTRACE_O_TRACESYSGOOD;
        check(tid, &registers)?;
        if has_seccomp(pid, tid) {
            options |= SUSPEND_SECCOMP;
        }
        let rseq_area = sys::rseq_area(tid).map_err(failed)?;
        let rseq_cs = match rseq_area {
            0 => None,
            area => {
                let addr = area + RSEQ_CS_OFF;
                Some((addr, memory.read_u64(addr)?)).filter(|(_, pointer)| *pointer != 0)
            }
        };
        let scratch = memory.find_scratch(arch::stack_pointer(&registers))?;
        let mut scratch_bytes = vec![0; SCRATCH_LEN];
        memory.read(scratch, &mut scratch_bytes)?;
        let blocked = sys::blocked(tid).map_err(failed)?;
        ptrace::setoptions(Pid::from_raw(tid), options).map_err(|errno| match errno {
            Errno::EPERM | Errno::EINVAL if options.contains(SUSPEND_SECCOMP) => Failure::new(
                Errno::EPERM,
                "it has a seccomp filter, which could kill it for a system call that is run in it; \
                 run with CAP_SYS_ADMIN and without a filter of one's own, so that the filter can be \
                 suspended, or use a kernel with sigckpt(2)",
            ),
            errno => failed(errno),
        })?;
        // From here on dropping it puts everything back.
        let remote = Remote {
            pid,
            tid,
            memory,
            instruction,
            registers,
            blocked,
            scratch,
            scratch_bytes,
            rseq_cs,
            position: Position::Held,
            discards_stops: false,
            stop_signo: None,
        };
        sys::set_blocked(tid, u64::MAX).map_err(failed)?;
        Ok(remote)
    }

    /// The thread.
    pub(super) fn tid(&self) -> i32 {
        self.tid
    }

    /// The signals that the thread blocks, apart from now.
    pub(super) fn blocked(&self) -> u64 {
        self.blocked
    }

    /// The signal of a group stop that has begun meanwhile.
    pub(super) fn stop_signo(&self) -> Option<i32> {
        self.stop_signo
    }

    /// The address of [`SCRATCH_LEN`] bytes for arguments and results, in the process.
    pub(super) fn scratch(&self) -> u64 {
        self.scratch
    }

    /// Reads from the start of the scratch memory.
    pub(super) fn read<const N: usize>(&self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        self.memory.read(self.scratch, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads words from the start of the scratch memory.
    pub(super) fn read_words<const N: usize>(&self) -> Result<[u64; N], Failure> {
        let mut bytes = [0; SCRATCH_LEN];
        let bytes = &mut bytes[..8 * N];
        self.memory.read(self.scratch, bytes)?;
        let mut words = bytes.chunks_exact(8).map(|word| {
            let word = word.first_chunk().copied();
            u64::from_ne_bytes(word.unwrap_or_default())
        });
        Ok(std::array::from_fn(|_| words.next().unwrap_or_default()))
    }

    /// Writes to the start of the scratch memory.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        debug_assert!(bytes.len() <= SCRATCH_LEN);
        self.memory.write(self.scratch, bytes)
    }

    /// Writes words to the start of the scratch memory.
    pub(super) fn write_words(&self, words: &[u64]) -> Result<(), Failure> {
        let bytes: Vec<_> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        self.write(&bytes)
    }

    /// Throws away the `SIGSTOP`s that the thread takes from here on.
    pub(super) fn discard_stops(&mut self) {
        self.discards_stops = true;
    }

    /// Makes the system call `number`. What it returns, and an error of its own, is inside.
    pub(super) fn call(
        &mut self,
        number: libc::c_long,
        args: [u64; 6],
    ) -> Result<Result<u64, Errno>, Failure> {
        let registers = self.registers;
        self.call_with(&registers, number, args)
    }

    /// As [`Self::call`], with no stack: a system call that asks whether it is made on a stack finds
    /// that it is not.
    pub(super) fn call_off_stack(
        &mut self,
        number: libc::c_long,
        args: [u64; 6],
    ) -> Result<Result<u64, Errno>, Failure> {
        let registers = arch::with_stack_pointer(&self.registers, 0);
        self.call_with(&registers, number, args)
    }

    fn call_with(
        &mut self,
        registers: &Registers,
        number: libc::c_long,
        args: [u64; 6],
    ) -> Result<Result<u64, Errno>, Failure> {
        // CAST: The number of a system call is not negative.
        let registers = arch::to_call(registers, self.instruction, number as u64, args);
        ptrace::setregs(self.id(), registers).map_err(failed)?;
        let deadline = Instant::now() + TIME_LIMIT;
        self.run_to(Position::ToEntry, Some(deadline))?;
        self.run_to(Position::ToExit, Some(deadline))?;
        let registers = ptrace::getregs(self.id()).map_err(failed)?;
        Ok(arch::result(&registers))
    }

    /// Puts the thread back to where it was.
    ///
    /// # Errors
    ///
    /// The thread is gone, or cannot be put back.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.put_back()
    }

    fn id(&self) -> Pid {
        Pid::from_raw(self.tid)
    }

    /// Lets the thread run to its next system call stop.
    fn run_to(&mut self, way: Position, deadline: Option<Instant>) -> Result<(), Failure> {
        ptrace::syscall(self.id(), None).map_err(failed)?;
        self.position = way;
        self.wait_syscall_stop(deadline)
    }

    /// Waits for the system call stop that the thread is on its way to.
    fn wait_syscall_stop(&mut self, deadline: Option<Instant>) -> Result<(), Failure> {
        loop {
            let stop = self.wait_stop(deadline)?;
            if stop.event == 0 && stop.signo == libc::SIGTRAP | 0x80 {
                self.position = match self.position {
                    Position::ToEntry => Position::Entry,
                    _ => Position::Exit,
                };
                return Ok(());
            }
            let signal = self.signal_to_take(&stop)?;
            ptrace::syscall(self.id(), signal).map_err(failed)?;
        }
    }

    /// What the thread is to take with it from a stop that is none of a system call.
    fn signal_to_take(&mut self, stop: &stop_sys::Stop) -> Result<Option<Signal>, Failure> {
        match (stop.event, stop.signo) {
            (libc::PTRACE_EVENT_STOP, libc::SIGTRAP) => Ok(None),
            (libc::PTRACE_EVENT_STOP, signo) => {
                self.stop_signo = Some(signo);
                Ok(None)
            }
            (0, libc::SIGSTOP) if self.discards_stops => Ok(None),
            (0, libc::SIGSTOP) => Ok(Some(Signal::SIGSTOP)),
            _ => Err(Failure::new(
                Errno::EIO,
                "it takes a signal although all are blocked: its memory was changed by another \
                 process; stop that one too",
            )),
        }
    }

    fn wait_stop(&mut self, deadline: Option<Instant>) -> Result<stop_sys::Stop, Failure> {
        let spin_end = Instant::now() + SPIN;
        loop {
            match stop_sys::take_stop(self.tid) {
                Ok(Some(stop)) => return Ok(stop),
                Ok(None) | Err(Errno::EINTR | Errno::ECHILD) => {}
                Err(errno) => return Err(failed(errno)),
            }
            if Instant::now() < spin_end {
                thread::yield_now();
                continue;
            }
            if task::is_dead(self.pid, self.tid) {
                self.position = Position::Gone;
                return Err(Failure::GONE);
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Err(Failure::new(
                    Errno::ETIMEDOUT,
                    "a system call that was run in it did not end within 10 seconds; is its cgroup \
                     frozen, or its memory on a device that does not answer?",
                ));
            }
            thread::sleep(NAP);
        }
    }

    /// Undoes everything. This waits for as long as it takes: a thread that is let go with other
    /// registers than its own would run wild.
    fn put_back(&mut self) -> Result<(), Failure> {
        let position = self.position;
        if position == Position::Gone {
            return Err(Failure::GONE);
        }
        // Unless it succeeds there is nothing to be done when this is dropped afterwards.
        self.position = Position::Gone;
        if position != Position::Held {
            self.leave_syscall(position)?;
        }
        if let Some((addr, pointer)) = self.rseq_cs {
            self.memory.write(addr, &pointer.to_ne_bytes())?;
        }
        self.memory.write(self.scratch, &self.scratch_bytes)?;
        sys::set_blocked(self.tid, self.blocked).map_err(failed)?;
        ptrace::setoptions(self.id(), Options::empty()).map_err(failed)
    }

    /// Brings the thread from a system call to a stop like the one that it was in at first.
    fn leave_syscall(&mut self, position: Position) -> Result<(), Failure> {
        if position == Position::ToEntry || position == Position::ToExit {
            self.position = position;
            self.wait_syscall_stop(None)?;
        }
        if position == Position::ToEntry || position == Position::Entry {
            self.run_to(Position::ToExit, None)?;
        }
        self.position = Position::Gone;
        ptrace::setregs(self.id(), self.registers).map_err(failed)?;
        // The stop is where signals are taken and system calls are restarted, so that the thread
        // goes through there with its own registers when it is let go.
        ptrace::interrupt(self.id()).map_err(failed)?;
        ptrace::cont(self.id(), None).map_err(failed)?;
        loop {
            let stop = self.wait_stop(None)?;
            let signal = self.signal_to_take(&stop)?;
            if stop.event == libc::PTRACE_EVENT_STOP {
                return Ok(());
            }
            ptrace::cont(self.id(), signal).map_err(failed)?;
        }
    }
}

impl Drop for Remote<'_> {
    fn drop(&mut self) {
        // One that fails has failed before, or the thread has been killed.
        let _ = self.put_back();
    }
}

/// Where in the restartable-sequences area the pointer to the present sequence is.
const RSEQ_CS_OFF: u64 = 8;

/// `PTRACE_O_SUSPEND_SECCOMP`, which neither nix nor every libc has.
const SUSPEND_SECCOMP: Options = Options::from_bits_retain(1 << 21);

/// Refuses a thread that no system call can be run in.
fn check(tid: i32, registers: &Registers) -> Result<(), Failure> {
    if arch::is_32_bit(registers) {
        return Err(Failure::new(
            Errno::EOPNOTSUPP,
            "it runs 32-bit code, and system calls can be run in 64-bit code only; use a kernel \
             with sigckpt(2)",
        ));
    }
    if sys::dispatches_syscalls(tid).map_err(failed)? {
        return Err(Failure::new(
            Errno::EOPNOTSUPP,
            "it has its system calls turned into signals (PR_SET_SYSCALL_USER_DISPATCH), so none can \
             be run in it; use a kernel with sigckpt(2)",
        ));
    }
    Ok(())
}

fn has_seccomp(pid: i32, tid: i32) -> bool {
    let status = task::status(pid, tid).unwrap_or_default();
    !matches!(task::field_of(&status, "Seccomp:"), Some("0") | None)
}

fn failed(errno: Errno) -> Failure {
    match errno {
        // A thread that is not in a stop: it has been killed.
        Errno::ESRCH => Failure::GONE,
        errno => Failure::new(errno, REFUSED),
    }
}
