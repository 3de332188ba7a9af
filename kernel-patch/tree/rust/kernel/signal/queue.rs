// SPDX-License-Identifier: GPL-2.0

//! Queues of pending signals, and lists of signals that are to go into one.
//!
//! C headers: [`include/linux/signal_types.h`](srctree/include/linux/signal_types.h),
//! [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h).

use super::{
    standstill::count_exchange,
    timers::Timer,
    SighandGuard,
    SIGINFO_LEN, //
};
use crate::{
    bindings,
    container_of,
    prelude::*,
    sync::rcu,
    task::Task, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};

/// The queue of a process or of a thread, whose siglock is held for `'g`.
///
/// # Invariants
///
/// `pending` is valid, and the siglock that protects it is held, for `'g`.
#[derive(Clone, Copy)]
pub struct QueueRef<'g> {
    pending: NonNull<bindings::sigpending>,
    _guard: PhantomData<&'g SighandGuard<'g>>,
}

/// One queued signal.
pub struct Queued<'g> {
    /// What the receiver will be told.
    pub siginfo: &'g [u8; SIGINFO_LEN],
    /// To whom the entry belongs.
    pub owner: Owner,
    /// What it is charged to.
    pub ucounts: Ucounts,
}

/// To whom a queued signal belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// To the queue: whoever takes it out frees it.
    Queue,
    /// It is a part of the POSIX timer with this id.
    Timer(i32),
    /// It is a part of a POSIX timer that was deleted or set anew since, and will be dropped when
    /// its turn comes.
    Stale,
}

/// Who is charged for a queued signal. Only good for comparing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ucounts(*mut bindings::ucounts);

const SIGPENDING: bindings::rlimit_type = bindings::rlimit_type_UCOUNT_RLIMIT_SIGPENDING;

/// The user, in a user namespace, that queued signals of a task are charged to.
///
/// # Invariants
///
/// It is valid, and this owns a reference on it.
pub struct Account(NonNull<bindings::ucounts>);

/// Queued signals that are in no queue: those to go into one, or those that were in one.
///
/// # Invariants
///
/// `ends` are the first and the last `sigqueue` of a chain, by their `list`, which this owns; what
/// is before the first one and behind the last one has no meaning. Of those that name `ucounts`,
/// `unpaid_count` are not charged.
pub struct SignalList {
    ends: Option<[*mut bindings::list_head; 2]>,
    ucounts: Ucounts,
    unpaid_count: usize,
    marks: KVec<Mark>,
}

/// Signals for a [`SignalList`], allocated several at a time.
///
/// # Invariants
///
/// The first `count` of `signals` are valid, and nobody else knows of them.
pub struct SignalPool {
    signals: [*mut bindings::sigqueue; POOL_COUNT],
    count: usize,
}

/// How many signals are allocated at a time at most.
const POOL_COUNT: usize = 32;

/// A place in a [`SignalList`] for the signal of a timer.
///
/// # Invariants
///
/// The node is one of the list's signals, unless the list was exchanged; without one the place is in
/// front of all.
struct Mark {
    before: Option<*mut bindings::list_head>,
    timer_id: i32,
}

