// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A subject: a forked process with threads whose whole signal state was planned beforehand.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::Barrier;

use anyhow::{ensure, Context};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::waitpid;
use nix::unistd::{fork, pipe2, ForkResult, Pid};
use sigcr::{
    Action, ActionFlags, AltStack, AltStackFlags, FrameAbi, Handler, Itimers, Model, Queue,
    QueuedSignal, SigNo, SigSet, ThreadInfo, ThreadModel, Timers,
};

use crate::extras::{self, Extras};
use crate::program::{self, wait_readable, PATIENCE};
use crate::sys::{self, bit, RawAction};

/// The signal state that a subject is to have.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Actions that are not the default, by ascending signal number.
    pub actions: Vec<(u32, RawAction)>,
    /// What is sent to the process.
    pub shared: Vec<Sent>,
    /// The threads, at least one.
    pub threads: Vec<ThreadPlan>,
}

/// The signal state that a thread is to have.
#[derive(Clone, Debug, Default)]
pub struct ThreadPlan {
    /// Blocked signals.
    pub blocked: u64,
    /// Alternate stack: address, bytes and whether it disarms itself; `None` is a disabled one.
    pub altstack: Option<(u64, u64, bool)>,
    /// What is sent to the thread.
    pub pending: Vec<Sent>,
}

/// A signal to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// With its siginfo: signal, code, value.
    Queued(u32, i32, u64),
    /// At the limit of the queue, so that only the pending bit is left of it.
    Bare(u32),
}

/// A running subject; killed when it is dropped.
pub struct Subject {
    pid: Pid,
    tids: Vec<i32>,
}

impl Plan {
    /// A plan for `thread_count` threads without any signal state.
    pub fn empty(thread_count: usize) -> Self {
        Self {
            actions: Vec::new(),
            shared: Vec::new(),
            threads: vec![ThreadPlan::default(); thread_count],
        }
    }

    /// The model of a subject of this plan, sent to by the calling process.
    pub fn model(&self, tids: &[i32]) -> Model {
        let mut model = Model::new(tids[0]);
        model.thread_count = tids.len() as u32;
        model.actions = Some(self.actions.iter().map(action_model).collect());
        model.shared_pending = Some(queue_model(&self.shared));
        // Nobody has set a timer.
        model.itimers = Some(Itimers::default());
        model.timers = Some(Timers::default());
        model.threads = self
            .threads
            .iter()
            .zip(tids)
            .map(|(thread, &tid)| ThreadModel {
                tid,
                state: Some(ThreadInfo {
                    blocked: SigSet::from_bits(thread.blocked),
                    ..ThreadInfo::default()
                }),
                altstack: Some(altstack_model(thread.altstack)),
                pending: Some(queue_model(&thread.pending)),
                inflight: None,
            })
            .collect();
        model
    }
}

impl Subject {
    /// Forks a subject that has the planned actions, masks and alternate stacks, and waits in
    /// pause(2). The caller must have one thread. Nothing is sent yet.
    pub fn start(plan: &Plan) -> anyhow::Result<Self> {
        Self::start_with(plan, || Ok(()))
    }

    /// Does so after the subject has called `set_up`, for what is not in a plan.
    pub fn start_with(
        plan: &Plan,
        set_up: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        Self::start_by(plan, &Extras::default(), set_up)
    }

    /// Does so with the state of `extras` besides.
    pub fn start_with_extras(plan: &Plan, extras: &Extras) -> anyhow::Result<Self> {
        Self::start_by(plan, extras, || Ok(()))
    }

