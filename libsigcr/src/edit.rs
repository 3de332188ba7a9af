// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The editor of a model: leave parts out, queue again, keep one thread, give threads other ids.

use std::collections::{BTreeMap, BTreeSet};

use bitflags::bitflags;

use crate::{Model, Queue, RecordFlags, SigNo, ThreadModel, TimerState};

bitflags! {
    /// The parts of a record that can be left out of a restore.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Parts: u32 {
        /// What is known of the process, informational.
        const PROCESS = 1 << 0;
        /// The actions.
        const ACTIONS = 1 << 1;
        /// The queue of the process.
        const SHARED_PENDING = 1 << 2;
        /// The threads' blocked signals.
        const BLOCKED = 1 << 3;
        /// The threads' alternate stacks.
        const ALTSTACK = 1 << 4;
        /// The threads' queues.
        const PENDING = 1 << 5;
        /// The timers of setitimer(2).
        const ITIMERS = 1 << 6;
        /// The timers of timer_create(2), and their signals in the queues.
        const TIMERS = 1 << 7;
        /// The signalfds.
        const SIGNALFDS = 1 << 8;
        /// The signals that ptracers hold, which cannot be restored.
        const INFLIGHT = 1 << 9;
        /// The threads that wait for children, informational.
        const WAITERS = 1 << 10;
    }
}

/// A change that makes no sense.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Two threads would have the same id.
    #[error("two threads of the record would get the id {0}; give each one its own")]
    TidTwice(i32),
    /// Not a thread id.
    #[error("{0} is not a thread id; use the numbers that /proc/PID/task lists")]
    BadTid(i32),
    /// The target has another number of threads than the record.
    #[error(
        "the record restores {record_count} threads and {tid_count} thread ids were given; give \
         one id for each, or restore only what belongs to the process"
    )]
    ThreadCount {
        /// Threads that the record restores.
        record_count: usize,
        /// Thread ids that were given.
        tid_count: usize,
    },
    /// The record does not hold the thread.
    #[error("the record holds no thread {0}; `sigcr show` lists the ones it has")]
    NoThread(i32),
}

impl Model {
    /// Keeps only `parts`. A thread of which nothing is left goes away.
    ///
    /// A timer and its signal belong together: without the timers, their signals go as well, and
    /// without its queue, a timer that is pending is as if its signal had been taken.
    pub fn keep(&mut self, parts: Parts) {
        fn only<T>(part: &mut Option<T>, keep: bool) {
            if !keep {
                *part = None;
            }
        }
        only(&mut self.process, parts.contains(Parts::PROCESS));
        only(&mut self.actions, parts.contains(Parts::ACTIONS));
        only(
            &mut self.shared_pending,
            parts.contains(Parts::SHARED_PENDING),
        );
        for thread in &mut self.threads {
            only(&mut thread.state, parts.contains(Parts::BLOCKED));
            only(&mut thread.altstack, parts.contains(Parts::ALTSTACK));
            only(&mut thread.pending, parts.contains(Parts::PENDING));
        }
        only(&mut self.itimers, parts.contains(Parts::ITIMERS));
        only(&mut self.signalfds, parts.contains(Parts::SIGNALFDS));
        only(&mut self.waiters, parts.contains(Parts::WAITERS));
        if !parts.contains(Parts::INFLIGHT) {
            self.drop_inflight();
        }
        match parts.contains(Parts::TIMERS) {
            true => self.settle_timers(),
            false => drop(self.drop_timers()),
        }
        self.threads.retain(|thread| !thread.is_empty());
    }

    /// Takes the timers of timer_create(2) away, and their signals out of the queues. A signal of
    /// which nothing else is queued is not pending then. Returns how many signals have gone.
    pub fn drop_timers(&mut self) -> usize {
        self.timers = None;
        self.queues_mut().map(Queue::drop_timer_signals).sum()
    }

    /// Takes the signals away that ptracers hold. Returns how many.
    pub fn drop_inflight(&mut self) -> usize {
        let held = self.threads.iter_mut();
        held.filter_map(|thread| thread.inflight.take()).count()
    }