impl Queued<'_> {
    /// The signal number.
    #[inline]
    pub fn signo(&self) -> u32 {
        // The first member of a siginfo.
        self.siginfo
            .first_chunk()
            .map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

impl<'g> QueueRef<'g> {
    /// # Safety
    ///
    /// `pending` must be valid, and the siglock that protects it held, for `'g`.
    #[inline]
    pub(super) unsafe fn from_raw(pending: *mut bindings::sigpending) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            // SAFETY: A valid pointer is not null.
            pending: unsafe { NonNull::new_unchecked(pending) },
            _guard: PhantomData,
        }
    }

    /// The sigset of pending signals.
    #[inline]
    pub fn set(self) -> u64 {
        // SAFETY: By the type invariants.
        let [word] = unsafe { (*self.pending.as_ptr()).signal.sig };
        word as u64
    }

    /// The queued signals, in their order.
    #[inline]
    pub fn entries(self) -> impl Iterator<Item = Queued<'g>> + 'g {
        let (mut node, last) = self.ends();
        core::iter::from_fn(move || {
            if node == last {
                return None;
            }
            // SAFETY: By the type invariants, siglock keeps the list as it is for `'g`; the node
            // is the head or in the list, and not the last one.
            let (next, queued) = unsafe { self.entry_after(node) };
            node = next;
            Some(queued)
        })
    }

    /// The head of the list of entries, and its last node: the head as well, if it is empty.
    #[inline]
    pub(super) fn ends(self) -> (*mut bindings::list_head, *mut bindings::list_head) {
        // SAFETY: By the type invariants, the queue is valid and locked.
        unsafe {
            let head = &raw mut (*self.pending.as_ptr()).list;
            (head, (*head).prev)
        }
    }

    /// The entry after `node`, with its own node.
    ///
    /// # Safety
    ///
    /// `node` must be the head or a node of this queue, and not the last one.
    #[inline]
    pub(super) unsafe fn entry_after(
        self,
        node: *mut bindings::list_head,
    ) -> (*mut bindings::list_head, Queued<'g>) {
        // SAFETY: By the safety requirements, there is a next node, and it is the `list` of a
        // `sigqueue`, which stays in the queue for as long as siglock is held. Whoever queues a
        // signal zeroes its siginfo or copies it whole, so that all bytes of it are initialised,
        // and nobody writes to it while it is queued.
        unsafe {
            let next = (*node).next;
            let queued = container_of!(next, bindings::sigqueue, list);
            let queued = Queued {
                siginfo: &*(&raw const (*queued).info).cast::<[u8; SIGINFO_LEN]>(),
                owner: owner(queued),
                ucounts: Ucounts((*queued).ucounts),
            };
            (next, queued)
        }
    }

    /// Exchanges the entries for those of `list`, and sets the bits to `set`. `inherited_count` of
    /// the old entries that name the user of `list` have left their charge to the new ones.
    pub(super) fn exchange(self, list: &mut SignalList, set: u64, inherited_count: usize) {
        count_exchange();
        // SAFETY: By the type invariants, the queue is valid and locked, and the ends of the list
        // are those of a chain of entries that nobody else knows.
        unsafe {
            let pending = self.pending.as_ptr();
            let head = &raw mut (*pending).list;
            let [first, last] = [(*head).next, (*head).prev];
            match list.ends.take() {
                None => bindings::INIT_LIST_HEAD(head),
                Some(new_ends) => {
                    let [new_first, new_last] = new_ends;
                    (*head).next = new_first;
                    (*new_first).prev = head;
                    (*head).prev = new_last;
                    (*new_last).next = head;
                }
            }
            (*pending).signal = bindings::sigset_t {
                sig: [set as usize],
            };
            // INVARIANT: Nobody but the queue knew of its entries.
            list.ends = (first != head).then_some([first, last]);
        }
        // INVARIANT: The list holds the old entries now.
        list.unpaid_count = inherited_count;
    }
}

/// To whom the entry belongs.
///
/// # Safety
///
/// `queued` must be a valid entry of a queue whose siglock is held, or of a timer of that process.
#[inline]
pub(super) unsafe fn owner(queued: *mut bindings::sigqueue) -> Owner {
    // SAFETY: By the safety requirement; the entry of a timer is its `sigq`, and holds a reference
    // on it while it is queued. The id never changes, siglock protects the rest but for
    // `it_signal_seq`, a single word.
    unsafe {
        if !is_of_timer(queued) {
            return Owner::Queue;
        }
        let timer = container_of!(queued, bindings::k_itimer, sigq);
        let seq = (&raw const (*timer).it_signal_seq).read_volatile();
        let valid = (&raw const (*timer).it_signal).read_volatile().addr() & 1 == 0;
        match valid && seq == (*timer).it_sigqueue_seq {
            true => Owner::Timer((*timer).it_id),
            false => Owner::Stale,
        }
    }
}

/// Whether the entry is a part of a POSIX timer.
///
/// # Safety
///
/// `queued` must be a valid entry.
#[inline]
unsafe fn is_of_timer(queued: *mut bindings::sigqueue) -> bool {
    // SAFETY: By the safety requirement; the flag never changes.
    unsafe { (*queued).flags & bindings::SIGQUEUE_PREALLOC as i32 != 0 }
}

impl Account {
    /// The account of `task` as of now.
    ///
    /// # Errors
    ///
    /// - [`EAGAIN`]: there are more references on it than can be counted.
    pub fn of(task: &Task) -> Result<Self> {
        let _rcu = rcu::read_lock();
        // SAFETY: The task is valid; its credentials, which it may exchange at any time, and the
        // reference that these have on their `ucounts` stay until the RCU read lock is released.
        let ucounts = unsafe {
            let cred = (&raw const (*task.as_ptr()).real_cred).read_volatile();
            bindings::get_ucounts((*cred).ucounts)
        };
        // INVARIANT: `get_ucounts()` returns what it was given, with a reference, or null.
        Ok(Self(NonNull::new(ucounts).ok_or(EAGAIN)?))
    }

