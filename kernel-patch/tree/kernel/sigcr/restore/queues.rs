// SPDX-License-Identifier: GPL-2.0

//! The queues of a restore: signals that are allocated before, and who is charged for them.
//!
//! Nobody is charged for a signal before the commit. Then all are charged at once, under siglock,
//! and those that go give their charge back when they are freed. Only where that would go over the
//! limits, those that go are counted, and the new ones take over their charge.

use kernel::{
    prelude::*,
    signal::{
        self,
        Account,
        Owner,
        QueueRef,
        SighandGuard,
        SignalList,
        SignalPool, //
    },
    task::Task, //
};

use crate::{
    abi,
    record::{
        EntryExt,
        EntryRef,
        Queue,
        Record, //
    }, //
};

use super::timers::TimersPlan;

/// How many signals are allocated between two looks whether the caller is being killed.
const KILL_LOOK_COUNT: usize = 256;

/// What is to be in a queue.
pub(super) struct NewQueue {
    list: SignalList,
    /// Sigset of the pending signals.
    pub(super) set: u64,
    /// Index of the charge for the list.
    charge: usize,
    /// Signals in the old queue that are charged to the same user, if they were counted.
    old_count: usize,
}

/// What each user is to be charged, in all queues together.
pub(super) struct Charges {
    /// Mostly there is one, for which nothing has to be allocated.
    first: Option<Charge>,
    others: KVec<Charge>,
}

struct Charge {
    account: Account,
    /// Signals that come.
    new_count: usize,
    /// How many of them the limit does not hold for.
    exempt_count: usize,
    /// Signals that go.
    old_count: usize,
}

