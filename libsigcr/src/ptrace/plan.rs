// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The plan of a restore: whether the record fits the target, and what of it cannot be restored.
//!
//! Nothing is changed here.

use std::{collections::BTreeSet, fs};

use super::{
    capture,
    process::{Kind, Process, Thread},
    remote::Remote,
    times::{self, RestoreIds},
    NotRestorable,
};
use crate::{
    action::is_ignored,
    stop::{task, Failure, Stopped},
    AltStackFlags, Errno, FrameAbi, Model, Queue, SigNo, SigSet, TimerModel, TimerNotify,
    TimerState,
};

/// What is to be done: a record that can be restored as it is.
pub(super) struct Plan {
    pub(super) process: Process,
    /// What the target has now.
    pub(super) present: Model,
    /// What it is to have. Queues of threads that the record leaves alone are in here too if they
    /// have to be emptied on the way.
    pub(super) model: Model,
    /// Whether the timers are made anew; else the target has them, and they are only set.
    pub(super) makes_timers: bool,
    /// What was taken out of the record.
    pub(super) lost: Vec<NotRestorable>,
}

const STOP_SIGNALS: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

impl Plan {
    /// Makes the plan to restore `model` into the process that is held.
    pub(super) fn make(stopped: &Stopped, model: &Model) -> Result<Plan, Failure> {
        let (present, _) = capture::run(stopped)?;
        let mut plan = Plan {
            process: Process::of(stopped)?,
            present,
            model: model.clone(),
            makes_timers: true,
            lost: Vec::new(),
        };
        plan.model.drop_listed_only();
        plan.check_threads()?;
        plan.check_altstacks()?;
        plan.plan_actions()?;
        plan.check_timers()?;
        plan.plan_timers()?;
        plan.plan_queues()?;
        plan.check_limit()?;
        plan.plan_signalfds();
        plan.lost.sort();
        plan.lost.dedup();
        Ok(plan)
    }

    /// The thread that the record calls `own_tid`.
    pub(super) fn thread(&self, own_tid: i32) -> Result<&Thread, Failure> {
        let mut threads = self.process.threads.iter();
        match threads.find(|thread| thread.own_tid == own_tid) {
            Some(thread) if thread.kind == Kind::Held => Ok(thread),
            Some(thread) if thread.kind == Kind::Worker => Err(Failure::new(
                Errno::EPERM,
                "the record names a thread that is a worker of the kernel; leave it out",
            )),
            _ => Err(Failure::new(
                Errno::ESRCH,
                "it lacks a thread that the record names; map the record's thread ids to those of \
                 the target",
            )),
        }
    }

    fn check_threads(&self) -> Result<(), Failure> {
        let mut threads = self.model.threads.iter();
        threads.try_for_each(|thread| self.thread(thread.tid).map(drop))
    }

    fn check_altstacks(&self) -> Result<(), Failure> {
        let size_min = signal_frame_len();
        let stacks = self.model.threads.iter().filter_map(|one| one.altstack);
        let enabled = |stack: &crate::AltStack| !stack.flags.contains(AltStackFlags::DISABLE);
        match stacks.filter(enabled).all(|stack| stack.size >= size_min) {
            true => Ok(()),
            false => Err(Failure::new(
                Errno::EINVAL,
                "an altstack of the record is too small for this CPU; leave the altstacks out",
            )),
        }
    }

    /// Makes all actions native, and refuses those that would take pending signals away which the
    /// record leaves alone.
    fn plan_actions(&mut self) -> Result<(), Failure> {
        let Some(actions) = &mut self.model.actions else {
            return Ok(());
        };
        for action in actions.iter_mut() {
            if action.abi != FrameAbi::Native {
                self.lost.push(NotRestorable::FrameAbi(action.signo));
                action.abi = FrameAbi::Native;
            }
        }
        let ignored: SigSet = SigNo::all()
            .filter(|signo| is_ignored(actions, *signo))
            .collect();
        let kept = self.kept_queues().map(|queue| queue.set.bits());
        match kept.fold(0, |all, set| all | set) & ignored.bits() {
            0 => Ok(()),
            _ => Err(Failure::new(
                Errno::EBUSY,
                "a signal is pending to it that the record's actions ignore, and setting them would \
                 take it away; restore the queues as well, or leave the actions out",
            )),
        }
    }