    /// Puts the signals that ptracers hold in front of the queues of their threads, as if they had
    /// not been taken yet. Returns how many.
    ///
    /// A signal below `SIGRTMIN` that is queued again already is one signal then: that one stays.
    pub fn requeue_inflight(&mut self) -> usize {
        let mut count = 0;
        for thread in &mut self.threads {
            let Some(signal) = thread.inflight.take() else {
                continue;
            };
            let queue = thread.pending.get_or_insert_with(Queue::default);
            let queued = |other: &crate::QueuedSignal| {
                other.signo() == signal.signo() && other.timer_id.is_none()
            };
            if signal.signo() >= SigNo::RTMIN.get() || !queue.entries.iter().any(queued) {
                queue.entries.insert(0, signal);
                queue.set.extend(SigNo::new(signal.signo()));
            }
            count += 1;
        }
        count
    }

    /// Makes timers that are pending without an entry go on, as if their signals had been taken.
    fn settle_timers(&mut self) {
        let queued: BTreeSet<i32> = self
            .queues_mut()
            .flat_map(|queue| queue.entries.iter().filter_map(|entry| entry.timer_id))
            .collect();
        for timer in self.timers.iter_mut().flat_map(|list| &mut list.timers) {
            if timer.state == TimerState::Pending && !queued.contains(&timer.timer_id) {
                if timer.interval_ns == 0 {
                    timer.state = TimerState::Disarmed;
                } else {
                    // What the kernel does when the signal of a periodic timer is taken.
                    timer.state = TimerState::Armed;
                    (timer.overrun_last, timer.overrun) = (timer.overrun, -1);
                }
            }
        }
    }

    fn queues_mut(&mut self) -> impl Iterator<Item = &mut Queue> {
        let private = self
            .threads
            .iter_mut()
            .filter_map(|thread| thread.pending.as_mut());
        self.shared_pending.iter_mut().chain(private)
    }

    /// Makes it the model of one thread, `tid`, without the state of the process: what a pidfd of
    /// [`crate::open_thread`] takes. The signals of timers go with the timers.
    ///
    /// # Errors
    ///
    /// [`EditError::NoThread`]; the model is as before.
    pub fn keep_thread(&mut self, tid: i32) -> Result<(), EditError> {
        if !self.threads.iter().any(|thread| thread.tid == tid) {
            return Err(EditError::NoThread(tid));
        }
        self.threads.retain(|thread| thread.tid == tid);
        self.keep(Parts::BLOCKED | Parts::ALTSTACK | Parts::PENDING | Parts::INFLIGHT);
        self.flags |= RecordFlags::ONE_THREAD;
        Ok(())
    }

    /// Takes away the threads that a restore would not touch: kernel workers and dead ones.
    pub fn drop_listed_only(&mut self) {
        self.threads.retain(|thread| !thread.is_listed_only());
    }

    /// Gives the threads other ids: each that is a key of `tids` gets the value. The process id
    /// goes along with its thread. Queued signals keep the ids of their senders.
    ///
    /// # Errors
    ///
    /// [`EditError::BadTid`], [`EditError::TidTwice`] or [`EditError::NoThread`] for a key that is
    /// no thread of the record; the model is as before.
    pub fn remap_tids(&mut self, tids: &BTreeMap<i32, i32>) -> Result<(), EditError> {
        let old: BTreeSet<i32> = self.threads.iter().map(|thread| thread.tid).collect();
        if let Some(missing) = tids
            .keys()
            .find(|tid| !old.contains(tid) && **tid != self.tgid)
        {
            return Err(EditError::NoThread(*missing));
        }
        let new_of = |tid: i32| tids.get(&tid).copied().unwrap_or(tid);
        let mut new = BTreeSet::new();
        for tid in old.into_iter().map(new_of) {
            if tid <= 0 {
                return Err(EditError::BadTid(tid));
            }
            if !new.insert(tid) {
                return Err(EditError::TidTwice(tid));
            }
        }
        let tgid = new_of(self.tgid);
        if tgid <= 0 {
            return Err(EditError::BadTid(tgid));
        }
        self.tgid = tgid;
        for thread in &mut self.threads {
            thread.tid = new_of(thread.tid);
        }
        for timer in self.timers.iter_mut().flat_map(|list| &mut list.timers) {
            timer.notify_tid = new_of(timer.notify_tid);
            timer.clock_id = clock_with_id(timer.clock_id, new_of);
        }
        for waiter in self.waiters.iter_mut().flatten() {
            waiter.tid = new_of(waiter.tid);
        }
        if let Some(waiters) = &mut self.waiters {
            waiters.sort_by_key(|waiter| waiter.tid);
        }
        self.threads.sort_by_key(|thread| thread.tid);
        Ok(())
    }