    /// The user, for comparing.
    pub fn ucounts(&self) -> Ucounts {
        Ucounts(self.0.as_ptr())
    }

    /// How many signals are charged, as of now.
    pub fn charged_count(&self) -> usize {
        // SAFETY: By the type invariants. The counter changes at any time, a word.
        let charged = unsafe {
            (&raw const (*self.ucounts().0).rlimit[SIGPENDING as usize].counter).read_volatile()
        };
        usize::try_from(charged).unwrap_or(0)
    }

    /// Whether `more_count` signals more and `fewer_count` fewer would be over `limit_count` or
    /// over what the user namespaces allow.
    ///
    /// Mirrors `is_rlimit_overlimit()` in kernel/ucount.c.
    pub fn is_over_limit(&self, limit_count: u64, more_count: usize, fewer_count: usize) -> bool {
        const TYPE: usize = SIGPENDING as usize;
        let mut max = limit_count;
        let mut next = self.ucounts().0;
        while !next.is_null() {
            // SAFETY: By the type invariants; it keeps all those above it. The counters change at
            // any time, as single words.
            let charged = unsafe { (&raw const (*next).rlimit[TYPE].counter).read_volatile() };
            let count = (charged as u64).saturating_add(more_count as u64);
            if count.saturating_sub(fewer_count as u64) > max {
                return true;
            }
            // SAFETY: As above; a namespace lives as long as what is charged in it.
            unsafe {
                let ns = (*next).ns;
                max = (&raw const (*ns).rlimit_max[TYPE]).read_volatile() as u64;
                next = (*ns).ucounts;
            }
        }
        false
    }

    /// Charges `count` signals, whatever the limits are; false, and nothing charged, if the
    /// counters have no room for them.
    ///
    /// # Context
    ///
    /// Any, also under siglock. Takes the same time for any number of signals.
    pub fn charge(&self, count: usize) -> bool {
        let ucounts = self.ucounts().0;
        let Some(more_count) = count.checked_sub(1) else {
            return true;
        };
        // The first one also takes the reference that a counter which is not 0 holds.
        // SAFETY: By the type invariants.
        if unsafe { bindings::inc_rlimit_get_ucounts(ucounts, SIGPENDING, true) } == 0 {
            return false;
        }
        // SAFETY: As above.
        // CAST: There is no memory for as many signals as do not fit.
        unsafe { bindings::inc_rlimit_ucounts(ucounts, SIGPENDING, more_count as isize) };
        true
    }

    /// Takes back what [`Account::charge`] has charged.
    pub fn discharge(&self, count: usize) {
        let ucounts = self.ucounts().0;
        let Some(more_count) = count.checked_sub(1) else {
            return;
        };
        // SAFETY: As above; the caller has charged as many. The last one gives the reference back.
        unsafe {
            bindings::dec_rlimit_ucounts(ucounts, SIGPENDING, more_count as isize);
            bindings::dec_rlimit_put_ucounts(ucounts, SIGPENDING);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, this has a reference to give back.
        unsafe { bindings::put_ucounts(self.0.as_ptr()) };
    }
}

impl SignalList {
    /// A list without signals, for those that `account` will be charged with.
    pub fn new(account: &Account) -> Self {
        // INVARIANT: The list is empty.
        Self {
            ends: None,
            ucounts: account.ucounts(),
            unpaid_count: 0,
            marks: KVec::new(),
        }
    }

    /// Appends a signal out of `pool`. It names the account's user and is not charged yet.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: the pool is empty. Nothing was appended.
    ///
    /// # Context
    ///
    /// Any.
    #[inline]
    pub fn push(&mut self, siginfo: &[u8; SIGINFO_LEN], pool: &mut SignalPool) -> Result {
        let queued = pool.take().ok_or(ENOMEM)?;
        // SAFETY: The entry is new, so it is valid and nobody else knows of it. A siginfo is
        // plain bytes.
        unsafe {
            (&raw mut (*queued).info)
                .cast::<[u8; SIGINFO_LEN]>()
                .write(*siginfo);
            (*queued).ucounts = self.ucounts.0;
            self.insert(self.last(), &raw mut (*queued).list);
        }
        // INVARIANT: It names `ucounts`. There is no memory for more signals than can be counted.
        self.unpaid_count = self.unpaid_count.wrapping_add(1);
        Ok(())
    }