    /// The queues of the target that are left alone.
    fn kept_queues(&self) -> impl Iterator<Item = &Queue> {
        let replaced = |tid: i32| {
            let mut threads = self.model.threads.iter();
            threads.any(|thread| thread.tid == tid && thread.pending.is_some())
        };
        let shared = self.present.shared_pending.iter();
        let shared = shared.filter(|_| self.model.shared_pending.is_none());
        let private = self.present.threads.iter();
        let private = private.filter(move |thread| !replaced(thread.tid));
        shared.chain(private.filter_map(|thread| thread.pending.as_ref()))
    }

    fn check_timers(&self) -> Result<(), Failure> {
        let Some(wanted) = &self.model.timers else {
            return Ok(());
        };
        for timer in &wanted.timers {
            if timer.notify == TimerNotify::ThreadId {
                self.thread(timer.notify_tid)?;
            }
        }
        let mut kept = self.kept_queues().flat_map(|queue| &queue.entries);
        match kept.any(|entry| entry.timer_id.is_some()) {
            false => Ok(()),
            true => Err(Failure::new(
                Errno::EBUSY,
                "a queue that the record leaves alone holds the signal of a timer that would be set; \
                 restore the queues with the timers or neither",
            )),
        }
    }

    fn plan_timers(&mut self) -> Result<(), Failure> {
        let alarm = SigNo::new(libc::SIGALRM as u32);
        if let Some(itimers) = &mut self.model.itimers {
            let shared = self.model.shared_pending.as_ref();
            let shared = shared.or(self.present.shared_pending.as_ref());
            let has_alarm = shared
                .zip(alarm)
                .is_some_and(|(q, alarm)| q.set.contains(alarm));
            if itimers.real_expired && !has_alarm {
                itimers.real_expired = false;
                itimers.real.remaining_ns = itimers.real.interval_ns;
                self.lost.push(NotRestorable::RealItimer);
            }
        }
        let Some(wanted) = &mut self.model.timers else {
            return Ok(());
        };
        let mut remote = self.process.remote(self.process.carrier()?)?;
        self.makes_timers = makes_timers_with_ids(&mut remote)?;
        if !self.makes_timers && !are_alike(&wanted.timers, &self.present) {
            self.lost.push(NotRestorable::Timers);
            remote.finish()?;
            self.model.timers = None;
            return Ok(());
        }
        for timer in &mut wanted.timers {
            plan_timer(timer, &mut remote, &mut self.lost)?;
        }
        remote.finish()
    }

    fn plan_queues(&mut self) -> Result<(), Failure> {
        self.empty_on_the_way()?;
        let stopped = self.present.process.as_ref().is_some_and(|it| it.stopped);
        let makes_timers = self.model.timers.is_some();
        let shared = self.model.shared_pending.iter_mut().map(|queue| (0, queue));
        let private = self.model.threads.iter_mut();
        let private = private.filter_map(|one| one.pending.as_mut().map(|queue| (one.tid, queue)));
        for (tid, queue) in shared.chain(private) {
            if drop_signal(queue, libc::SIGSTOP) {
                self.lost.push(NotRestorable::PendingStop);
            }
            if stopped && drop_signal(queue, libc::SIGCONT) {
                self.lost.push(NotRestorable::PendingContinue);
            }
            if tid != 0 {
                for signo in bare(queue).iter().filter(|signo| signo.is_realtime()) {
                    queue.set.remove(signo);
                    self.lost.push(NotRestorable::Bare { tid, signo });
                }
            }
            if !makes_timers {
                queue.entries.iter_mut().for_each(|one| one.timer_id = None);
            }
        }
        let signal = |signo: i32| 1_u64 << (signo - 1);
        let replaced = self.queues().map(|(_, queue)| queue);
        let all = self.kept_queues().chain(replaced);
        let all = all.fold(0, |set, queue| set | queue.set.bits());
        let stops = STOP_SIGNALS
            .into_iter()
            .fold(0, |set, one| set | signal(one));
        if all & signal(libc::SIGCONT) != 0 && all & stops != 0 {
            return Err(Failure::new(
                Errno::EINVAL,
                "SIGCONT and a stop signal would both be pending; leave the queues out",
            ));
        }
        let kept = self
            .kept_queues()
            .fold(0, |set, queue| set | queue.set.bits());
        if kept & signal(libc::SIGSTOP) != 0 {
            return Err(Failure::new(
                Errno::EBUSY,
                "SIGSTOP is pending to it and would be taken; restore the queues as well",
            ));
        }
        Ok(())
    }

