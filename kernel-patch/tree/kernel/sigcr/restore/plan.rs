// SPDX-License-Identifier: GPL-2.0

//! The plan of a restore: everything that is needed to carry it out, and the conditions for that.

use kernel::{
    prelude::*,
    signal::{
        self,
        Account,
        Altstack,
        ExecUpdateGuard,
        FrameAbi,
        QueueRef,
        Scope,
        SigAction,
        SighandGuard,
        SignalList,
        TaskKey,
        ThreadRef, //
    },
    sync::aref::ARef,
    task::Task, //
};

use crate::{
    abi,
    checkpoint::threads_in,
    record::{
        self,
        EntryExt,
        Queue,
        Record,
        ThreadState, //
    }, //
};

/// What is to become of the target. Whatever the record does not hold is [`None`].
pub(crate) struct Plan {
    scope: Scope,
    own_process: bool,
    actions: Option<KVec<SigAction>>,
    shared_pending: Option<NewQueue>,
    threads: KVVec<ThreadPlan>,
    /// The record names a thread that the process does not have.
    thread_missing: bool,
    /// The record holds more signals than the target's limit, whatever it frees.
    over_limit: bool,
    charges: KVec<Charge>,
}

struct ThreadPlan {
    task: ARef<Task>,
    blocked: Option<u64>,
    altstack: Option<Altstack>,
    pending: Option<NewQueue>,
}

struct NewQueue {
    list: SignalList,
    set: u64,
    /// Index of the charge for the list.
    charge: usize,
    /// Signals in the old queue that are charged to the same user.
    old_count: usize,
}

/// What one user is to be charged, in all queues together. Mostly there is one.
struct Charge {
    account: Account,
    /// Signals that come.
    new_count: usize,
    /// How many of them the limit does not hold for.
    exempt_count: usize,
    /// Signals that go.
    old_count: usize,
}

const DEFAULT_ACTION: SigAction = SigAction {
    handler: 0,
    flags: 0,
    restorer: 0,
    mask: 0,
    abi: FrameAbi::Native,
};

