// SPDX-License-Identifier: GPL-2.0

//! Queues of pending signals, and lists of signals that are to go into one.
//!
//! C headers: [`include/linux/signal_types.h`](srctree/include/linux/signal_types.h),
//! [`include/linux/user_namespace.h`](srctree/include/linux/user_namespace.h).

use super::{
    SighandGuard,
    SIGINFO_LEN, //
};
use crate::{
    bindings,
    container_of,
    cred::Credential,
    prelude::*,
    sync::aref::ARef,
    task::Task,
    types::Opaque, //
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
pub struct Queued {
    /// What the receiver will be told.
    pub siginfo: [u8; SIGINFO_LEN],
    /// Id of the POSIX timer that owns the entry.
    pub timer_id: Option<i32>,
    /// What it is charged to.
    pub ucounts: Ucounts,
}

/// Who is charged for a queued signal. Only good for comparing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ucounts(*mut bindings::ucounts);

/// The user, in a user namespace, that queued signals of a task are charged to.
pub struct Account(ARef<Credential>);

/// Queued signals that are in no queue: those to go into one, or those that were in one.
///
/// # Invariants
///
/// `head` is the head of a list of `sigqueue`s, which this owns. Of those that name `ucounts`,
/// `unpaid_count` are not charged.
pub struct SignalList {
    head: KBox<Opaque<bindings::list_head>>,
    ucounts: Ucounts,
    unpaid_count: usize,
}

impl<'g> QueueRef<'g> {
    /// # Safety
    ///
    /// `pending` must be valid, and the siglock that protects it held, for `'g`.
    pub(super) unsafe fn from_raw(pending: *mut bindings::sigpending) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            // SAFETY: A valid pointer is not null.
            pending: unsafe { NonNull::new_unchecked(pending) },
            _guard: PhantomData,
        }
    }

    /// The sigset of pending signals.
    pub fn set(self) -> u64 {
        // SAFETY: By the type invariants.
        let [word] = unsafe { (*self.pending.as_ptr()).signal.sig };
        word as u64
    }

    /// The queued signals, in their order.
    pub fn entries(self) -> impl Iterator<Item = Queued> + 'g {
        // SAFETY: By the type invariants, the queue is valid.
        let head = unsafe { &raw mut (*self.pending.as_ptr()).list };
        let mut node = head;
        core::iter::from_fn(move || {
            // SAFETY: By the type invariants, siglock keeps the list as it is for `'g`.
            node = unsafe { (*node).next };
            if node == head {
                return None;
            }
            // SAFETY: Every node but the head is the `list` of a `sigqueue`. Whoever queues a
            // signal zeroes its siginfo or copies it whole, so that all bytes of it are
            // initialised, and nobody writes to it while it is queued.
            unsafe {
                let queued = container_of!(node, bindings::sigqueue, list);
                Some(Queued {
                    siginfo: (&raw const (*queued).info)
                        .cast::<[u8; SIGINFO_LEN]>()
                        .read(),
                    timer_id: timer_id(queued),
                    ucounts: Ucounts((*queued).ucounts),
                })
            }
        })
    }

    /// Exchanges the entries for those of `list`, and sets the bits to `set`. `inherited_count` of
    /// the old entries that name the user of `list` have left their charge to the new ones.
    pub(super) fn exchange(self, list: &mut SignalList, set: u64, inherited_count: usize) {
        // SAFETY: By the type invariants, the queue is valid and locked; so is the list's head,
        // which `list` owns.
        unsafe {
            let pending = self.pending.as_ptr();
            let queue = &raw mut (*pending).list;
            let other = list.head.get();
            let (queue_ends, other_ends) = (ends(queue), ends(other));
            adopt(queue, other, other_ends);
            adopt(other, queue, queue_ends);
            (*pending).signal = bindings::sigset_t {
                sig: [set as usize],
            };
        }
        // INVARIANT: The list holds the old entries now.
        list.unpaid_count = inherited_count;
    }
}

/// The first and the last node of a list.
///
/// # Safety
///
/// `head` must be valid.
unsafe fn ends(head: *mut bindings::list_head) -> [*mut bindings::list_head; 2] {
    // SAFETY: By the safety requirement.
    unsafe { [(*head).next, (*head).prev] }
}

/// Makes `head` the head of the nodes that were between `first` and `last` under `old_head`.
///
/// # Safety
///
/// All must be valid, and `first` and `last` be the ends of the list under `old_head`.
unsafe fn adopt(
    head: *mut bindings::list_head,
    old_head: *mut bindings::list_head,
    [first, last]: [*mut bindings::list_head; 2],
) {
    // SAFETY: By the safety requirements.
    unsafe {
        if first == old_head {
            bindings::INIT_LIST_HEAD(head);
            return;
        }
        (*head).next = first;
        (*head).prev = last;
        (*first).prev = head;
        (*last).next = head;
    }
}