    /// Gives the threads that a restore touches the ids `tids`, in ascending order of the ids that
    /// they have; except that the process's first thread gets the first of `tids`. Threads that are
    /// only listed go away: the target does not have them.
    ///
    /// # Errors
    ///
    /// [`EditError::ThreadCount`], [`EditError::BadTid`], [`EditError::TidTwice`]; the model is as
    /// before.
    pub fn remap_in_order(&mut self, tids: &[i32]) -> Result<(), EditError> {
        let mut old: Vec<i32> = self
            .threads
            .iter()
            .filter(|thread| !thread.is_listed_only())
            .map(|thread| thread.tid)
            .collect();
        if old.len() != tids.len() {
            return Err(EditError::ThreadCount {
                record_count: old.len(),
                tid_count: tids.len(),
            });
        }
        // The first thread has the process's id, which is not the lowest where ids wrapped around.
        old.sort_by_key(|tid| (*tid != self.tgid, *tid));
        let map = old.into_iter().zip(tids.iter().copied()).collect();
        let mut changed = self.clone();
        changed.drop_listed_only();
        changed.remap_tids(&map)?;
        *self = changed;
        Ok(())
    }
}

impl ThreadModel {
    /// Whether nothing is known of the thread.
    pub fn is_empty(&self) -> bool {
        self.state.is_none()
            && self.altstack.is_none()
            && self.pending.is_none()
            && self.inflight.is_none()
    }
}

impl Queue {
    /// Takes the signals of timers out; returns how many.
    fn drop_timer_signals(&mut self) -> usize {
        let before = self.entries.clone();
        self.entries.retain(|entry| entry.timer_id.is_none());
        let left = Queue::of(self.entries.iter().copied()).set;
        for signo in Queue::of(before.iter().copied()).set.iter() {
            if !left.contains(signo) {
                self.set.remove(signo);
            }
        }
        before.len() - self.entries.len()
    }
}

