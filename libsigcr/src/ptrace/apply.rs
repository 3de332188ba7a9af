// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The restore: system calls run in the threads, in an order in which none undoes another.
//!
//! 1. Alternate stacks and signals of the parent's death: what is most likely to be refused.
//! 2. The masks of signalfds.
//! 3. The actions: setting one may take pending signals away.
//! 4. The timers are deleted and made anew, and the interval timers stopped, so that the queues stay
//!    empty.
//! 5. The queues that are replaced are emptied, by taking each signal; then they are filled, by
//!    sending. All signals are blocked, and a traced thread ignores none, so that all are queued. A
//!    timer whose signal is pending is set to a time that is over, when its turn comes.
//! 6. The other timers are set.
//! 7. The masks.

use super::{
    plan::{bare, Plan},
    remote::{Remote, SIGSET_LEN},
    set_timers::{self, Timing},
    sys::{self, SIGINFO_LEN},
};
use crate::{stop::Failure, Action, AltStack, Errno, Queue, QueuedSignal, SigNo, ThreadModel};

/// What was being done when a restore broke off, and the failure.
pub(super) type Broken = (&'static str, Failure);

/// Puts the plan into effect.
pub(super) fn run(plan: &Plan) -> Result<(), Broken> {
    let at = |step: &'static str| move |failure| (step, failure);
    for thread in &plan.model.threads {
        restore_private(plan, thread).map_err(at("the altstacks"))?;
    }
    let carrier = plan.process.carrier().map_err(at("the signalfds"))?;
    let mut carrier = plan.process.remote(carrier).map_err(at("the signalfds"))?;
    restore_signalfds(plan, &mut carrier).map_err(at("the signalfds"))?;
    if let Some(actions) = &plan.model.actions {
        restore_actions(actions, &mut carrier).map_err(at("the actions"))?;
    }
    set_timers::make(plan, &mut carrier).map_err(at("the timers"))?;
    restore_queues(plan, &mut carrier).map_err(at("the queues"))?;
    set_timers::set_all(plan, &mut carrier).map_err(at("the timers' times"))?;
    carrier.finish().map_err(at("the masks"))?;
    for thread in &plan.model.threads {
        restore_mask(plan, thread).map_err(at("the masks"))?;
    }
    Ok(())
}

fn restore_private(plan: &Plan, model: &ThreadModel) -> Result<(), Failure> {
    if model.altstack.is_none() && model.state.is_none() {
        return Ok(());
    }
    let mut remote = plan.process.remote(plan.thread(model.tid)?)?;
    if let Some(altstack) = &model.altstack {
        restore_altstack(altstack, &mut remote)?;
    }
    if let Some(state) = &model.state {
        let signo = state.pdeath_signo.map_or(0, SigNo::get);
        let args = [libc::PR_SET_PDEATHSIG as u64, signo.into(), 0, 0, 0, 0];
        let done = remote.call(libc::SYS_prctl, args)?;
        done.map_err(|errno| Failure::new(errno, "prctl(2) run in it fails"))?;
    }
    remote.finish()
}

/// Sets an alternate stack, whether the thread runs on one or not.
fn restore_altstack(altstack: &AltStack, remote: &mut Remote<'_>) -> Result<(), Failure> {
    let AltStack { flags, sp, size } = *altstack;
    remote.write_words(&[sp, flags.bits().into(), size])?;
    let args = [remote.scratch(), 0, 0, 0, 0, 0];
    let done = remote.call_off_stack(libc::SYS_sigaltstack, args)?;
    done.map_err(|errno| Failure::new(errno, "sigaltstack(2) run in it fails"))?;
    Ok(())
}

fn restore_signalfds(plan: &Plan, remote: &mut Remote<'_>) -> Result<(), Failure> {
    for signalfd in plan.model.signalfds.iter().flatten() {
        remote.write_words(&[signalfd.mask.bits()])?;
        // CAST: The number of an open file is not negative.
        let args = [signalfd.fd as u64, remote.scratch(), SIGSET_LEN, 0, 0, 0];
        let done = remote.call(libc::SYS_signalfd4, args)?;
        done.map_err(|errno| Failure::new(errno, "signalfd(2) run in it fails"))?;
    }
    Ok(())
}

fn restore_actions(actions: &[Action], remote: &mut Remote<'_>) -> Result<(), Failure> {
    let unblockable = [libc::SIGKILL, libc::SIGSTOP].map(|signo| SigNo::new(signo as u32));
    for signo in SigNo::all().filter(|signo| !unblockable.contains(&Some(*signo))) {
        let action = actions.iter().find(|action| action.signo == signo);
        let words = action.map_or([0; 4], |action| {
            [
                action.handler.0,
                action.flags.bits(),
                action.restorer,
                action.mask.bits(),
            ]
        });
        remote.write_words(&words)?;
        let args = [signo.get().into(), remote.scratch(), 0, SIGSET_LEN, 0, 0];
        let done = remote.call(libc::SYS_rt_sigaction, args)?;
        done.map_err(|errno| Failure::new(errno, "sigaction(2) run in it fails"))?;
    }
    Ok(())
}

fn restore_queues(plan: &Plan, carrier: &mut Remote<'_>) -> Result<(), Failure> {
    let own = |tid: i32| plan.thread(tid).map(|thread| thread.tid);
    let is_empty_now = |tid: i32| {
        let mut present = plan.present.threads.iter().filter(|one| one.tid == tid);
        present.all(|one| one.pending.as_ref().is_none_or(Queue::is_empty))
    };
    // A thread takes its own signals first.
    for (tid, _) in plan.queues() {
        if tid == 0 || is_empty_now(tid) {
            continue;
        }
        let thread = plan.thread(tid)?;
        match thread.tid == carrier.tid() {
            true => empty_private(plan, carrier)?,
            false => {
                let mut remote = plan.process.remote(thread)?;
                empty_private(plan, &mut remote)?;
                remote.finish()?;
            }
        }
    }
    if plan.model.shared_pending.is_some() {
        carrier.discard_stops();
        empty_shared(plan, carrier)?;
    }
    let timing = Timing::of(plan);
    for (tid, queue) in plan.queues().filter(|(_, queue)| !queue.is_empty()) {
        let filler = Filler {
            plan,
            timing: &timing,
            tid,
            queue,
        };
        match tid == 0 || own(tid)? == carrier.tid() {
            true => filler.fill(carrier)?,
            false => {
                let mut remote = plan.process.remote(plan.thread(tid)?)?;
                filler.fill(&mut remote)?;
                remote.finish()?;
            }
        }
    }
    Ok(())
}

/// Takes all signals of the thread.
fn empty_private(plan: &Plan, remote: &mut Remote<'_>) -> Result<(), Failure> {
    remote.discard_stops();
    loop {
        let status = plan.process.status(remote.tid())?;
        let set = super::process::sigset(&status, "SigPnd:").map_or(0, |set| set.bits());
        // Of the signals that are in the thread's queue it takes that one, and not the process's.
        if !take(remote, set)? {
            return Ok(());
        }
    }
}

/// Takes all signals of the process, by a thread that has none of the same kind.
fn empty_shared(plan: &Plan, remote: &mut Remote<'_>) -> Result<(), Failure> {
    loop {
        let status = plan.process.status(remote.tid())?;
        let set = super::process::sigset(&status, "ShdPnd:").map_or(0, |set| set.bits());
        if !take(remote, set)? {
            return Ok(());
        }
    }
}

/// Takes one signal of the set, if there is one.
fn take(remote: &mut Remote<'_>, set: u64) -> Result<bool, Failure> {
    if set & !STOP == 0 {
        return Ok(false);
    }
    // The set, and a time of 0 behind it.
    remote.write_words(&[set, 0, 0])?;
    let at = remote.scratch();
    let args = [at, 0, at + 8, SIGSET_LEN, 0, 0];
    match remote.call(libc::SYS_rt_sigtimedwait, args)? {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN) => Ok(false),
        Err(errno) => Err(Failure::new(errno, "sigtimedwait(2) run in it fails")),
    }
}

