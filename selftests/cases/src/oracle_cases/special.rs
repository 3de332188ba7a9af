// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Processes in rarer states: what ptrace sees of them is what the kernel says, or it refuses them.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context};
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, setuid, ForkResult, Pid, Uid};
use sigcr::ptrace::{self, NotCaptured};
use sigcr::stop::Stopped;
use sigcr::{CheckpointFlags, Error, Model, Queue, QueuedSignal, SigNo, Snapshot};

use crate::agree;
use crate::compare::{same, without_stops};
use crate::extras::{Extras, TimerPlan};
use crate::filter::{filter, Answer};
use crate::lib_cases::{busy_plan, Cgroup};
use crate::program::{status_field, PATIENCE};
use crate::random::plan_with_extras;
use crate::subject::{Plan, Subject};
use crate::sys::{self, bit};
use crate::tap::{skip, Case};

pub(super) const CASES: &[Case] = crate::cases![
    both_agree_on_each_single_thread,
    what_deleted_timers_have_left_is_left_out_by_the_kernel_and_named_by_ptrace,
    both_agree_on_a_process_whose_first_thread_has_ended,
    both_agree_on_a_process_with_a_worker_of_the_kernel,
    both_agree_on_masks_that_are_replaced_for_a_while,
    a_filter_that_would_kill_is_suspended_by_the_privileged,
    a_filter_that_would_kill_keeps_the_unprivileged_away,
    a_32_bit_process_is_refused,
    a_frozen_process_is_refused,
    a_process_that_is_traced_already_is_refused,
];

fn both_agree_on_each_single_thread() -> anyhow::Result<()> {
    let (plan, mut extras) = plan_with_extras(7);
    // A timer that signals the last thread is pending to it.
    extras.timers.push(TimerPlan {
        clock: libc::CLOCK_MONOTONIC,
        notify: libc::SIGEV_THREAD_ID,
        thread: plan.threads.len() - 1,
        signo: 60,
        value: 6,
        sets: vec![(Duration::from_nanos(1), Duration::ZERO, false)],
        deleted: false,
    });
    let mut plan = plan;
    for thread in &mut plan.threads {
        thread.blocked |= bit(60);
    }
    let subject = Subject::start_with_extras(&plan, &extras)?;
    subject.send(&plan)?;
    let stopped = Stopped::by_ptrace(subject.pid().as_raw())?;
    let mut of_timers = 0;
    for &tid in subject.tids() {
        let thread = sigcr::open_thread(tid)?;
        let kernel = sigcr::checkpoint((&thread).into(), CheckpointFlags::empty())?.to_model();
        let taken = ptrace::checkpoint_thread(&stopped, tid)?;
        same(
            "the thread's record",
            &without_stops(&kernel),
            &without_stops(&taken.snapshot.to_model()),
        )?;
        of_timers += taken.not_captured.len();
    }
    ensure!(
        of_timers >= 1,
        "no signal of a timer was pending to a thread"
    );
    let error = ptrace::checkpoint_thread(&stopped, 1 << 22).map(drop);
    refused(error, Errno::ESRCH, "does not have the thread")
}

fn what_deleted_timers_have_left_is_left_out_by_the_kernel_and_named_by_ptrace(
) -> anyhow::Result<()> {
    const LEGACY: u32 = 12;
    const REAL_TIME: u32 = 60;
    let mut plan = Plan::empty(1);
    plan.threads[0].blocked = bit(LEGACY) | bit(REAL_TIME);
    let timer = |signo| TimerPlan {
        clock: libc::CLOCK_MONOTONIC,
        notify: libc::SIGEV_SIGNAL,
        thread: 0,
        signo,
        value: 6,
        sets: vec![(Duration::from_nanos(1), Duration::ZERO, false)],
        deleted: true,
    };
    let extras = Extras {
        timers: vec![timer(LEGACY), timer(LEGACY), timer(REAL_TIME)],
        ..Extras::default()
    };
    let subject = Subject::start_with_extras(&plan, &extras)?;
    let stopped = Stopped::by_ptrace(subject.pid().as_raw())?;
    let kernel = sigcr::checkpoint(stopped.pidfd().into(), CheckpointFlags::empty())?.to_model();
    let empty = kernel.shared_pending.as_ref().is_some_and(Queue::is_empty);
    ensure!(empty, "the kernel's: {:?}", kernel.shared_pending);
    let taken = ptrace::checkpoint(&stopped)?;
    let queue = taken.snapshot.to_model().shared_pending;
    let entries = queue.iter().flat_map(|queue| &queue.entries);
    let signos: Vec<_> = entries.map(QueuedSignal::signo).collect();
    // Of those below SIGRTMIN a record cannot hold two.
    ensure!(signos == [LEGACY, REAL_TIME], "ptrace's: {queue:?}");
    for signo in signos.into_iter().filter_map(SigNo::new) {
        let told = NotCaptured::LeftSignal(signo);
        ensure!(
            taken.not_captured.contains(&told),
            "it does not say: {told}"
        );
    }
    drop(stopped);
    both_agree(subject.pid()).map(drop)
}