/// The id of the timer that owns the entry: it is a part of the timer then.
///
/// # Safety
///
/// `queued` must be a valid entry of a queue.
unsafe fn timer_id(queued: *mut bindings::sigqueue) -> Option<i32> {
    const PREALLOC: i32 = bindings::SIGQUEUE_PREALLOC as i32;
    // SAFETY: By the safety requirement; a preallocated entry is the `sigq` of a timer, whose id
    // never changes.
    unsafe {
        if (*queued).flags & PREALLOC == 0 {
            return None;
        }
        let timer = container_of!(queued, bindings::k_itimer, sigq);
        Some((*timer).it_id)
    }
}

impl Account {
    /// The account of `task` as of now.
    pub fn of(task: &Task) -> Self {
        // SAFETY: The task is valid; `get_task_cred()` returns a reference, never null.
        let cred =
            unsafe { NonNull::new_unchecked(bindings::get_task_cred(task.as_ptr()).cast_mut()) };
        // SAFETY: `Credential` is transparent to `cred`, and the reference goes to the `ARef`.
        Self(unsafe { ARef::from_raw(cred.cast()) })
    }

    /// The user, for comparing.
    pub fn ucounts(&self) -> Ucounts {
        let cred: *const bindings::cred = (&raw const *self.0).cast();
        // SAFETY: This owns a reference on the credentials, whose `ucounts` never changes.
        Ucounts(unsafe { (*cred).ucounts })
    }

    /// Whether `more_count` signals more and `fewer_count` fewer would be over `limit_count` or
    /// over what the user namespaces allow.
    ///
    /// Mirrors `is_rlimit_overlimit()` in kernel/ucount.c.
    pub fn is_over_limit(&self, limit_count: u64, more_count: usize, fewer_count: usize) -> bool {
        const TYPE: usize = bindings::rlimit_type_UCOUNT_RLIMIT_SIGPENDING as usize;
        let mut max = limit_count;
        let mut next = self.ucounts().0;
        while !next.is_null() {
            // SAFETY: The credentials keep their `ucounts` and all those above it. The counters
            // change at any time, as single words.
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
    /// Any, also under siglock.
    pub fn charge(&self, count: usize) -> bool {
        for done_count in 0..count {
            // SAFETY: The credentials keep their `ucounts`.
            let charged = unsafe {
                bindings::inc_rlimit_get_ucounts(
                    self.ucounts().0,
                    bindings::rlimit_type_UCOUNT_RLIMIT_SIGPENDING,
                    true,
                )
            };
            if charged == 0 {
                self.discharge(done_count);
                return false;
            }
        }
        true
    }

    /// Takes back what [`Account::charge`] has charged.
    pub fn discharge(&self, count: usize) {
        for _ in 0..count {
            // SAFETY: As above; the caller has charged as many.
            unsafe {
                bindings::dec_rlimit_put_ucounts(
                    self.ucounts().0,
                    bindings::rlimit_type_UCOUNT_RLIMIT_SIGPENDING,
                );
            }
        }
    }
}

impl SignalList {
    /// A list without signals, for those that `account` will be charged with.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: no memory.
    pub fn new(account: &Account) -> Result<Self> {
        let head = KBox::new(Opaque::uninit(), GFP_KERNEL_ACCOUNT)?;
        // SAFETY: The box is valid memory for a list head, and stays where it is.
        unsafe { bindings::INIT_LIST_HEAD(head.get()) };
        // INVARIANT: The list is empty.
        Ok(Self {
            head,
            ucounts: account.ucounts(),
            unpaid_count: 0,
        })
    }

    /// Appends a signal. It names the account's user and is not charged yet.
    ///
    /// # Errors
    ///
    /// - [`ENOMEM`]: no memory. Nothing was appended.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    pub fn push(&mut self, siginfo: &[u8; SIGINFO_LEN]) -> Result {
        // SAFETY: Process context, in which allocating may sleep.
        let queued = NonNull::new(unsafe { bindings::sigcr_sigqueue_alloc() }).ok_or(ENOMEM)?;
        // SAFETY: The entry is new, so it is valid and nobody else knows of it. A siginfo is
        // plain bytes.
        unsafe {
            let queued = queued.as_ptr();
            (&raw mut (*queued).info)
                .cast::<[u8; SIGINFO_LEN]>()
                .write(*siginfo);
            (*queued).ucounts = self.ucounts.0;
            bindings::list_add_tail(&raw mut (*queued).list, self.head.get());
        }
        // INVARIANT: It names `ucounts`.
        self.unpaid_count = self.unpaid_count.saturating_add(1);
        Ok(())
    }

    /// Who will be charged for the signals.
    pub fn ucounts(&self) -> Ucounts {
        self.ucounts
    }
}

impl Drop for SignalList {
    fn drop(&mut self) {
        let head = self.head.get();
        // SAFETY: By the type invariants, the list is valid and owned; nobody else knows of its
        // entries any more, and those that are not charged must not give a charge back. The next
        // node is read before its entry is freed.
        unsafe {
            let mut node = (*head).next;
            while node != head {
                let queued = container_of!(node, bindings::sigqueue, list);
                node = (*node).next;
                if self.unpaid_count > 0 && Ucounts((*queued).ucounts) == self.ucounts {
                    (*queued).ucounts = core::ptr::null_mut();
                    self.unpaid_count -= 1;
                }
                bindings::sigcr_sigqueue_free(queued);
            }
        }
    }
}