impl Charges {
    pub(super) fn new() -> Self {
        Self {
            first: None,
            others: KVec::new(),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Charge> {
        Iterator::chain(self.first.iter(), self.others.iter())
    }

    fn get_mut(&mut self, index: usize) -> Option<&mut Charge> {
        match index.checked_sub(1) {
            None => self.first.as_mut(),
            Some(index) => self.others.get_mut(index),
        }
    }

    /// Allocates the signals of `queue` for a queue of `owner`; with `refused` only the queue.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: no memory.
    /// - [`EINTR`]: the caller is being killed.
    pub(super) fn new_queue(
        &mut self,
        queue: &Queue<'_>,
        owner: &Task,
        refused: bool,
    ) -> Result<NewQueue> {
        let index = self.index_of(owner)?;
        let charge = self.get_mut(index).ok_or(EINVAL)?;
        let mut list = SignalList::new(&charge.account);
        if !refused && queue.entry_count() > 0 {
            charge.fill(&mut list, queue)?;
        }
        Ok(NewQueue {
            list,
            set: queue.set,
            charge: index,
            old_count: 0,
        })
    }

    /// The index of the charge for signals of `owner`.
    fn index_of(&mut self, owner: &Task) -> Result<usize> {
        let account = Account::of(owner)?;
        let ucounts = account.ucounts();
        // Threads whose credentials differ are rare, and then in a few groups: the first charge or
        // the last one fits, or there is one more.
        let same = |charge: &Charge| charge.account.ucounts() == ucounts;
        if same(self.first.get_or_insert(Charge::new(account))) {
            return Ok(0);
        }
        if !self.others.last().is_some_and(same) {
            let charge = Charge::new(Account::of(owner)?);
            self.others.push(charge, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(self.others.len())
    }

    /// Begins to count anew what goes.
    pub(super) fn forget_old(&mut self) {
        for charge in Iterator::chain(self.first.iter_mut(), self.others.iter_mut()) {
            charge.old_count = 0;
        }
    }

    /// Counts the signals in `queue` that go when `new` comes, and are charged to the same user.
    pub(super) fn count_old(&mut self, queue: QueueRef<'_>, new: &mut NewQueue) {
        let ucounts = new.list.ucounts();
        new.old_count = queue
            .entries()
            .filter(|queued| queued.owner == Owner::Queue && queued.ucounts == ucounts)
            .count();
        if let Some(charge) = self.get_mut(new.charge) {
            charge.old_count = charge.old_count.saturating_add(new.old_count);
        }
    }

    /// Whether a user would have too many signals.
    pub(super) fn are_over(&self, limit_count: u64) -> bool {
        self.iter().any(|charge| charge.is_over(limit_count, 0))
    }

    /// Charges what comes beyond what was counted of what goes, for all users or for none.
    ///
    /// # Errors
    ///
    /// - [`EAGAIN`]: a user would have too many signals. Nobody was charged.
    pub(super) fn charge(&self, limit_count: u64) -> Result {
        for (index, charge) in self.iter().enumerate() {
            let surplus_count = charge.surplus_count();
            let charged = charge.account.charge(surplus_count);
            if charged && !charge.is_over(limit_count, surplus_count) {
                continue;
            }
            if charged {
                charge.account.discharge(surplus_count);
            }
            for before in self.iter().take(index) {
                before.account.discharge(before.surplus_count());
            }
            return Err(EAGAIN);
        }
        Ok(())
    }
}

impl Charge {
    fn new(account: Account) -> Self {
        Self {
            account,
            new_count: 0,
            exempt_count: 0,
            old_count: 0,
        }
    }

    /// Allocates the signals of `queue` for `list`.
    fn fill(&mut self, list: &mut SignalList, queue: &Queue<'_>) -> Result {
        let mut pool = SignalPool::empty();
        let mut left_count = queue.entry_count();
        for entry in queue.entry_refs() {
            if left_count % KILL_LOOK_COUNT == 0 && signal::current_is_being_killed() {
                return Err(EINTR);
            }
            if entry.flags & abi::SIGCR_ENTRY_TIMER != 0 {
                // The timer itself will be queued, which has been charged when it was created.
                list.push_mark(entry.timer_id)?;
            } else {
                pool.fill(left_count)?;
                list.push(entry.siginfo, &mut pool)?;
                self.new_count = self.new_count.wrapping_add(1);
                self.exempt_count = self
                    .exempt_count
                    .wrapping_add(usize::from(entry.is_exempt()));
            }
            left_count = left_count.wrapping_sub(1);
        }
        Ok(())
    }

    /// Signals that come beyond those that were counted of what goes.
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
    /// Begins to count anew what goes.
    pub(super) fn forget_old(&mut self) {
        self.old_count = 0;
    }

    /// Puts the signals, which have been charged, into the queue of `thread`, or with [`None`] into
    /// that of the process. What was there is freed with this.
    pub(super) fn apply(
        &mut self,
        sighand: &mut SighandGuard<'_>,
        thread: Option<&Task>,
        charges: &mut Charges,
        timers: Option<&TimersPlan>,
    ) {
        let inherited_count = self.inherit(charges);
        self.list
            .insert_timers(sighand, |timer_id| timers?.find(timer_id));
        sighand.replace_queue(thread, &mut self.list, self.set, inherited_count);
    }

    /// How many signals of the old queue leave their charge to new ones, of whatever queue.
    fn inherit(&self, charges: &mut Charges) -> usize {
        let Some(charge) = charges.get_mut(self.charge) else {
            return 0;
        };
        let inherited_count = self.old_count.min(charge.new_count);
        charge.new_count = charge.new_count.saturating_sub(inherited_count);
        inherited_count
    }
}

/// Whether a queue of the record alone has more signals that the limit holds for than `limit_count`.
pub(super) fn is_over_limit(record: &Record<'_>, limit_count: u64) -> bool {
    // CAST: A record is far shorter than 2^64 signals.
    record.entry_count_max() as u64 > limit_count && limited_count(record) > limit_count
}

/// The most signals in a queue of the record that the limit on queued signals holds for.
fn limited_count(record: &Record<'_>) -> u64 {
    let is_limited =
        |entry: &EntryRef<'_>| entry.flags & abi::SIGCR_ENTRY_TIMER == 0 && !entry.is_exempt();
    let limited = |queue: Queue<'_>| queue.entry_refs().filter(is_limited).count();
    // CAST: A record is far shorter than 2^64 signals.
    record.queues().map(limited).max().unwrap_or(0) as u64
}

#[cfg(CONFIG_SIGCR_KUNIT_TEST)]
#[kernel::macros::kunit_tests(sigcr_restore_queues)]
mod tests {
    use super::*;
    use crate::record::{
        encode::{
            unfinished_header,
            Writer, //
        },
        Entry, //
    };
    use kernel::sync::aref::ARef;

    const SIGTERM: u32 = 15;
    const SI_QUEUE: i32 = -1;
    const SI_KERNEL: i32 = 0x80;

    fn this_task() -> ARef<Task> {
        ARef::from(&**current!())
    }

    fn account() -> Account {
        Account::of(&this_task()).expect("fewer references than can be counted")
    }

    /// How many queued signals the user of this thread is charged with.
    fn charged_count() -> u64 {
        let account = account();
        (0..1 << 20)
            .find(|limit_count| !account.is_over_limit(*limit_count, 0, 0))
            .unwrap_or(u64::MAX)
    }

    fn charge(new_count: usize, exempt_count: usize, old_count: usize) -> Charge {
        Charge {
            account: account(),
            new_count,
            exempt_count,
            old_count,
        }
    }

    fn charges([first, second]: [Charge; 2]) -> Result<Charges> {
        let mut charges = Charges::new();
        charges.first = Some(first);
        charges.others.push(second, GFP_KERNEL)?;
        Ok(charges)
    }

    fn entry(signo: u32, si_code: i32) -> Entry {
        let mut siginfo = [0; abi::SIGCR_SIGINFO_LEN as usize];
        siginfo[..4].copy_from_slice(&signo.to_ne_bytes());
        siginfo[8..12].copy_from_slice(&si_code.to_ne_bytes());
        Entry {
            siginfo,
            flags: 0,
            timer_id: 0,
        }
    }

    /// Calls `f` with a record of a shared and a private queue that have these entries.
    fn with_record<T>(
        shared: &[Entry],
        private: &[Entry],
        f: impl FnOnce(&Record<'_>) -> T,
    ) -> Result<T> {
        const LEN: usize = 1024;
        let mut buf = KVec::from_elem(0, LEN, GFP_KERNEL)?;
        let mut writer = Writer::new(&mut buf);
        for (tid, entries) in [(0, shared), (100, private)] {
            let mut list = writer.begin_queue();
            let mut set = 0;
            for entry in entries {
                set |= crate::record::sigset_of(entry.signo());
                writer.entry(&mut list, entry);
            }
            writer.end_queue(list, tid, set);
        }
        let len = writer.finish(&unfinished_header(0, 1, 100));
        let record = Record::decode(buf.get(..len).ok_or(EINVAL)?).map_err(|_| EINVAL)?;
        Ok(f(&record))
    }

    #[test]
    fn what_comes_is_charged_beyond_what_goes() {
        assert_eq!(charge(5, 0, 3).surplus_count(), 2);
        assert_eq!(charge(3, 0, 3).surplus_count(), 0);
        assert_eq!(charge(0, 0, 3).surplus_count(), 0);
    }

    #[test]
    fn the_limit_holds_for_what_is_not_exempt_and_counts_what_goes() {
        let count = charged_count();
        let over = [
            charge(5, 0, 0).is_over(count + 5, 0),
            charge(5, 0, 0).is_over(count + 4, 0),
            // Two are charged already, and counted with what is there.
            charge(5, 0, 0).is_over(count + 3, 2),
            charge(5, 0, 0).is_over(count + 2, 2),
            charge(5, 2, 0).is_over(count + 3, 0),
            charge(5, 2, 0).is_over(count + 2, 0),
            // All are exempt.
            charge(5, 5, 0).is_over(0, 0),
            charge(0, 0, 0).is_over(0, 0),
        ];
        assert_eq!(over, [false, true, false, true, false, true, false, false]);
        let account = account();
        assert!(account.charge(3));
        let over = [
            charge(5, 0, 3).is_over(count + 5, 0),
            charge(5, 0, 3).is_over(count + 4, 0),
        ];
        account.discharge(3);
        assert_eq!(over, [false, true]);
    }

    #[test]
    fn all_users_are_charged_or_none() -> Result {
        let count = charged_count();
        let good = charges([charge(4, 0, 1), charge(2, 0, 2)])?;
        assert_eq!(good.charge(count + 10), Ok(()));
        let charged = charged_count();
        account().discharge(3);
        assert_eq!(charged, count + 3);
        // The second one is over the limit, which the first one is exempt from.
        let bad = charges([charge(4, 4, 0), charge(2, 0, 0)])?;
        assert_eq!(bad.charge(count + 5), Err(EAGAIN));
        assert_eq!(charged_count(), count);
        assert_eq!(bad.charge(count + 6), Ok(()));
        account().discharge(6);
        assert_eq!(charged_count(), count);
        Ok(())
    }

    #[test]
    fn a_new_queue_is_counted_by_what_it_takes() -> Result {
        let task = this_task();
        let shared = [
            entry(SIGTERM, SI_KERNEL),
            entry(40, SI_KERNEL),
            entry(40, SI_QUEUE),
        ];
        let private = [entry(41, SI_QUEUE)];
        let mut charges = Charges::new();
        with_record(&shared, &private, |record| -> Result {
            for queue in record.queues() {
                charges.new_queue(&queue, &task, false)?;
            }
            Ok(())
        })??;
        let counts = charges.iter().map(|c| (c.new_count, c.exempt_count));
        // Both are of one user.
        assert!(counts.eq([(4, 1)]));
        Ok(())
    }

    #[test]
    fn a_queue_that_will_be_refused_takes_nothing() -> Result {
        let task = this_task();
        let mut charges = Charges::new();
        let set = with_record(
            &[entry(40, SI_QUEUE)],
            &[],
            |record| -> Result<Option<u64>> {
                let queue = record.shared_pending();
                let new = queue.map(|queue| charges.new_queue(&queue, &task, true));
                Ok(new.transpose()?.map(|new| new.set))
            },
        )??;
        assert_eq!(set, Some(crate::record::sigset_of(40)));
        assert!(charges.iter().all(|charge| charge.new_count == 0));
        Ok(())
    }

    #[test]
    fn old_signals_leave_their_charge_to_as_many_new_ones() -> Result {
        let account = account();
        let new_queue = |old_count| NewQueue {
            list: SignalList::new(&account),
            set: 0,
            charge: 0,
            old_count,
        };
        let mut charges = charges([charge(5, 0, 0), charge(9, 0, 0)])?;
        let inherited = [
            new_queue(2).inherit(&mut charges),
            new_queue(7).inherit(&mut charges),
            new_queue(1).inherit(&mut charges),
        ];
        assert_eq!(inherited, [2, 3, 0]);
        let left = charges.iter().map(|charge| charge.new_count);
        assert!(left.eq([0, 9]));
        Ok(())
    }

    #[test]
    fn the_limit_is_for_the_longest_queue_without_what_is_exempt() -> Result {
        let shared = [entry(SIGTERM, SI_KERNEL), entry(40, SI_QUEUE)];
        let private = [entry(41, SI_KERNEL), entry(41, SI_QUEUE)];
        assert_eq!(with_record(&shared, &private, limited_count)?, 2);
        assert_eq!(with_record(&shared, &[], limited_count)?, 1);
        assert_eq!(with_record(&[], &[], limited_count)?, 0);
        Ok(())
    }
}