/// `SIGSTOP`, which cannot be waited for. The thread discards it when it runs.
const STOP: u64 = 1 << (libc::SIGSTOP - 1);

/// Fills one queue by system calls in a thread: its own queue, or that of the process.
struct Filler<'p> {
    plan: &'p Plan,
    timing: &'p Timing<'p>,
    /// Whose; 0: the process's.
    tid: i32,
    queue: &'p Queue,
}

impl Filler<'_> {
    fn fill(&self, remote: &mut Remote<'_>) -> Result<(), Failure> {
        for (index, entry) in self.queue.entries.iter().enumerate() {
            match entry.timer_id {
                Some(id) => {
                    self.timing.expire(id, remote)?;
                    // It may send its signal a moment later.
                    self.wait_queued(index + 1, remote)?;
                }
                None => self.send(entry, remote)?,
            }
        }
        self.wait_queued(self.queue.entries.len(), remote)?;
        self.send_bare(remote)
    }

    /// Sends a signal with its siginfo. A thread may send itself any.
    fn send(&self, entry: &QueuedSignal, remote: &mut Remote<'_>) -> Result<(), Failure> {
        let mut info = [0; SIGINFO_LEN];
        info[..entry.siginfo.len()].copy_from_slice(&entry.siginfo);
        remote.write(&info)?;
        // CAST: Ids are not negative.
        let own = self.own_tid(remote)? as u64;
        let (signo, at) = (entry.signo().into(), remote.scratch());
        let done = match self.tid {
            // The process of the thread with that id is meant.
            0 => remote.call(libc::SYS_rt_sigqueueinfo, [own, signo, at, 0, 0, 0])?,
            _ => {
                let pid = self.plan.present.tgid as u64;
                remote.call(libc::SYS_rt_tgsigqueueinfo, [pid, own, signo, at, 0, 0])?
            }
        };
        done.map_err(|errno| Failure::new(errno, "sigqueue(3) run in it fails"))?;
        Ok(())
    }

    fn own_tid(&self, remote: &Remote<'_>) -> Result<i32, Failure> {
        let mut threads = self.plan.process.threads.iter();
        let thread = threads.find(|thread| thread.tid == remote.tid());
        thread.map(|thread| thread.own_tid).ok_or(Failure::GONE)
    }

    /// Waits until so many signals are queued.
    fn wait_queued(&self, count: usize, remote: &Remote<'_>) -> Result<(), Failure> {
        const LOOK_COUNT: u32 = 2000;
        let Some(last) = count.checked_sub(1) else {
            return Ok(());
        };
        for _ in 0..LOOK_COUNT {
            let entries = sys::peek_siginfo(remote.tid(), self.tid == 0, last);
            if !entries.map_err(|_| Failure::GONE)?.is_empty() {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_micros(50));
        }
        Err(Failure::new(
            Errno::EAGAIN,
            "a signal that was sent in it is not in its queue; do others send to it?",
        ))
    }

    /// Sends what is pending without siginfo: with no room in the queue for one.
    fn send_bare(&self, remote: &mut Remote<'_>) -> Result<(), Failure> {
        let bare = bare(self.queue);
        if bare.is_empty() {
            return Ok(());
        }
        let limit = set_limit(None, remote)?;
        set_limit(Some([0, limit[1]]), remote)?;
        let sent = bare
            .iter()
            .try_for_each(|signo| self.send_one_bare(signo, remote));
        set_limit(Some(limit), remote)?;
        sent
    }

    fn send_one_bare(&self, signo: SigNo, remote: &mut Remote<'_>) -> Result<(), Failure> {
        if signo.is_realtime() {
            // Only for kill(2) the kernel does without a siginfo.
            let pid = self.plan.present.tgid as u64;
            let done = remote.call(libc::SYS_kill, [pid, signo.get().into(), 0, 0, 0, 0])?;
            done.map_err(|errno| Failure::new(errno, "kill(2) run in it fails"))?;
            return Ok(());
        }
        let tgid = self.plan.present.tgid;
        self.send(&QueuedSignal::queued_by(signo, tgid, 0, 0), remote)
    }
}

/// Sets the limit on queued signals of the process, soft and hard; returns what it was.
fn set_limit(limit: Option<[u64; 2]>, remote: &mut Remote<'_>) -> Result<[u64; 2], Failure> {
    let at = remote.scratch();
    let (new, old) = match limit {
        Some(limit) => {
            remote.write_words(&limit)?;
            (at, 0)
        }
        None => (0, at),
    };
    let args = [0, libc::RLIMIT_SIGPENDING.into(), new, old, 0, 0];
    let done = remote.call(libc::SYS_prlimit64, args)?;
    done.map_err(|errno| Failure::new(errno, "prlimit(2) run in it fails"))?;
    match limit {
        Some(limit) => Ok(limit),
        None => remote.read_words(),
    }
}

fn restore_mask(plan: &Plan, model: &ThreadModel) -> Result<(), Failure> {
    let Some(state) = &model.state else {
        return Ok(());
    };
    let tid = plan.thread(model.tid)?.tid;
    sys::set_blocked(tid, state.blocked.bits())
        .map_err(|errno| Failure::new(errno, "its mask cannot be set by ptrace(2)"))
}