    /// A thread that empties the queue of the process takes its own signals first: where it has one
    /// of the same kind, its own queue is put back as it is.
    fn empty_on_the_way(&mut self) -> Result<(), Failure> {
        let (Some(_), Some(present)) = (&self.model.shared_pending, &self.present.shared_pending)
        else {
            return Ok(());
        };
        let carrier = self.process.carrier()?.own_tid;
        let own = self.present.threads.iter().find(|one| one.tid == carrier);
        let Some((own, queue)) = own.and_then(|own| Some((own, own.pending.as_ref()?))) else {
            return Ok(());
        };
        if queue.set.bits() & present.set.bits() == 0 {
            return Ok(());
        }
        match self.model.threads.iter_mut().find(|one| one.tid == carrier) {
            Some(thread) => {
                thread.pending.get_or_insert_with(|| queue.clone());
            }
            None => {
                let mut thread = crate::ThreadModel {
                    tid: own.tid,
                    ..Default::default()
                };
                thread.pending = Some(queue.clone());
                self.model.threads.push(thread);
                self.model.threads.sort_by_key(|thread| thread.tid);
            }
        }
        Ok(())
    }

    /// The queues that are replaced, with their threads; 0: that of the process.
    pub(super) fn queues(&self) -> impl Iterator<Item = (i32, &Queue)> {
        let shared = self.model.shared_pending.iter().map(|queue| (0, queue));
        let private = self.model.threads.iter();
        shared.chain(private.filter_map(|one| Some((one.tid, one.pending.as_ref()?))))
    }

    /// Refuses what would not find room under the limit on queued signals: of signals below
    /// `SIGRTMIN` the kernel would drop the siginfo without a word.
    fn check_limit(&self) -> Result<(), Failure> {
        let status = self.process.status(self.process.pid)?;
        let numbers = task::field_of(&status, "SigQ:").and_then(|text| text.split_once('/'));
        let numbers = numbers.and_then(|(queued, limit)| {
            Some((queued.parse::<u64>().ok()?, limit.parse::<u64>().ok()?))
        });
        let (queued, limit) = numbers.ok_or(Failure::GONE)?;
        // The kernel charges a timer from its creation on, and not its signal.
        let charged = |queue: &Queue| {
            let entries = queue.entries.iter();
            entries.filter(|entry| entry.timer_id.is_none()).count() as u64
        };
        let timers = |model: &Model| model.timers.as_ref().map_or(0, |list| list.timers.len());
        let kept: u64 = self.kept_queues().map(charged).sum();
        let present = self.present.shared_pending.iter();
        let private = self.present.threads.iter().flat_map(|one| &one.pending);
        let present: u64 = present.chain(private).map(charged).sum();
        let mut freed = present - kept;
        let mut added: u64 = self.queues().map(|(_, queue)| charged(queue)).sum();
        if self.model.timers.is_some() && self.makes_timers {
            freed += timers(&self.present) as u64;
            // One more is made for a moment.
            added += timers(&self.model) as u64 + 1;
        }
        match queued.saturating_sub(freed) + added <= limit {
            true => Ok(()),
            false => Err(Failure::new(
                Errno::EAGAIN,
                "its queues and timers would go over RLIMIT_SIGPENDING; raise the limit, or restore \
                 fewer signals",
            )),
        }
    }

    fn plan_signalfds(&mut self) {
        let present = self.present.signalfds.as_deref().unwrap_or_default();
        let there: BTreeSet<i32> = present.iter().map(|signalfd| signalfd.fd).collect();
        if let Some(signalfds) = &mut self.model.signalfds {
            signalfds.retain(|signalfd| {
                let is_there = there.contains(&signalfd.fd);
                if !is_there {
                    self.lost.push(NotRestorable::Signalfd(signalfd.fd));
                }
                is_there
            });
        }
    }
}