    fn start_by(
        plan: &Plan,
        extras: &Extras,
        set_up: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
        // SAFETY: the caller has one thread, so the child finds no lock held by another.
        match unsafe { fork() }? {
            ForkResult::Child => {
                drop(read_end);
                if let Err(e) = set_up().and_then(|()| live(plan, extras, write_end)) {
                    eprintln!("the subject cannot be set up: {e:#}");
                }
                std::process::exit(1);
            }
            ForkResult::Parent { child } => {
                drop(write_end);
                let mut subject = Self {
                    pid: child,
                    tids: vec![0; plan.threads.len()],
                };
                let mut pipe = File::from(read_end);
                for _ in &plan.threads {
                    ensure!(wait_readable(&pipe, PATIENCE)?, "a thread is missing");
                    let mut words = [0; 8];
                    pipe.read_exact(&mut words)
                        .context("the subject ended early")?;
                    let (index, tid) = words.split_at(4);
                    let index = u32::from_ne_bytes(index.try_into()?) as usize;
                    subject.tids[index] = i32::from_ne_bytes(tid.try_into()?);
                }
                Ok(subject)
            }
        }
    }

    /// Starts a subject, stops it by `SIGSTOP`, and sends it what is planned.
    pub fn stopped(plan: &Plan) -> anyhow::Result<Self> {
        let subject = Self::start(plan)?;
        subject.stop()?;
        subject.send(plan)?;
        Ok(subject)
    }

    /// Sends what is planned.
    pub fn send(&self, plan: &Plan) -> anyhow::Result<()> {
        for sent in &plan.shared {
            self.send_one(None, sent)
                .with_context(|| format!("cannot send {sent:?}"))?;
        }
        for (thread, &tid) in plan.threads.iter().zip(&self.tids) {
            for sent in &thread.pending {
                self.send_one(Some(Pid::from_raw(tid)), sent)
                    .with_context(|| format!("cannot send {sent:?} to thread {tid}"))?;
            }
        }
        Ok(())
    }

    fn send_one(&self, tid: Option<Pid>, sent: &Sent) -> anyhow::Result<()> {
        match (*sent, tid) {
            (Sent::Queued(signo, code, value), None) => {
                sys::queue_to_process(self.pid, &sys::siginfo(signo, code, value))?;
            }
            (Sent::Queued(signo, code, value), Some(tid)) => {
                sys::queue_to_thread(self.pid, tid, &sys::siginfo(signo, code, value))?;
            }
            (Sent::Bare(signo), tid) => {
                let limit = sys::set_sigpending_limit(self.pid, 0)?;
                match tid {
                    // Each in the one way for which the kernel does not insist on a siginfo.
                    None if signo >= 32 => sys::kill(self.pid, signo)?,
                    None => sys::queue_to_process(self.pid, &sys::siginfo(signo, -1, 0))?,
                    Some(tid) => sys::tgkill(self.pid, tid, signo)?,
                }
                sys::set_sigpending_limit(self.pid, limit)?;
            }
        }
        Ok(())
    }

    /// Stops it by `SIGSTOP`.
    pub fn stop(&self) -> anyhow::Result<()> {
        program::stop(self.pid)
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Its thread ids, in the order of the plan.
    pub fn tids(&self) -> &[i32] {
        &self.tids
    }

    /// A pidfd of it.
    pub fn pidfd(&self) -> anyhow::Result<OwnedFd> {
        Ok(sigcr::open_process(self.pid.as_raw())?)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        while waitpid(self.pid, None) == Err(Errno::EINTR) {}
    }
}

/// Sets up the state in the child and never ends.
fn live(plan: &Plan, extras: &Extras, report: OwnedFd) -> anyhow::Result<()> {
    let shared = Shared {
        extras,
        tids: plan.threads.iter().map(|_| AtomicI32::new(0)).collect(),
        all_there: Barrier::new(plan.threads.len()),
    };
    let shared = &shared;
    // Nothing is sent before all have reported, so it does not matter what a thread inherits.
    std::thread::scope(|scope| {
        for (index, thread) in plan.threads.iter().enumerate().skip(1) {
            let report = report.try_clone()?;
            scope.spawn(move || {
                if let Err(e) = live_thread(index, thread, shared, report) {
                    eprintln!("thread {index} of the subject cannot be set up: {e:#}");
                }
            });
        }
        // After the last thread was made: with the first one the C library handles signal 33.
        set_actions(plan)?;
        live_thread(0, &plan.threads[0], shared, report)
    })
}

fn set_actions(plan: &Plan) -> anyhow::Result<()> {
    for signo in (1..=64).filter(|&signo| bit(signo) & UNBLOCKABLE == 0) {
        sys::set_action(signo, &RawAction::default())?;
    }
    for (signo, action) in &plan.actions {
        sys::set_action(*signo, action)?;
    }
    Ok(())
}

/// What the threads of a subject share while they are set up.
struct Shared<'p> {
    extras: &'p Extras,
    tids: Vec<AtomicI32>,
    all_there: Barrier,
}

