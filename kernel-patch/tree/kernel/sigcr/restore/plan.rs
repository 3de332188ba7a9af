// SPDX-License-Identifier: GPL-2.0

//! The plan of a restore: everything that is needed to carry it out, and the conditions for that.

use kernel::{
    prelude::*,
    signal::{
        self,
        Altstack,
        ExecUpdateGuard,
        Itimer,
        Itimers,
        QueueOf,
        QueueRef,
        Rendezvous,
        Scope,
        SighandGuard,
        Signalfd,
        TaskKey,
        ThreadRef,
        TimerRef, //
    },
    sync::aref::ARef,
    task::Task, //
};

use crate::{
    abi,
    checkpoint::threads_in,
    record::{
        self,
        Record,
        ThreadState, //
    }, //
};

use super::{
    actions::NewActions,
    queues::{
        is_over_limit,
        Charges,
        NewQueue, //
    },
    timers::TimersPlan, //
};

/// What is to become of the target. Whatever the record does not hold is [`None`].
pub(crate) struct Plan {
    scope: Scope,
    own_process: bool,
    actions: Option<NewActions>,
    shared_pending: Option<NewQueue>,
    itimers: Option<Itimers>,
    real_itimer_was_running: bool,
    timers: Option<TimersPlan>,
    signalfds: KVVec<(Signalfd, u64)>,
    threads: KVVec<ThreadPlan>,
    /// The record names a thread that the process does not have.
    thread_missing: bool,
    /// The record holds more signals than the target's limit, whatever it frees.
    over_limit: bool,
    charges: Charges,
    /// Whether [`Self::count_old`] has counted.
    old_are_counted: bool,
}

struct ThreadPlan {
    task: ARef<Task>,
    blocked: Option<u64>,
    pdeath_signo: Option<u32>,
    altstack: Option<Altstack>,
    pending: Option<NewQueue>,
}

impl Plan {
    /// A plan for nothing yet; [`Self::make`] makes it, where it is, since it is large.
    pub(crate) fn empty(task: &ARef<Task>, scope: Scope) -> Self {
        Self {
            scope,
            own_process: signal::is_own_process(task),
            actions: None,
            shared_pending: None,
            itimers: None,
            real_itimer_was_running: false,
            timers: None,
            signalfds: KVVec::new(),
            threads: KVVec::new(),
            thread_missing: false,
            over_limit: false,
            charges: Charges::new(),
            old_are_counted: false,
        }
    }

    /// Makes the plan: finds the threads and allocates the signals. Nobody is charged yet.
    ///
    /// # Errors
    ///
    /// - [`EPERM`]: the queue of a sibling thread with other credentials.
    /// - [`EOPNOTSUPP`]: an action with a frame that this kernel does not make.
    /// - [`ESRCH`]: a signalfd of the record is not there.
    /// - What [`TimersPlan::new`] finds.
    /// - [`EINVAL`]: two entries of one timer.
    /// - [`ENOMEM`]: no memory.
    /// - [`EINTR`]: the caller is being killed.
    pub(crate) fn make(&mut self, record: &Record<'_>, task: &ARef<Task>) -> Result {
        let thread_count = record.restorable_thread_count();
        // What `check()` will refuse must not take memory before.
        self.thread_missing = thread_count > signal::thread_count(task);
        self.over_limit = is_over_limit(record, signal::rlimit_sigpending_count(task));
        self.itimers = record.itimers().map(|itimers| itimers_of(&itimers));
        if !self.thread_missing {
            self.threads.reserve(thread_count, GFP_KERNEL_ACCOUNT)?;
            for state in named(record) {
                self.add_thread(&state, task)?;
            }
        }
        // By task, so that one is found among many without searching them all under siglock.
        self.threads.sort_unstable_by_key(ThreadPlan::key);
        self.actions = record.actions().map(NewActions::new).transpose()?;
        if let Some(queue) = record.shared_pending() {
            let refused = self.over_limit || self.thread_missing;
            self.shared_pending = Some(self.charges.new_queue(&queue, task, refused)?);
        }
        for signalfd in record.signalfds().into_iter().flat_map(|list| list.iter()) {
            // CAST: The decoder has checked that it is not negative.
            let fd = signalfd.fd as u32;
            let found = Signalfd::find(task, fd).filter(|found| found.fd == fd);
            let found = found.ok_or(ESRCH)?;
            self.signalfds
                .push((found, signalfd.mask), GFP_KERNEL_ACCOUNT)?;
        }
        // Last: in the caller's own process this creates timers.
        self.timers = match record.timers() {
            Some(timers) => Some(TimersPlan::new(timers, task)?),
            None => None,
        };
        if let Some(timers) = self.timers.as_mut().filter(|_| record.has_timer_entry()) {
            for entry in record.queues().flat_map(|queue| queue.entry_refs()) {
                if entry.flags & abi::SIGCR_ENTRY_TIMER != 0 {
                    timers.place(entry.timer_id)?;
                }
            }
        }
        Ok(())
    }