impl Plan {
    /// Makes the plan: finds the threads and allocates the signals. Nobody is charged yet.
    ///
    /// # Errors
    ///
    /// - [`EPERM`]: the queue of a sibling thread with other credentials.
    /// - [`EOPNOTSUPP`]: an action with a frame that this kernel does not make.
    /// - [`ENOMEM`]: no memory.
    pub(crate) fn new(record: &Record<'_>, task: &ARef<Task>, scope: Scope) -> Result<Self> {
        let mut plan = Self {
            scope,
            own_process: signal::is_own_process(task),
            actions: None,
            shared_pending: None,
            threads: KVVec::new(),
            // What `check()` will refuse must not take memory before.
            thread_missing: named(record).count() > signal::thread_count(task),
            over_limit: limited_count(record) > signal::rlimit_sigpending_count(task),
            charges: KVec::new(),
        };
        if !plan.thread_missing {
            for state in named(record) {
                plan.add_thread(&state, task)?;
            }
        }
        // By task, so that one is found among many without searching them all under siglock.
        plan.threads.sort_unstable_by_key(ThreadPlan::key);
        plan.actions = record.actions().map(action_table).transpose()?;
        if let Some(queue) = record.shared_pending() {
            plan.shared_pending = Some(plan.new_queue(&queue, task)?);
        }
        Ok(plan)
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
            altstack: state.altstack.map(|altstack| Altstack {
                sp: altstack.sp as usize,
                size: altstack.size as usize,
                autodisarm: altstack.ss_flags & record::SS_AUTODISARM != 0,
            }),
            pending: match &state.pending {
                Some(queue) => Some(self.new_queue(queue, &task)?),
                None => None,
            },
            task,
        };
        Ok(self.threads.push(plan, GFP_KERNEL_ACCOUNT)?)
    }

    fn new_queue(&mut self, queue: &Queue<'_>, owner: &Task) -> Result<NewQueue> {
        let refused = self.over_limit || self.thread_missing;
        let index = self.charge_of(owner)?;
        let charge = self.charges.get_mut(index).ok_or(EINVAL)?;
        let mut list = SignalList::new(&charge.account)?;
        for entry in queue.entries() {
            if refused {
                break;
            }
            list.push(&entry.siginfo)?;
            charge.new_count = charge.new_count.saturating_add(1);
            if entry.is_exempt() {
                charge.exempt_count = charge.exempt_count.saturating_add(1);
            }
        }
        Ok(NewQueue {
            list,
            set: queue.set,
            charge: index,
            old_count: 0,
        })
    }

    /// The index of the charge for signals of `owner`.
    fn charge_of(&mut self, owner: &Task) -> Result<usize> {
        let account = Account::of(owner);
        // Threads whose credentials differ are rare, and then in a few groups: the first charge or
        // the last one fits, or there is one more.
        let same = |charge: Option<&Charge>| {
            charge.is_some_and(|charge| charge.account.ucounts() == account.ucounts())
        };
        if same(self.charges.first()) {
            return Ok(0);
        }
        let index = self.charges.len();
        if same(self.charges.last()) {
            return Ok(index.saturating_sub(1));
        }
        let charge = Charge {
            account,
            new_count: 0,
            exempt_count: 0,
            old_count: 0,
        };
        self.charges.push(charge, GFP_KERNEL_ACCOUNT)?;
        Ok(index)
    }

    /// Checks under siglock that the plan can be carried out.
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
    /// - [`EBUSY`]: it runs and is not the caller, or has a signal in flight.
    /// - [`EPERM`]: the caller is on the alternate stack that would change.
    /// - [`EINVAL`]: an alternate stack does not take a signal frame of this CPU.
    /// - [`EBUSY`]: a queue that would be replaced holds what a timer waits for.
    /// - [`EINVAL`]: `SIGCONT` and a stop signal would both be pending.
    /// - [`EAGAIN`]: more queued signals than the target's user may have.
    pub(crate) fn check(&mut self, sighand: &SighandGuard<'_>, shared_consent: bool) -> Result {
        self.check_target(sighand)?;
        self.check_actions(sighand, shared_consent)?;
        self.check_threads(sighand)?;
        self.check_queues(sighand)?;
        self.count_old(sighand);
        let limit_count = sighand.rlimit_sigpending_count();
        match self.over_limit
            || self
                .charges
                .iter()
                .any(|charge| charge.is_over(limit_count, 0))
        {
            true => Err(EAGAIN),
            false => Ok(()),
        }
    }

    fn check_target(&self, sighand: &SighandGuard<'_>) -> Result {
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
            if !self.own_process && !thread.is_worker() && thread.settled().is_none() {
                return Err(EBUSY);
            }
        }
        match alive {
            true => Ok(()),
            false => Err(ESRCH),
        }
    }

    fn check_actions(&self, sighand: &SighandGuard<'_>, shared_consent: bool) -> Result {
        let Some(actions) = &self.actions else {
            return Ok(());
        };
        let same = (1..)
            .zip(actions.iter())
            .all(|(signo, action)| is_fixed(signo) || sighand.action(signo) == Some(*action));
        if same {
            return Ok(());
        }
        if sighand.is_shared() && !shared_consent {
            return Err(EBUSY);
        }
        // A timer whose signal is ignored sleeps until the action changes; nobody would wake it.
        if sighand.has_ignored_timers() {
            return Err(EBUSY);
        }
        Ok(())
    }

    /// Checks the threads that are named: each rule for all of them, then the next one, so that it
    /// does not depend on their order which error wins.
    fn check_threads(&self, sighand: &SighandGuard<'_>) -> Result {
        let all = |rule: fn(&ThreadPlan, ThreadRef<'_>) -> bool| {
            self.threads
                .iter()
                .all(|plan| plan.find(sighand).is_some_and(|thread| rule(plan, thread)))
        };
        if self.thread_missing || !all(|_, _| true) {
            return Err(ESRCH);
        }
        if !all(|_, thread| !thread.is_worker()) {
            return Err(EPERM);
        }
        if !all(|_, thread| thread.settled().is_some()) {
            return Err(EBUSY);
        }
        if signal::current_is_on_altstack()
            && !all(|plan, thread| !thread.is_current() || plan.new_altstack(thread).is_none())
        {
            return Err(EPERM);
        }
        let takes_frame = |plan: &ThreadPlan, thread: ThreadRef<'_>| {
            plan.new_altstack(thread)
                .is_none_or(|altstack| altstack.size == 0 || thread.takes_frame(altstack.size))
        };
        match all(takes_frame) {
            true => Ok(()),
            false => Err(EINVAL),
        }
    }

    /// The queues that are to be replaced, with what is to replace them.
    fn replaced<'g>(
        &'g self,
        sighand: &'g SighandGuard<'_>,
    ) -> impl Iterator<Item = (QueueRef<'g>, &'g NewQueue)> {
        let shared = self
            .shared_pending
            .iter()
            .map(|new| (sighand.shared_queue(), new));
        let private = self.threads.iter().filter_map(|plan| {
            let new = plan.pending.as_ref()?;
            Some((plan.find(sighand)?.queue(), new))
        });
        Iterator::chain(shared, private)
    }

    fn check_queues(&self, sighand: &SighandGuard<'_>) -> Result {
        // SIGCONT and the stop signals exclude each other in all queues of a process: what is to
        // be there, against what is there and stays.
        let mut new_pending = 0;
        for (queue, new) in self.replaced(sighand) {
            // Only its delivery arms a periodic timer again: dropped, it would never fire.
            if queue.entries().any(|queued| queued.timer_id.is_some()) {
                return Err(EBUSY);
            }
            new_pending |= new.set;
        }
        // So does a periodic ITIMER_REAL wait for its signal to be taken.
        let alarm = record::sigset_of(record::SIGALRM);
        if let Some(new) = &self.shared_pending {
            if sighand.has_expired_itimer() && new.set & alarm == 0 {
                return Err(EBUSY);
            }
        }
        let kinds = record::STOP_SIGNALS | record::sigset_of(record::SIGCONT);
        if new_pending & kinds != 0 && excludes(new_pending, self.kept_pending(sighand)) {
            return Err(EINVAL);
        }
        Ok(())
    }

    /// The signals that are pending in queues that stay as they are.
    fn kept_pending(&self, sighand: &SighandGuard<'_>) -> u64 {
        let mut pending = 0;
        if self.shared_pending.is_none() {
            pending |= sighand.shared_queue().set();
        }
        for thread in sighand.threads().filter(|thread| !thread.is_dead()) {
            let plan = self
                .threads
                .binary_search_by_key(&thread.key(), ThreadPlan::key)
                .ok()
                .and_then(|index| self.threads.get(index));
            if plan.is_none_or(|plan| plan.pending.is_none()) {
                pending |= thread.queue().set();
            }
        }
        pending
    }

    /// Counts the old signals whose charge goes over to the new ones.
    fn count_old(&mut self, sighand: &SighandGuard<'_>) {
        let charges = &mut self.charges;
        let mut count = |queue: QueueRef<'_>, new: &mut NewQueue| {
            let ucounts = new.list.ucounts();
            new.old_count = queue
                .entries()
                .filter(|queued| queued.ucounts == ucounts)
                .count();
            if let Some(charge) = charges.get_mut(new.charge) {
                charge.old_count = charge.old_count.saturating_add(new.old_count);
            }
        };
        if let Some(new) = &mut self.shared_pending {
            count(sighand.shared_queue(), new);
        }
        for plan in self.threads.iter_mut() {
            let thread = plan.find(sighand);
            if let (Some(thread), Some(new)) = (thread, &mut plan.pending) {
                count(thread.queue(), new);
            }
        }
    }

    /// Carries the plan out. [`Plan::check`] must have passed in this hold of siglock.
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
    ) -> Result {
        self.charge(sighand.rlimit_sigpending_count())?;
        // From here on nothing can fail.
        if let Some(actions) = &self.actions {
            for (signo, action) in (1..).zip(actions.iter()) {
                if !is_fixed(signo) && sighand.action(signo) != Some(*action) {
                    sighand.set_action(signo, action, exec);
                }
            }
        }
        let charges = &mut self.charges;
        if let Some(new) = &mut self.shared_pending {
            let inherited_count = new.inherit(charges);
            sighand.replace_queue(None, &mut new.list, new.set, inherited_count);
        }
        for plan in self.threads.iter_mut() {
            if let Some(thread) = plan.find(sighand).and_then(ThreadRef::settled) {
                if let Some(blocked) = plan.blocked {
                    thread.set_blocked(blocked);
                }
                if let Some(altstack) = &plan.altstack {
                    thread.set_altstack(altstack);
                }
            }
            if let Some(new) = &mut plan.pending {
                let inherited_count = new.inherit(charges);
                sighand.replace_queue(Some(&plan.task), &mut new.list, new.set, inherited_count);
            }
        }
        sighand.notify_signalfd();
        // Also the threads that were not named: a signal of the process may be for each of them.
        for thread in sighand.threads() {
            if !thread.is_dead() {
                thread.notify();
            }
        }
        Ok(())
    }

    /// Charges what comes beyond what goes, for all users or for none.
    fn charge(&self, limit_count: u64) -> Result {
        for (index, charge) in self.charges.iter().enumerate() {
            let surplus_count = charge.surplus_count();
            let charged = charge.account.charge(surplus_count);
            if charged && !charge.is_over(limit_count, surplus_count) {
                continue;
            }
            if charged {
                charge.account.discharge(surplus_count);
            }
            for before in self.charges.iter().take(index) {
                before.account.discharge(before.surplus_count());
            }
            return Err(EAGAIN);
        }
        Ok(())
    }
}