impl Shared<'_> {
    /// Waits for all threads; then the first one sets what needs them.
    fn set_extras(&self, index: usize) -> anyhow::Result<()> {
        self.tids[index].store(sys::tid().as_raw(), Ordering::Relaxed);
        self.all_there.wait();
        if index == 0 {
            let tids = self.tids.iter().map(|tid| tid.load(Ordering::Relaxed));
            let tids: Vec<_> = tids.map(Pid::from_raw).collect();
            self.extras.set(&tids).context("cannot set timers")?;
        }
        Ok(())
    }
}

fn live_thread(
    index: usize,
    plan: &ThreadPlan,
    shared: &Shared<'_>,
    report: OwnedFd,
) -> anyhow::Result<()> {
    let (sp, size, flags) = match plan.altstack {
        None => (0, 0, libc::SS_DISABLE as u32),
        Some((sp, size, autodisarm)) => (sp, size, if autodisarm { sys::SS_AUTODISARM } else { 0 }),
    };
    // SAFETY: the plans give no handler that could run; the process ends by SIGKILL.
    unsafe { sys::set_altstack(sp, size, flags) }?;
    sys::set_blocked(plan.blocked)?;
    if let Some(signo) = shared.extras.pdeath_signos.get(index) {
        extras::set_pdeath_signo(*signo)?;
    }
    shared.set_extras(index)?;
    let mut words = [0; 8];
    words[..4].copy_from_slice(&(index as u32).to_ne_bytes());
    words[4..].copy_from_slice(&sys::tid().as_raw().to_ne_bytes());
    File::from(report).write_all(&words)?;
    loop {
        nix::unistd::pause();
    }
}

/// `SIGKILL` and `SIGSTOP`.
pub const UNBLOCKABLE: u64 = bit(libc::SIGKILL as u32) | bit(libc::SIGSTOP as u32);

fn action_model(&(signo, raw): &(u32, RawAction)) -> Action {
    Action {
        signo: signal(signo),
        handler: Handler(raw.handler),
        flags: ActionFlags::from_bits_retain(raw.flags),
        restorer: raw.restorer,
        mask: SigSet::from_bits(raw.mask),
        abi: FrameAbi::Native,
    }
}

fn altstack_model(altstack: Option<(u64, u64, bool)>) -> AltStack {
    match altstack {
        None => AltStack {
            flags: AltStackFlags::DISABLE,
            sp: 0,
            size: 0,
        },
        Some((sp, size, autodisarm)) => AltStack {
            flags: match autodisarm {
                true => AltStackFlags::AUTODISARM,
                false => AltStackFlags::empty(),
            },
            sp,
            size,
        },
    }
}

/// What a queue holds after all this was sent to it.
fn queue_model(sent: &[Sent]) -> Queue {
    let mut queue = Queue::of([]);
    for one in sent {
        let (Sent::Queued(signo, ..) | Sent::Bare(signo)) = *one;
        // A legacy signal that is pending already is merged with what is there.
        if signo < 32 && queue.set.contains(signal(signo)) {
            continue;
        }
        queue.set.insert(signal(signo));
        if let Sent::Queued(_, code, value) = *one {
            let mut siginfo = [0; 48];
            siginfo.copy_from_slice(&sys::siginfo(signo, code, value)[..48]);
            queue.entries.push(QueuedSignal::from_siginfo(siginfo));
        }
    }
    queue
}

/// A signal number that is known to be one.
pub fn signal(signo: u32) -> SigNo {
    SigNo::new(signo).unwrap_or_else(|| panic!("{signo} is not a signal number"))
}