    /// Leaves a place for the signal of the timer `timer_id` behind the last signal.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: no memory. No place was left.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    pub fn push_mark(&mut self, timer_id: i32) -> Result {
        let before = self.last();
        // INVARIANT: It is the last signal, if there is one.
        Ok(self
            .marks
            .push(Mark { before, timer_id }, GFP_KERNEL_ACCOUNT)?)
    }

    /// Puts the signals of timers into their places. `timer_of` finds a timer by its id; what it
    /// finds must have been set to be pending by [`SighandGuard::apply_timer`], and is put into
    /// one place only.
    pub fn insert_timers<'t>(
        &mut self,
        _sighand: &mut SighandGuard<'_>,
        timer_of: impl Fn(i32) -> Option<&'t Timer>,
    ) {
        // The last one first: those behind one signal come into their order by that.
        while let Some(mark) = self.marks.pop() {
            if let Some(timer) = timer_of(mark.timer_id) {
                // SAFETY: By the invariants of `Mark`, the node is in the list; the signal of a
                // detached timer is in no list, and its reference keeps it.
                unsafe { self.insert(mark.before, timer.sigq_list()) };
            }
        }
    }

    /// The node of the last signal.
    #[inline]
    fn last(&self) -> Option<*mut bindings::list_head> {
        self.ends.map(|[_, last]| last)
    }

    /// Puts a node behind `before`, or else in front of all.
    ///
    /// # Safety
    ///
    /// `before` must be a node of the list, and `node` that of an entry which is in no list and
    /// belongs to this one from now on.
    #[inline]
    unsafe fn insert(
        &mut self,
        before: Option<*mut bindings::list_head>,
        node: *mut bindings::list_head,
    ) {
        let Some([first, last]) = self.ends else {
            // INVARIANT: It is the only one.
            self.ends = Some([node, node]);
            return;
        };
        // SAFETY: By the safety requirements and the type invariants, all of these are valid nodes
        // that nobody else knows; the one behind `before` is in the list if that is not the last.
        unsafe {
            match before {
                None => link(node, first),
                Some(before) => {
                    if before != last {
                        link(node, (*before).next);
                    }
                    link(before, node);
                }
            }
        }
        // INVARIANT: The ends are what they were but for the new node.
        self.ends = Some(match before {
            None => [node, last],
            Some(before) if before == last => [first, node],
            Some(_) => [first, last],
        });
    }

    /// Who will be charged for the signals.
    pub fn ucounts(&self) -> Ucounts {
        self.ucounts
    }
}

impl SignalPool {
    /// A pool without signals.
    pub fn empty() -> Self {
        // INVARIANT: None is valid.
        Self {
            signals: [core::ptr::null_mut(); POOL_COUNT],
            count: 0,
        }
    }

    /// Sees to it that there is a signal, with more if `needed_count` are needed.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: no memory, not even for one.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    #[inline]
    pub fn fill(&mut self, needed_count: usize) -> Result {
        match self.count {
            0 => self.allocate(needed_count.clamp(1, POOL_COUNT)),
            _ => Ok(()),
        }
    }

    fn allocate(&mut self, count: usize) -> Result {
        let signals = self.signals.as_mut_ptr();
        // SAFETY: Process context, in which allocating may sleep. There is room for POOL_COUNT, and
        // none of the signals that are there is overwritten, as there are none.
        // CAST: No more than POOL_COUNT.
        if !unsafe { bindings::sigcr_sigqueue_alloc(signals, count as u32) } {
            return Err(ENOMEM);
        }
        // INVARIANT: As many were allocated.
        self.count = count;
        Ok(())
    }

    #[inline]
    fn take(&mut self) -> Option<*mut bindings::sigqueue> {
        // INVARIANT: It is the last one, and its taker's from now on.
        let index = self.count.checked_sub(1)?;
        let signal = self.signals.get(index).copied();
        self.count = index;
        signal
    }
}

impl Drop for SignalPool {
    fn drop(&mut self) {
        while let Some(signal) = self.take() {
            // SAFETY: By the type invariants, it is valid and nobody else knows of it.
            unsafe { bindings::sigcr_sigqueue_free(signal) };
        }
    }
}