    fn add_thread(&mut self, state: &ThreadState<'_>, process: &ARef<Task>) -> Result {
        let found = signal::find_thread(process, state.tid)
            .ok()
            .filter(|task| self.scope == Scope::Process || task.as_ptr() == process.as_ptr());
        let Some(task) = found else {
            self.thread_missing = true;
            return Ok(());
        };
        if state.pending.is_some() && !signal::may_write_queue(&task) {
            return Err(EPERM);
        }
        let plan = ThreadPlan {
            blocked: state.thread.map(|thread| thread.blocked),
            pdeath_signo: state.thread.map(|thread| thread.pdeath_signo),
            altstack: state.altstack.map(|altstack| Altstack {
                sp: altstack.sp as usize,
                size: altstack.size as usize,
                autodisarm: altstack.ss_flags & record::SS_AUTODISARM != 0,
            }),
            pending: match &state.pending {
                Some(queue) => {
                    let refused = self.over_limit || self.thread_missing;
                    Some(self.charges.new_queue(queue, &task, refused)?)
                }
                None => None,
            },
            task,
        };
        Ok(self.threads.push(plan, GFP_KERNEL_ACCOUNT)?)
    }

    /// Checks under siglock that the plan can be carried out; false if `rendezvous` has to gather
    /// those first that [`Self::must_rest`].
    ///
    /// # Errors
    ///
    /// In the order in which they are looked for.
    ///
    /// - [`ESRCH`]: the process is dying, being killed, or dumping core.
    /// - [`EAGAIN`]: the process is in an exec.
    /// - [`EBUSY`]: the process is not stopped and not the caller's, or has a signal in flight.
    /// - [`EBUSY`]: the actions are shared with another process without `shared_consent`, or
    ///   ignored POSIX timers depend on them.
    /// - [`ESRCH`]: a thread of the record is not there.
    /// - [`EPERM`]: it is a worker of the kernel.
    /// - [`EBUSY`]: it has a signal in flight.
    /// - [`EPERM`]: the caller is on the alternate stack that would change.
    /// - [`EINVAL`]: an alternate stack does not take a signal frame of this CPU.
    /// - [`EBUSY`]: a queue that would be replaced holds what a timer waits for.
    /// - [`EINVAL`]: `SIGCONT` and a stop signal would both be pending.
    /// - [`EAGAIN`]: more queued signals than the target's user may have.
    pub(crate) fn check(
        &mut self,
        sighand: &SighandGuard<'_>,
        shared_consent: bool,
        rendezvous: &Rendezvous,
    ) -> Result<bool> {
        self.check_target(sighand, rendezvous)?;
        self.check_actions(sighand, shared_consent)?;
        self.check_threads(sighand, rendezvous)?;
        self.check_queues(sighand)?;
        let limit_count = sighand.rlimit_sigpending_count();
        self.forget_old();
        if self.charges.are_over(limit_count) {
            self.count_old(sighand);
        }
        if self.over_limit || self.charges.are_over(limit_count) {
            return Err(EAGAIN);
        }
        // Another process rests already.
        Ok(!self.own_process
            || threads_in(sighand, self.scope)
                .all(|thread| !self.must_rest(thread) || rendezvous.settled(thread).is_some()))
    }