fn both_agree_on_a_process_whose_first_thread_has_ended() -> anyhow::Result<()> {
    let child = Forked::new(|| {
        std::thread::spawn(|| loop {
            nix::unistd::pause();
        });
        // SAFETY: ends this thread alone, which nobody waits for.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    })?;
    wait_until(|| Ok(status_field(child.0, "State")?.starts_with('Z')))?;
    let taken = both_agree(child.0)?;
    let dead = taken.threads[0].state.as_ref().is_some_and(|it| it.dead);
    ensure!(dead && taken.threads.len() == 2, "{:?}", taken.threads);
    Ok(())
}

fn both_agree_on_a_process_with_a_worker_of_the_kernel() -> anyhow::Result<()> {
    let child = Forked::new(|| {
        // struct io_uring_params with IORING_SETUP_SQPOLL: a thread looks at the queue.
        let mut params = [0_u32; 30];
        params[2] = 2;
        // SAFETY: the kernel reads and writes one struct of 120 bytes.
        unsafe { libc::syscall(libc::SYS_io_uring_setup, 4, params.as_mut_ptr()) };
        loop {
            nix::unistd::pause();
        }
    })?;
    let is_there = || Ok(crate::program::tids(child.0)?.len() == 2);
    if wait_until(is_there).is_err() {
        return Err(skip("this kernel starts no worker for io_uring"));
    }
    let taken = both_agree(child.0)?;
    let workers = taken
        .threads
        .iter()
        .filter(|thread| thread.is_listed_only());
    ensure!(workers.count() == 1, "{:?}", taken.threads);
    Ok(())
}

fn both_agree_on_masks_that_are_replaced_for_a_while() -> anyhow::Result<()> {
    let child = Forked::new(|| {
        let _ = sys::handle(10, quit, 0, 0);
        let _ = sys::set_blocked(bit(10) | bit(12) | bit(40));
        let waiting = !bit(10);
        loop {
            // SAFETY: the kernel reads one set of the size that is passed.
            unsafe { libc::syscall(libc::SYS_rt_sigsuspend, &waiting, size_of::<u64>()) };
        }
    })?;
    wait_until(|| Ok(syscall_of(child.0)? == Some(libc::SYS_rt_sigsuspend)))?;
    for _ in 0..5 {
        let taken = both_agree(child.0)?;
        let blocked = taken.threads[0].state.as_ref().map(|it| it.blocked.bits());
        ensure!(
            blocked == Some(bit(10) | bit(12) | bit(40)),
            "{blocked:x?} is blocked"
        );
        // It waits again, with the other mask.
        wait_until(|| Ok(syscall_of(child.0)? == Some(libc::SYS_rt_sigsuspend)))?;
    }
    kill(child.0, Signal::SIGUSR1)?;
    let status = waitpid(child.0, None)?;
    ensure!(status.pid() == Some(child.0), "{status:?}");
    std::mem::forget(child);
    Ok(())
}

extern "C" fn quit(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: async-signal-safe, and ends the process.
    unsafe { libc::_exit(0) }
}

fn a_filter_that_would_kill_is_suspended_by_the_privileged() -> anyhow::Result<()> {
    let subject = filtered()?;
    let taken = both_agree(subject.pid())?;
    ensure!(taken.threads.len() == 2, "{:?}", taken.threads);
    is_alive(&subject)
}

fn a_filter_that_would_kill_keeps_the_unprivileged_away() -> anyhow::Result<()> {
    setuid(Uid::from_raw(1000))?;
    // With another user id a process can be traced after its next exec only, but for this.
    // SAFETY: takes two numbers.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1_u64) };
    let subject = filtered()?;
    let stopped = Stopped::by_ptrace(subject.pid().as_raw())?;
    refused(
        ptrace::checkpoint(&stopped).map(drop),
        Errno::EPERM,
        "CAP_SYS_ADMIN",
    )?;
    drop(stopped);
    is_alive(&subject)
}

/// A subject that is killed for some of the system calls that are run in it.
fn filtered() -> anyhow::Result<Subject> {
    let calls = [
        libc::SYS_getitimer,
        libc::SYS_timer_gettime,
        libc::SYS_prctl,
    ];
    Subject::start_with(&busy_plan(), || Ok(filter(calls, Answer::Kill)?))
}

fn is_alive(subject: &Subject) -> anyhow::Result<()> {
    wait_until(|| Ok(status_field(subject.pid(), "State")?.starts_with('S')))
        .context("the subject does not wait any more")
}

fn a_32_bit_process_is_refused() -> anyhow::Result<()> {
    let mut child = start_32_bit()?;
    let pid = Pid::from_raw(child.id() as i32);
    let stopped = Stopped::by_ptrace(pid.as_raw())?;
    let error = ptrace::checkpoint(&stopped).map(drop);
    drop(stopped);
    let still = child.try_wait()?;
    child.kill()?;
    child.wait()?;
    ensure!(still.is_none(), "the process has ended: {still:?}");
    refused(error, Errno::EOPNOTSUPP, "32-bit")
}

/// Starts a program of 32 bits that does nothing for ever.
fn start_32_bit() -> anyhow::Result<Child> {
    const BASE: u32 = 0x0804_8000;
    const HEAD_LEN: u32 = 52 + 32;
    // mov eax, 29 (pause); int 0x80; jmp to the start.
    const CODE: [u8; 9] = [0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7];
    let mut elf = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let half = |elf: &mut Vec<u8>, value: u16| elf.extend(value.to_le_bytes());
    let word = |elf: &mut Vec<u8>, value: u32| elf.extend(value.to_le_bytes());
    half(&mut elf, 2); // An executable
    half(&mut elf, 3); // for i386.
    for value in [1, BASE + HEAD_LEN, 52, 0, 0] {
        word(&mut elf, value);
    }
    for value in [52, 32, 1, 40, 0, 0] {
        half(&mut elf, value);
    }
    let len = HEAD_LEN + CODE.len() as u32;
    // PT_LOAD from the start of the file, to be read and run.
    for value in [1, 0, BASE, BASE, len, len, 5, 0x1000] {
        word(&mut elf, value);
    }
    elf.extend(CODE);
    let path = std::env::temp_dir().join(format!("program-32-{}", std::process::id()));
    let mut file = std::fs::File::create(&path)?;
    file.write_all(&elf)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
    drop(file);
    let child = Command::new(&path).spawn();
    std::fs::remove_file(&path)?;
    match child {
        Err(error) if error.raw_os_error() == Some(libc::ENOEXEC) => {
            Err(skip("this kernel runs no 32-bit programs"))
        }
        child => Ok(child?),
    }
}

fn a_frozen_process_is_refused() -> anyhow::Result<()> {
    let subject = Subject::start(&busy_plan())?;
    let cgroup = Cgroup::of(&subject)?;
    let frozen = Stopped::by_freezer(subject.pid().as_raw())?;
    refused(
        ptrace::checkpoint(&frozen).map(drop),
        Errno::EBUSY,
        "by_ptrace",
    )?;
    let traced = Stopped::by_ptrace(subject.pid().as_raw())?;
    refused(
        ptrace::checkpoint(&traced).map(drop),
        Errno::EBUSY,
        "frozen",
    )?;
    drop(frozen);
    // Thawed, it can be taken while it is traced.
    wait_until(|| Ok(ptrace::checkpoint(&traced).is_ok()))?;
    drop((traced, cgroup));
    is_alive(&subject)
}

fn a_process_that_is_traced_already_is_refused() -> anyhow::Result<()> {
    let subject = Subject::start(&busy_plan())?;
    let stopped = Stopped::by_ptrace(subject.pid().as_raw())?;
    refused(
        Stopped::by_ptrace(subject.pid().as_raw()).map(drop),
        Errno::EPERM,
        "a debugger holds it",
    )?;
    drop(stopped);
    is_alive(&subject)
}

/// Fails unless the kernel and ptrace agree on the process; returns what ptrace has taken.
fn both_agree(pid: Pid) -> anyhow::Result<Model> {
    let stopped = Stopped::by_ptrace(pid.as_raw())?;
    let by_kernel = || -> Result<Snapshot, Error> {
        sigcr::checkpoint(stopped.pidfd().into(), CheckpointFlags::empty())
    };
    let before = by_kernel()?.to_model();
    let taken = ptrace::checkpoint(&stopped)?;
    let after = by_kernel()?.to_model();
    let model = taken.snapshot.to_model();
    agree::agrees(&before, &model, &taken.not_captured, &after)?;
    agree::unchanged(&before, &after)?;
    let listed = model
        .threads
        .iter()
        .filter(|thread| thread.is_listed_only());
    for thread in listed {
        let told = NotCaptured::ParentDeath(thread.tid);
        ensure!(
            taken.not_captured.contains(&told),
            "it does not say: {told}"
        );
    }
    Ok(model)
}

fn refused(result: Result<(), Error>, errno: Errno, words: &str) -> anyhow::Result<()> {
    let Err(error) = result else {
        bail!("was not refused; {errno} was wanted");
    };
    ensure!(error.to_errno() == errno, "refused otherwise: {error}");
    ensure!(error.to_string().contains(words), "no {words:?}: {error}");
    Ok(())
}

/// The system call that the process sleeps in.
fn syscall_of(pid: Pid) -> anyhow::Result<Option<i64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/syscall"))?;
    let number = text.split_whitespace().next();
    Ok(number.and_then(|number| number.parse().ok()))
}

fn wait_until(done: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done()? {
        ensure!(Instant::now() < deadline, "it does not come about");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// A forked process; killed when it is dropped.
struct Forked(Pid);

impl Forked {
    fn new(run: impl FnOnce()) -> anyhow::Result<Self> {
        // SAFETY: a case has one thread, so the child finds no lock held by another.
        match unsafe { fork() }? {
            ForkResult::Parent { child } => Ok(Self(child)),
            ForkResult::Child => {
                run();
                std::process::exit(1);
            }
        }
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
        while waitpid(self.0, None) == Err(Errno::EINTR) {}
    }
}