impl Drop for SignalList {
    fn drop(&mut self) {
        let Some([first, last]) = self.ends else {
            return;
        };
        let mut node = first;
        loop {
            // SAFETY: By the type invariants, this owns the chain from `first` to `last`; nobody
            // else knows of its entries any more, and those that are not charged must not give a
            // charge back. The next node is read before its entry is freed.
            let next = unsafe {
                let queued = container_of!(node, bindings::sigqueue, list);
                let next = (*node).next;
                if self.unpaid_count > 0
                    && !is_of_timer(queued)
                    && Ucounts((*queued).ucounts) == self.ucounts
                {
                    (*queued).ucounts = core::ptr::null_mut();
                    self.unpaid_count -= 1;
                }
                bindings::sigcr_sigqueue_free(queued);
                next
            };
            if node == last {
                return;
            }
            node = next;
        }
    }
}

/// Makes two nodes neighbours.
///
/// # Safety
///
/// Both must be valid, and nobody else know of them.
#[inline]
unsafe fn link(first: *mut bindings::list_head, second: *mut bindings::list_head) {
    // SAFETY: By the safety requirement.
    unsafe {
        (*first).next = second;
        (*second).prev = first;
    }
}

#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
#[macros::kunit_tests(rust_signal_queue)]
mod tests {
    use super::{
        super::testing::*,
        *, //
    };