impl Charge {
    /// Signals that come beyond those that go.
    fn surplus_count(&self) -> usize {
        self.new_count.saturating_sub(self.old_count)
    }

    /// Whether the user would have too many signals, of which `charged_count` are charged already.
    fn is_over(&self, limit_count: u64, charged_count: usize) -> bool {
        let limited = self.new_count > self.exempt_count;
        let more_count = self.new_count.saturating_sub(charged_count);
        let fewer_count = self.old_count.saturating_add(self.exempt_count);
        limited
            && self
                .account
                .is_over_limit(limit_count, more_count, fewer_count)
    }
}

impl NewQueue {
    /// How many signals of the old queue leave their charge to new ones, of whatever queue.
    fn inherit(&self, charges: &mut KVec<Charge>) -> usize {
        let Some(charge) = charges.get_mut(self.charge) else {
            return 0;
        };
        let inherited_count = self.old_count.min(charge.new_count);
        charge.new_count = charge.new_count.saturating_sub(inherited_count);
        inherited_count
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

/// Whether the action on `signo` can never be anything but the default.
fn is_fixed(signo: u32) -> bool {
    record::sigset_of(signo) & record::UNBLOCKABLE != 0
}

/// The whole action table: the actions of a record, and the default for all others.
fn action_table(actions: record::Actions<'_>) -> Result<KVec<SigAction>> {
    let mut table = KVec::with_capacity(abi::SIGCR_SIGNO_MAX as usize, GFP_KERNEL_ACCOUNT)?;
    let mut recorded = actions.iter().peekable();
    for signo in 1..=abi::SIGCR_SIGNO_MAX {
        let action = match recorded.next_if(|action| action.signo == signo) {
            Some(action) => SigAction {
                handler: action.handler as usize,
                flags: action.flags as usize,
                restorer: action.restorer as usize,
                mask: action.mask,
                abi: match action.abi {
                    abi::SIGCR_ABI_IA32 => FrameAbi::Ia32,
                    abi::SIGCR_ABI_X32 => FrameAbi::X32,
                    _ => FrameAbi::Native,
                },
            },
            None => DEFAULT_ACTION,
        };
        if !action.abi.is_supported() {
            return Err(EOPNOTSUPP);
        }
        table.push(action, GFP_KERNEL_ACCOUNT)?;
    }
    Ok(table)
}

/// The threads whose state the record holds, not only their names.
fn named<'a>(record: &Record<'a>) -> impl Iterator<Item = ThreadState<'a>> {
    record.threads().filter(|state| {
        !state
            .thread
            .is_some_and(|thread| record::is_listed_only(&thread))
    })
}

/// The most signals in a queue of the record that the limit on queued signals holds for.
fn limited_count(record: &Record<'_>) -> u64 {
    let limited = |queue: Queue<'_>| queue.entries().filter(|entry| !entry.is_exempt()).count();
    // CAST: A record is far shorter than 2^64 signals.
    record.queues().map(limited).max().unwrap_or(0) as u64
}