    /// Whether the thread must do nothing to its signal state while the plan is carried out.
    pub(crate) fn must_rest(&self, thread: ThreadRef<'_>) -> bool {
        // While timers are set, nobody else may use them.
        let sets_timers = || {
            self.timers
                .as_ref()
                .is_some_and(|timers| !timers.is_empty())
        };
        !thread.is_dead()
            && !thread.is_worker()
            && (!self.own_process || self.plan_of(thread.key()).is_some() || sets_timers())
    }

    fn plan_of(&self, key: TaskKey) -> Option<&ThreadPlan> {
        let index = self.threads.binary_search_by_key(&key, ThreadPlan::key);
        self.threads.get(index.ok()?)
    }

    fn check_target(&self, sighand: &SighandGuard<'_>, rendezvous: &Rendezvous) -> Result {
        // What dooms a process may not be taken away: neither the action nor the signal.
        if sighand.is_dying() || sighand.is_doomed() {
            return Err(ESRCH);
        }
        if sighand.is_in_exec() {
            return Err(EAGAIN);
        }
        let mut alive = false;
        for thread in threads_in(sighand, self.scope) {
            if thread.is_dead() {
                continue;
            }
            alive = true;
            // Those that are named come later, after what else may be wrong with them.
            let is_named = self.own_process && self.plan_of(thread.key()).is_some();
            if !is_named && self.must_rest(thread) && !rendezvous.may_settle(thread) {
                return Err(EBUSY);
            }
        }
        match alive {
            true => Ok(()),
            false => Err(ESRCH),
        }
    }