/// The clock of the same CPU time after the ids have changed: that of one thread or process has its
/// id in it, as clock_getcpuclockid(3) makes it.
fn clock_with_id(clock_id: i32, new_of: impl Fn(i32) -> i32) -> i32 {
    const PER_THREAD: i32 = 4;
    const WHICH: i32 = 3;
    let id = !(clock_id >> 3);
    // Not negative: no such clock. The last of the four is the kind of a file descriptor's clock.
    if clock_id >= 0 || clock_id & WHICH == WHICH || id == 0 {
        return clock_id;
    }
    (!new_of(id) << 3) | (clock_id & (PER_THREAD | WHICH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AltStack, Queue, QueuedSignal, ThreadInfo, TimerModel, TimerNotify, Timers, Waiter,
        WaitsFor,
    };

    fn thread(tid: i32) -> ThreadModel {
        ThreadModel {
            tid,
            state: Some(ThreadInfo::default()),
            altstack: Some(AltStack::DISABLED),
            pending: Some(Queue::default()),
            inflight: None,
        }
    }

    fn model(tids: &[i32]) -> Model {
        let mut model = Model::new(tids[0]);
        model.threads = tids.iter().copied().map(thread).collect();
        model.actions = Some(Vec::new());
        model.shared_pending = Some(Queue::default());
        model
    }

    fn tids(model: &Model) -> Vec<i32> {
        model.threads.iter().map(|thread| thread.tid).collect()
    }

    #[test]
    fn what_is_not_kept_is_gone_and_a_thread_without_anything_too() {
        let mut model = model(&[5, 6]);
        model.threads[0].altstack = None;
        model.keep(Parts::ACTIONS | Parts::ALTSTACK);
        assert!(model.actions.is_some() && model.shared_pending.is_none());
        assert_eq!(tids(&model), [6]);
        assert!(model.threads[0].state.is_none() && model.threads[0].pending.is_none());
        assert_eq!(model.encode().unwrap().to_model(), model);
    }

    #[test]
    fn one_thread_is_kept_without_the_process() {
        let mut model = model(&[5, 6]);
        model.keep_thread(6).unwrap();
        assert_eq!(tids(&model), [6]);
        assert!(model.flags.contains(RecordFlags::ONE_THREAD));
        assert_eq!(model.encode().unwrap().to_model(), model);
        assert_eq!(model.keep_thread(5), Err(EditError::NoThread(5)));
    }

    #[test]
    fn threads_can_swap_their_ids_and_stay_in_order() {
        let mut model = model(&[5, 6, 9]);
        model.threads[1].pending = None;
        model.remap_tids(&BTreeMap::from([(5, 6), (6, 5)])).unwrap();
        assert_eq!(tids(&model), [5, 6, 9]);
        assert!(model.threads[0].pending.is_none() && model.threads[1].pending.is_some());
        assert_eq!(model.tgid, 6);
        assert_eq!(model.encode().unwrap().to_model(), model);
    }

    #[test]
    fn a_map_that_makes_no_sense_changes_nothing() {
        let before = model(&[5, 6]);
        let mut model = before.clone();
        for (map, error) in [
            ([(5, 6)], EditError::TidTwice(6)),
            ([(5, 0)], EditError::BadTid(0)),
            ([(7, 8)], EditError::NoThread(7)),
        ] {
            assert_eq!(model.remap_tids(&BTreeMap::from(map)), Err(error));
            assert_eq!(model, before);
        }
    }

    #[test]
    fn the_first_thread_gets_the_first_id_even_where_ids_wrapped_around() {
        let mut model = model(&[300, 5, 301]);
        model.threads.sort_by_key(|thread| thread.tid);
        model.threads[0].pending = None;
        model.remap_in_order(&[10, 11, 12]).unwrap();
        assert_eq!((model.tgid, tids(&model)), (10, vec![10, 11, 12]));
        assert!(model.threads[1].pending.is_none());
    }

    #[test]
    fn threads_that_are_only_listed_take_no_id() {
        let mut model = model(&[5, 6, 7]);
        model.threads[1].state.as_mut().unwrap().dead = true;
        assert_eq!(
            model.remap_in_order(&[10, 11, 12]),
            Err(EditError::ThreadCount {
                record_count: 2,
                tid_count: 3
            })
        );
        assert_eq!(tids(&model), [5, 6, 7]);
        model.remap_in_order(&[10, 11]).unwrap();
        assert_eq!(tids(&model), [10, 11]);
    }

    #[test]
    fn a_signal_that_a_ptracer_held_goes_in_front_of_its_queue_or_away() {
        let held = |signo| QueuedSignal::sent_by(SigNo::new(signo).unwrap(), 3, 0);
        let mut model = model(&[5]);
        let other = QueuedSignal::sent_by(SigNo::RTMAX, 4, 0);
        model.threads[0].pending = Some(Queue::of([other]));
        model.threads[0].inflight = Some(held(10));
        let mut without = model.clone();
        assert_eq!(model.requeue_inflight(), 1);
        let queue = model.threads[0].pending.as_ref().unwrap();
        assert_eq!(*queue, Queue::of([held(10), other]));
        assert_eq!(without.drop_inflight(), 1);
        assert_eq!(without.threads[0].pending, Some(Queue::of([other])));
        assert_eq!(without.drop_inflight() + model.requeue_inflight(), 0);
        // One that was sent again meanwhile is one signal.
        model.threads[0].inflight = Some(held(10));
        assert_eq!(model.requeue_inflight(), 1);
        assert_eq!(model.threads[0].pending, Some(Queue::of([held(10), other])));
    }

    #[test]
    fn other_ids_go_into_timers_clocks_and_waiters() {
        // What clock_getcpuclockid(3) and pthread_getcpuclockid(3) make of the ids.
        let (of_thread, of_process) = ((!6 << 3) | 6, (!5 << 3) | 2);
        let mut model = model(&[5, 6]);
        model.timers = Some(Timers {
            next_timer_id: 2,
            timers: vec![timer(0, TimerState::Armed), timer(1, TimerState::Armed)],
        });
        let waiter = |tid| Waiter {
            tid,
            waits_for: WaitsFor::Process(6),
            options: 4,
        };
        model.waiters = Some(vec![waiter(5), waiter(6)]);
        let timers = &mut model.timers.as_mut().unwrap().timers;
        (timers[0].clock_id, timers[0].notify_tid) = (of_thread, 6);
        timers[0].notify = TimerNotify::ThreadId;
        timers[1].clock_id = of_process;
        model.remap_tids(&[(5, 9), (6, 8)].into()).unwrap();
        let timers = &model.timers.as_ref().unwrap().timers;
        assert_eq!(
            (timers[0].clock_id, timers[0].notify_tid),
            ((!8 << 3) | 6, 8)
        );
        assert_eq!(
            (timers[1].clock_id, timers[1].notify_tid),
            ((!9 << 3) | 2, 0)
        );
        // The ids of children are no threads of the process.
        assert_eq!(model.waiters, Some(vec![waiter(8), waiter(9)]));
        assert!(model.encode().is_ok());
        // The clocks without an id, those of the caller, and one of a file descriptor.
        for clock_id in [0, 1, 11, -2, -6, (!6 << 3) | 3] {
            assert_eq!(clock_with_id(clock_id, |id| id + 1), clock_id);
        }
    }

    fn timer(timer_id: i32, state: TimerState) -> TimerModel {
        TimerModel {
            timer_id,
            clock_id: 1,
            notify: TimerNotify::Signal,
            signo: 10,
            sigval: 0,
            notify_tid: 0,
            state,
            interval_ns: 20,
            remaining_ns: 10,
            expires_ns: None,
            overrun: 4,
            overrun_last: 2,
        }
    }

    fn signal_of(timer_id: i32) -> QueuedSignal {
        let mut signal = QueuedSignal::queued_by(SigNo::new(10).unwrap(), timer_id, 0, 0);
        signal.siginfo[8..12].copy_from_slice(&(-2_i32).to_ne_bytes());
        signal.timer_id = Some(timer_id);
        signal
    }

    /// A model with two timers that are pending, one of them for the last time.
    fn with_timers() -> Model {
        let mut model = model(&[5]);
        let mut last = timer(1, TimerState::Pending);
        (last.interval_ns, last.remaining_ns, last.overrun) = (0, 0, -1);
        model.timers = Some(Timers {
            next_timer_id: 2,
            timers: vec![timer(0, TimerState::Pending), last],
        });
        model.shared_pending = Some(Queue::of([signal_of(0), signal_of(1)]));
        model
    }

    #[test]
    fn the_signals_of_timers_go_with_the_timers_and_others_stay() {
        let usr1 = SigNo::new(10).unwrap();
        let sent = QueuedSignal::sent_by(usr1, 3, 0);
        let mut alone = with_timers();
        alone
            .shared_pending
            .as_mut()
            .unwrap()
            .set
            .insert(SigNo::RTMIN);
        let mut beside = with_timers();
        beside.shared_pending = Some(Queue::of([signal_of(0), sent, signal_of(1)]));
        assert_eq!(alone.drop_timers(), 2);
        let queue = alone.shared_pending.as_ref().unwrap();
        assert_eq!(queue.entries, []);
        // A signal that is pending without an entry is none of a timer.
        assert_eq!(queue.set, [SigNo::RTMIN].into_iter().collect());
        assert_eq!(beside.drop_timers(), 2);
        assert_eq!(beside.shared_pending, Some(Queue::of([sent])));
        assert_eq!(beside.drop_timers(), 0);
    }

    #[test]
    fn timers_without_their_queue_go_on_as_if_their_signals_had_been_taken() {
        let mut model = with_timers();
        model.keep(Parts::TIMERS);
        let timers = &model.timers.as_ref().unwrap().timers;
        let mut periodic = timer(0, TimerState::Armed);
        (periodic.overrun, periodic.overrun_last) = (-1, 4);
        assert_eq!(timers[0], periodic);
        assert_eq!(timers[1].state, TimerState::Disarmed);
        let snapshot = model.encode().unwrap();
        assert_eq!(snapshot.record().check_restorable(), Ok(()));
    }

    #[test]
    fn a_thread_that_is_kept_alone_does_not_lose_what_a_ptracer_holds() {
        let mut model = with_timers();
        let mut held = signal_of(0);
        held.timer_id = None;
        model.threads[0].inflight = Some(held);
        model.threads[0].pending = Some(Queue::of([signal_of(1)]));
        model.keep_thread(5).unwrap();
        assert_eq!(model.threads[0].inflight, Some(held));
        // Its timer is the process's.
        assert_eq!(model.threads[0].pending, Some(Queue::default()));
        assert_eq!(model.encode().unwrap().to_model(), model);
    }
}