    #[test]
    fn exchanged_queues_keep_their_signals_and_the_order_of_these() -> Result {
        let mut first = list_of(&[(40, 1), (40, 2), (10, 3)])?;
        let mut second = list_of(&[(50, 4)])?;
        let mut seen = [(0, [None; 4]); 5];
        under_siglock(|sighand| {
            let mut look = |at: usize, sighand: &SighandGuard<'_>| {
                let queue = sighand.shared_queue();
                seen[at] = (queue.set(), signals_in(queue));
            };
            look(0, sighand);
            sighand.replace_queue(None, &mut first, set_of(40) | set_of(10), 0);
            look(1, sighand);
            // More bits than signals.
            sighand.replace_queue(None, &mut second, set_of(50) | set_of(9), 0);
            look(2, sighand);
            // What the list was given is what it gives back.
            sighand.replace_queue(None, &mut second, set_of(40), 1);
            look(3, sighand);
            sighand.replace_queue(None, &mut first, 0, 3);
            look(4, sighand);
        })?;
        let signals = [Some((40, 1)), Some((40, 2)), Some((10, 3)), None];
        assert_eq!(seen[0], (0, [None; 4]));
        assert_eq!(seen[1], (set_of(40) | set_of(10), signals));
        let other = [Some((50, 4)), None, None, None];
        assert_eq!(seen[2], (set_of(50) | set_of(9), other));
        assert_eq!(seen[3], (set_of(40), signals));
        assert_eq!(seen[4], (0, [None; 4]));
        Ok(())
    }

    #[test]
    fn the_queue_of_the_thread_is_another_one_than_that_of_the_process() -> Result {
        let task = this_task();
        let mut list = list_of(&[(40, 1)])?;
        let seen = under_siglock(|sighand| {
            sighand.replace_queue(Some(&task), &mut list, set_of(40), 0);
            let private = sighand.this_thread().queue();
            let seen = (
                private.set(),
                signals_in::<2>(private),
                sighand.shared_queue().set(),
                signals_in::<1>(sighand.shared_queue()),
            );
            sighand.replace_queue(Some(&task), &mut list, 0, 1);
            seen
        })?;
        assert_eq!(seen, (set_of(40), [Some((40, 1)), None], 0, [None]));
        Ok(())
    }

    #[test]
    fn signals_belong_to_their_queue_and_name_the_user_of_their_list() -> Result {
        let mut list = list_of(&[(40, 1)])?;
        let ucounts = list.ucounts();
        let seen = under_siglock(|sighand| {
            sighand.replace_queue(None, &mut list, set_of(40), 0);
            let seen = sighand
                .shared_queue()
                .entries()
                .next()
                .map(|queued| queued.owner == Owner::Queue && queued.ucounts == ucounts);
            sighand.replace_queue(None, &mut list, 0, 1);
            seen
        })?;
        assert_eq!(seen, Some(true));
        assert!(ucounts == Account::of(&this_task())?.ucounts());
        Ok(())
    }

    #[test]
    fn only_what_was_charged_is_taken_back() -> Result {
        let account = Account::of(&this_task())?;
        let before_count = charged_count(&account);
        let signals = [(40, 1), (40, 2), (40, 3)];
        let mut list = list_of(&signals)?;
        let listed_count = charged_count(&account);
        assert!(account.charge(signals.len()));
        let charged = charged_count(&account);
        // One of the three leaves its charge to somebody else.
        under_siglock(|sighand| {
            sighand.replace_queue(None, &mut list, set_of(40), 0);
            sighand.replace_queue(None, &mut list, 0, 1);
        })?;
        drop(list);
        let left_count = charged_count(&account);
        account.discharge(1);
        assert_eq!(listed_count, before_count);
        assert_eq!(charged, before_count + 3);
        assert_eq!(left_count, before_count + 1);
        assert_eq!(charged_count(&account), before_count);
        // Nor is a list taken back that never was in a queue.
        drop(list_of(&signals)?);
        assert_eq!(charged_count(&account), before_count);
        Ok(())
    }

    #[test]
    fn the_limit_counts_what_is_there_what_comes_and_what_goes() -> Result {
        let account = Account::of(&this_task())?;
        assert!(account.charge(2));
        let count = charged_count(&account);
        let over = [
            account.is_over_limit(count, 0, 0),
            account.is_over_limit(count - 1, 0, 0),
            account.is_over_limit(count + 5, 5, 0),
            account.is_over_limit(count + 4, 5, 0),
            account.is_over_limit(count + 4, 5, 1),
            account.is_over_limit(0, 0, usize::MAX),
            account.is_over_limit(count, usize::MAX, 0),
            account.is_over_limit(u64::MAX, usize::MAX, 0),
        ];
        account.discharge(2);
        assert_eq!(over, [false, true, false, true, false, false, true, false]);
        Ok(())
    }

    #[test]
    fn a_place_for_a_timer_that_is_not_found_stays_empty() -> Result {
        let mut list = list_of(&[(40, 1)])?;
        list.push_mark(7)?;
        list.push(&siginfo_of((40, 2)), &mut pool_of(1)?)?;
        let seen = under_siglock(|sighand| {
            let asked = core::cell::Cell::new(0);
            list.insert_timers(sighand, |timer_id| {
                asked.set(timer_id);
                None
            });
            sighand.replace_queue(None, &mut list, set_of(40), 0);
            let seen = signals_in(sighand.shared_queue());
            sighand.replace_queue(None, &mut list, 0, 2);
            (asked.get(), seen)
        })?;
        assert_eq!(seen, (7, [Some((40, 1)), Some((40, 2)), None]));
        Ok(())
    }

    #[test]
    fn a_pool_gives_each_of_its_signals_once() -> Result {
        let mut pool = pool_of(5)?;
        // There are some, so none are made.
        pool.fill(7)?;
        let mut seen = [core::ptr::null_mut(); 5];
        for at in 0..5 {
            let signal = pool.take().ok_or(EINVAL)?;
            let is_new = !signal.is_null() && !seen.contains(&signal);
            assert!(is_new);
            seen[at] = signal;
        }
        let is_empty = pool.take().is_none();
        // They are the pool's again, which frees them.
        pool.signals[..5].copy_from_slice(&seen);
        pool.count = 5;
        assert!(is_empty);
        Ok(())
    }

    #[test]
    fn a_pool_makes_one_at_least_and_no_more_than_it_has_room_for() -> Result {
        assert_eq!(pool_of(0)?.count, 1);
        assert_eq!(pool_of(POOL_COUNT)?.count, POOL_COUNT);
        assert_eq!(pool_of(usize::MAX)?.count, POOL_COUNT);
        Ok(())
    }

    #[test]
    fn nothing_is_appended_out_of_an_empty_pool() -> Result {
        let mut list = list_of(&[(40, 1)])?;
        let pushed = list.push(&siginfo_of((40, 2)), &mut SignalPool::empty());
        let seen = under_siglock(|sighand| {
            sighand.replace_queue(None, &mut list, set_of(40), 0);
            let seen = signals_in(sighand.shared_queue());
            sighand.replace_queue(None, &mut list, 0, 1);
            seen
        })?;
        assert_eq!(pushed, Err(ENOMEM));
        assert_eq!(seen, [Some((40, 1)), None]);
        Ok(())
    }
}