    fn check_actions(&mut self, sighand: &SighandGuard<'_>, shared_consent: bool) -> Result {
        let changes = self.actions.as_mut().map(|new| new.compare(sighand));
        if changes != Some(true) {
            return Ok(());
        }
        if sighand.is_shared() && !shared_consent {
            return Err(EBUSY);
        }
        // A timer whose signal is ignored sleeps until the action changes; nobody would wake it.
        if self.timers.is_none() && sighand.has_ignored_timers() {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Whether the actions would change, without consent, for another process as well. It may only
    /// seem to share them for a moment, while the target creates a thread or a thread ends.
    pub(crate) fn needs_consent(&mut self, sighand: &SighandGuard<'_>) -> bool {
        sighand.is_shared()
            && self
                .actions
                .as_mut()
                .is_some_and(|new| new.compare(sighand))
    }

    /// Checks the threads that are named: each rule for all of them, then the next one, so that it
    /// does not depend on their order which error wins.
    fn check_threads(&self, sighand: &SighandGuard<'_>, rendezvous: &Rendezvous) -> Result {
        let all = |rule: &dyn Fn(&ThreadPlan, ThreadRef<'_>) -> bool| {
            self.threads
                .iter()
                .all(|plan| plan.find(sighand).is_some_and(|thread| rule(plan, thread)))
        };
        if self.thread_missing || !all(&|_, _| true) {
            return Err(ESRCH);
        }
        if !all(&|_, thread| !thread.is_worker()) {
            return Err(EPERM);
        }
        if !all(&|_, thread| rendezvous.may_settle(thread)) {
            return Err(EBUSY);
        }
        if signal::current_is_on_altstack()
            && !all(&|plan, thread| !thread.is_current() || plan.new_altstack(thread).is_none())
        {
            return Err(EPERM);
        }
        let takes_frame = |plan: &ThreadPlan, thread: ThreadRef<'_>| {
            plan.new_altstack(thread)
                .is_none_or(|altstack| altstack.size == 0 || thread.takes_frame(altstack.size))
        };
        match all(&takes_frame) {
            true => Ok(()),
            false => Err(EINVAL),
        }
    }

    /// What is to replace queues.
    fn new_queues(&self) -> impl Iterator<Item = &NewQueue> {
        let private = self.threads.iter().filter_map(|plan| plan.pending.as_ref());
        Iterator::chain(self.shared_pending.iter(), private)
    }

    /// Whether a queue is to be replaced.
    fn replaces(&self, queue: QueueOf) -> bool {
        let new = match queue {
            QueueOf::Process => self.shared_pending.as_ref(),
            QueueOf::Thread(key) => self.plan_of(key).and_then(|plan| plan.pending.as_ref()),
        };
        new.is_some()
    }

    fn check_queues(&self, sighand: &SighandGuard<'_>) -> Result {
        // SIGCONT and the stop signals exclude each other in all queues of a process: what is to
        // be there, against what is there and stays.
        let mut new_pending = 0;
        for new in self.new_queues() {
            new_pending |= new.set;
        }
        // Only its delivery arms a periodic timer again: dropped, it would never fire. And where all
        // timers will be set, their signals go where the record has them.
        let is_lost = |queue| self.replaces(queue) == self.timers.is_none();
        if sighand
            .timers()
            .filter_map(TimerRef::queued_in)
            .any(is_lost)
        {
            return Err(EBUSY);
        }
        // So does a periodic ITIMER_REAL wait for its signal to be taken.
        let alarm = record::sigset_of(record::SIGALRM);
        if let Some(new) = &self.shared_pending {
            if self.itimers.is_none() && sighand.has_expired_itimer() && new.set & alarm == 0 {
                return Err(EBUSY);
            }
        }
        let kinds = record::STOP_SIGNALS | record::sigset_of(record::SIGCONT);
        let kept_pending = || {
            self.kept_queues(sighand)
                .fold(0, |set, kept| set | kept.set())
        };
        if new_pending & kinds != 0 && excludes(new_pending, kept_pending()) {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// The queues that stay as they are.
    fn kept_queues<'g>(
        &'g self,
        sighand: &'g SighandGuard<'_>,
    ) -> impl Iterator<Item = QueueRef<'g>> {
        let shared = self
            .shared_pending
            .is_none()
            .then(|| sighand.shared_queue());
        let private = sighand
            .threads()
            .filter(|thread| !thread.is_dead())
            .filter(|thread| {
                self.plan_of(thread.key())
                    .is_none_or(|plan| plan.pending.is_none())
            })
            .map(ThreadRef::queue);
        Iterator::chain(shared.into_iter(), private)
    }

    /// Counts the signals that go.
    fn count_old(&mut self, sighand: &SighandGuard<'_>) {
        self.old_are_counted = true;
        if let Some(new) = &mut self.shared_pending {
            self.charges.count_old(sighand.shared_queue(), new);
        }
        for plan in self.threads.iter_mut() {
            let thread = plan.find(sighand);
            if let (Some(thread), Some(new)) = (thread, &mut plan.pending) {
                self.charges.count_old(thread.queue(), new);
            }
        }
    }

    /// Undoes [`Self::count_old`].
    fn forget_old(&mut self) {
        if !self.old_are_counted {
            return;
        }
        self.old_are_counted = false;
        self.charges.forget_old();
        let private = self
            .threads
            .iter_mut()
            .filter_map(|plan| plan.pending.as_mut());
        for new in Iterator::chain(self.shared_pending.iter_mut(), private) {
            new.forget_old();
        }
    }

    /// Carries the plan out; false, and nothing has changed, if a timer of the target was firing,
    /// created or deleted just now. [`Plan::check`] must have found it ready in this hold of
    /// siglock.
    ///
    /// What the target had in its queues is in the plan's lists afterwards.
    ///
    /// # Errors
    ///
    /// - [`EAGAIN`]: others have charged the target's user since the check. Nothing was changed.
    pub(crate) fn commit(
        &mut self,
        sighand: &mut SighandGuard<'_>,
        exec: &ExecUpdateGuard<'_>,
        rendezvous: &Rendezvous,
    ) -> Result<bool> {
        if !self.quiesce(sighand) {
            return Ok(false);
        }
        if let Err(error) = self.charges.charge(sighand.rlimit_sigpending_count()) {
            self.resume(sighand);
            return Err(error);
        }
        // From here on nothing can fail.
        if let Some(actions) = &self.actions {
            actions.apply(sighand, exec);
        }
        if let Some(timers) = &mut self.timers {
            timers.apply(sighand);
        }
        let timers = self.timers.as_ref();
        if let Some(new) = &mut self.shared_pending {
            new.apply(sighand, None, &mut self.charges, timers);
        }
        for plan in self.threads.iter_mut() {
            let thread = plan.find(sighand);
            if let Some(thread) = thread.and_then(|thread| rendezvous.settled(thread)) {
                if let Some(blocked) = plan.blocked {
                    thread.set_blocked(blocked);
                }
                if let Some(signo) = plan.pdeath_signo {
                    thread.set_pdeath_signo(signo);
                }
                if let Some(altstack) = &plan.altstack {
                    thread.set_altstack(altstack);
                }
            }
            if let Some(new) = &mut plan.pending {
                new.apply(sighand, Some(&plan.task), &mut self.charges, timers);
            }
        }
        if let Some(itimers) = &self.itimers {
            sighand.set_itimers(itimers);
        }
        for (signalfd, mask) in self.signalfds.iter() {
            sighand.set_signalfd_mask(signalfd, *mask);
        }
        sighand.notify_signalfd();
        // Also the threads that were not named: a signal of the process may be for each of them.
        for thread in sighand.threads() {
            if !thread.is_dead() {
                thread.notify();
            }
        }
        Ok(true)
    }

    /// Stops the timers that will be set; false, and they run as before, if that cannot be now.
    fn quiesce(&mut self, sighand: &mut SighandGuard<'_>) -> bool {
        if let Some(timers) = &mut self.timers {
            if !timers.is_complete(sighand) || !timers.quiesce(sighand) {
                return false;
            }
        }
        if self.itimers.is_none() {
            return true;
        }
        self.real_itimer_was_running = match sighand.stop_real_itimer() {
            Ok(was_running) => was_running,
            Err(_) => {
                if let Some(timers) = &self.timers {
                    timers.resume(sighand);
                }
                return false;
            }
        };
        true
    }

    /// Lets the timers run on that were stopped.
    fn resume(&self, sighand: &mut SighandGuard<'_>) {
        if let Some(timers) = &self.timers {
            timers.resume(sighand);
        }
        if self.real_itimer_was_running {
            sighand.resume_real_itimer();
        }
    }
}

impl ThreadPlan {
    fn key(&self) -> TaskKey {
        TaskKey::of(&self.task)
    }