/// The signals that are pending without siginfo.
pub(super) fn bare(queue: &Queue) -> SigSet {
    let queued = Queue::of(queue.entries.iter().copied()).set;
    SigSet::from_bits(queue.set.bits() & !queued.bits())
}

/// Takes a signal out of a queue; whether it was in there.
fn drop_signal(queue: &mut Queue, signo: i32) -> bool {
    // CAST: A signal number is small.
    let signo = signo as u32;
    queue.entries.retain(|entry| entry.signo() != signo);
    let signo = SigNo::new(signo).filter(|signo| queue.set.contains(*signo));
    signo.is_some_and(|signo| {
        queue.set.remove(signo);
        true
    })
}

/// Plans one timer: what of its state cannot be reached by setting it.
fn plan_timer(
    timer: &mut TimerModel,
    remote: &mut Remote<'_>,
    lost: &mut Vec<NotRestorable>,
) -> Result<(), Failure> {
    let id = timer.timer_id;
    if timer.overrun_last != 0 {
        lost.push(NotRestorable::TimerOverrunLast(id));
        timer.overrun_last = 0;
    }
    // The CPU time of a thread, but not of which.
    const PER_THREAD: i32 = 4;
    if timer.clock_id < 0 && timer.clock_id >> 3 == -1 && timer.clock_id & PER_THREAD != 0 {
        lost.push(NotRestorable::TimerThread(id));
    }
    if timer.state == TimerState::Ignored {
        lost.push(NotRestorable::TimerIgnored(id));
        timer.state = TimerState::Armed;
    }
    if timer.state == TimerState::Pending && timer.interval_ns != 0 {
        let now_ns = clock_ns(remote, timer.clock_id)?;
        let wanted = u64::try_from(timer.overrun).unwrap_or(0);
        // Before the clock began it cannot have expired.
        let possible = (now_ns + timer.remaining_ns).saturating_sub(1) / timer.interval_ns;
        let overrun = wanted.min(possible.saturating_sub(1));
        if overrun != wanted {
            lost.push(NotRestorable::TimerOverrun(id));
        }
        timer.overrun = i64::try_from(overrun).unwrap_or(i64::MAX);
    }
    Ok(())
}

/// What a clock shows in the process, in ns.
pub(super) fn clock_ns(remote: &mut Remote<'_>, clock_id: i32) -> Result<u64, Failure> {
    // CAST: The kernel takes an int.
    let args = [u64::from(clock_id as u32), remote.scratch(), 0, 0, 0, 0];
    let done = remote.call(libc::SYS_clock_gettime, args)?;
    done.map_err(|errno| Failure::new(errno, "the clock of a timer of the record is not there"))?;
    let [seconds, ns] = remote.read_words()?;
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(ns))
}

fn makes_timers_with_ids(remote: &mut Remote<'_>) -> Result<bool, Failure> {
    Ok(times::restore_ids(remote, RestoreIds::Get)?.is_ok())
}

/// Whether the target has just these timers, whatever they are set to.
fn are_alike(wanted: &[TimerModel], present: &Model) -> bool {
    let kind = |timer: &TimerModel| {
        (
            timer.timer_id,
            timer.clock_id,
            timer.notify,
            timer.signo,
            timer.sigval,
            timer.notify_tid,
        )
    };
    let present = present.timers.iter().flat_map(|list| &list.timers);
    present.map(kind).eq(wanted.iter().map(kind))
}

/// Bytes that the largest signal frame of this CPU needs of a stack.
fn signal_frame_len() -> u64 {
    const AT_MINSIGSTKSZ: u64 = 51;
    let auxv = fs::read("/proc/self/auxv").unwrap_or_default();
    let words: Vec<u64> = auxv
        .chunks_exact(8)
        .filter_map(|word| word.try_into().ok().map(u64::from_ne_bytes))
        .collect();
    let pairs = words.chunks_exact(2);
    let mut found = pairs.filter(|pair| pair[0] == AT_MINSIGSTKSZ);
    // What a kernel before 5.14 asks for, MINSIGSTKSZ.
    found.next().map_or(2048, |pair| pair[1])
}