    /// The thread, if it still is one of the process and alive.
    fn find<'g>(&self, sighand: &'g SighandGuard<'_>) -> Option<ThreadRef<'g>> {
        let thread = sighand.thread(&self.task)?;
        (!thread.is_dead()).then_some(thread)
    }

    /// The alternate stack, if it is another one than the thread has.
    fn new_altstack(&self, thread: ThreadRef<'_>) -> Option<Altstack> {
        self.altstack
            .filter(|altstack| *altstack != thread.altstack())
    }
}

/// Whether one of the sets has SIGCONT and the other one a stop signal.
fn excludes(a: u64, b: u64) -> bool {
    let cont = record::sigset_of(record::SIGCONT);
    let clash = |a: u64, b: u64| a & cont != 0 && b & record::STOP_SIGNALS != 0;
    clash(a, b) || clash(b, a)
}

fn itimers_of(itimers: &record::Itimers) -> Itimers {
    let [real, virt, prof] = [itimers.real, itimers.virt, itimers.prof].map(|itimer| Itimer {
        remaining_ns: itimer.remaining_ns,
        interval_ns: itimer.interval_ns,
    });
    Itimers { real, virt, prof }
}

/// The threads whose state the record holds, not only their names.
fn named<'a>(record: &Record<'a>) -> impl Iterator<Item = ThreadState<'a>> {
    record.threads().filter(|state| {
        !state
            .thread
            .is_some_and(|thread| record::is_listed_only(&thread))
    })
}
