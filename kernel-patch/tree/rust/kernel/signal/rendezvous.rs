// SPDX-License-Identifier: GPL-2.0

//! The rendezvous: running threads of the caller's own process are brought to rest for a while.
//!
//! A thread's masks and its alternate stack are its own; siglock does not keep it from them. So a
//! sibling that runs is given a task work, as `landlock_restrict_sibling_threads()` in
//! security/landlock/tsync.c does. The sibling carries it out where it looks at its signals: on
//! its way to user space, or when it has left a sleep that a signal may end. There it waits until
//! the [`Rendezvous`] is dropped, and then goes on; a system call that it was in is restarted as
//! after a stop.
//!
//! C headers: [`include/linux/task_work.h`](srctree/include/linux/task_work.h),
//! [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h).
//!
//! # Locking
//!
//! `cred_guard_mutex` of the process is held meanwhile, taken before its `exec_update_lock`. So
//! there is one rendezvous in a process at a time, and none beside an exec; who waits for the lock
//! can still be brought to rest. What neither comes nor lets itself be interrupted, such as the
//! parent of a vfork, is waited for [`WAIT_MSECS_MAX`] only: others may be needed for it to go on.

use super::{
    thread::SettledThread,
    SighandGuard,
    TaskKey,
    ThreadRef, //
};
use crate::{
    bindings,
    container_of,
    error::to_result,
    new_condvar,
    new_mutex,
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        Arc,
        Completion,
        CondVar,
        CondVarTimeoutResult,
        Mutex, //
    },
    task::Task,
    time::{
        msecs_to_jiffies,
        Jiffies,
        Msecs, //
    },
    types::Opaque, //
};
use core::ptr;

/// How long siblings are waited for, in all.
const WAIT_MSECS_MAX: Msecs = 2000;

/// How often it is looked whether a sibling rests in another way meanwhile: in a stop.
const LOOK_MSECS: Msecs = 20;

/// The threads of the caller's own process that rest for it; all go on when it is dropped.
///
/// # Invariants
///
/// If `process` is set, the caller holds `cred_guard_mutex` of it, which is its own. Each request in
/// `asked` was given to its task by `task_work_add()`.
pub struct Rendezvous {
    process: Option<ARef<Task>>,
    shared: Option<Arc<Shared>>,
    asked: RBTree<TaskKey, Arc<Request>>,
    left: Jiffies,
}

/// What the caller and its siblings tell each other.
#[pin_data]
struct Shared {
    /// Siblings that were asked and have not come.
    #[pin]
    missing_count: Mutex<usize>,
    #[pin]
    all_have_come: CondVar,
    #[pin]
    go_on: Completion,
}

/// The request to one sibling.
struct Request {
    head: Opaque<bindings::callback_head>,
    task: ARef<Task>,
    shared: Arc<Shared>,
    /// Set by the sibling: it waits, or is about to and touches nothing of its signal state.
    rests: Atomic<bool>,
}

impl Rendezvous {
    /// One to which nobody will be called.
    pub fn none() -> Self {
        Self {
            process: None,
            shared: None,
            asked: RBTree::new(),
            left: 0,
        }
    }

    /// Gets ready to call siblings of the caller, which is a thread of the process of `task`.
    ///
    /// # Errors
    ///
    /// - [`ERESTARTNOINTR`]: a signal is pending, or another thread calls the caller itself.
    /// - [`EINVAL`]: `task` is not of the caller's process.
    ///
    /// # Context
    ///
    /// Process context, not under `exec_update_lock`. May sleep.
    pub fn begin(task: &ARef<Task>) -> Result<Self> {
        if !super::is_own_process(task) {
            return Err(EINVAL);
        }
        // SAFETY: A task's `signal` is valid as long as the task is.
        to_result(unsafe {
            bindings::mutex_lock_interruptible(&raw mut (*(*task.as_ptr()).signal).cred_guard_mutex)
        })
        .map_err(|_| ERESTARTNOINTR)?;
        // INVARIANT: It was taken above; the process is the caller's.
        Ok(Self {
            process: Some(task.clone()),
            shared: None,
            asked: RBTree::new(),
            left: msecs_to_jiffies(WAIT_MSECS_MAX),
        })
    }

    /// Calls the threads that `must_rest` and runs, and waits until each of them rests.
    ///
    /// # Errors
    ///
    /// The siblings that have come rest on, until this is dropped.
    ///
    /// - [`ERESTARTNOINTR`]: a signal of the caller is pending; the call is to be begun anew when
    ///   that is dealt with.
    /// - [`EBUSY`]: a thread does not come.
    /// - [`ESRCH`]: the process is gone.
    /// - [`ENOMEM`]: no memory.
    ///
    /// # Context
    ///
    /// Process context. May sleep.
    pub fn gather(&mut self, must_rest: impl Fn(ThreadRef<'_>) -> bool) -> Result {
        let shared = match &self.shared {
            Some(shared) => shared.clone(),
            None => Shared::new()?,
        };
        self.shared = Some(shared.clone());
        let look = msecs_to_jiffies(LOOK_MSECS);
        while self.call(&shared, &must_rest)? {
            // What has just been born is looked for at once.
            let mut missing_count = shared.missing_count.lock();
            if *missing_count == 0 {
                continue;
            }
            if self.left == 0 {
                return Err(EBUSY);
            }
            let slice = look.min(self.left);
            let rest = match shared
                .all_have_come
                .wait_interruptible_timeout(&mut missing_count, slice)
            {
                CondVarTimeoutResult::Signal { .. } => return Err(ERESTARTNOINTR),
                CondVarTimeoutResult::Woken { jiffies } => jiffies,
                CondVarTimeoutResult::Timeout => 0,
            };
            self.left = self.left.saturating_sub(slice.saturating_sub(rest));
        }
        Ok(())
    }

    /// Asks those that have not been asked; whether somebody does not rest.
    fn call(
        &mut self,
        shared: &Arc<Shared>,
        must_rest: impl Fn(ThreadRef<'_>) -> bool,
    ) -> Result<bool> {
        let process = self.process.clone().ok_or(EBUSY)?;
        let mut found = KVVec::<ARef<Task>>::new();
        loop {
            let mut restless = false;
            let mut new_count = 0usize;
            let sighand = SighandGuard::lock(&process).ok_or(ESRCH)?;
            for thread in sighand.threads() {
                if !must_rest(thread) || self.settled(thread).is_some() {
                    continue;
                }
                restless = true;
                if self.request_to(thread.key()).is_some() {
                    continue;
                }
                new_count = new_count.saturating_add(1);
                if new_count <= found.capacity() {
                    if let Err(error) = found.push_within_capacity(thread.hold()) {
                        // There is room; a reference is not to be dropped here.
                        core::mem::forget(error);
                    }
                }
            }
            drop(sighand);
            if new_count <= found.capacity() {
                self.ask_all(found, shared)?;
                return Ok(restless);
            }
            found.clear();
            found.reserve(new_count, GFP_KERNEL_ACCOUNT)?;
        }
    }

    fn ask_all(&mut self, tasks: KVVec<ARef<Task>>, shared: &Arc<Shared>) -> Result {
        for task in tasks {
            let node = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;
            // Who is exiting is not asked, and dead the next time.
            if let Some(request) = Request::give(task, shared)? {
                self.asked.insert(node.into_node(request.key(), request));
            }
        }
        Ok(())
    }

    /// The thread as one that does nothing to its signal state: it rests, for this or in a stop,
    /// or is the caller.
    pub fn settled<'g>(&'g self, thread: ThreadRef<'g>) -> Option<SettledThread<'g>> {
        let rests = || {
            self.request_to(thread.key())
                .is_some_and(|request| request.rests.load(Acquire))
        };
        thread.settled().or_else(|| {
            // SAFETY: The thread waits until this is dropped, which is borrowed for `'g`.
            rests().then(|| unsafe { SettledThread::new(thread) })
        })
    }

    /// Whether the thread is settled or would be if it were called.
    pub fn may_settle(&self, thread: ThreadRef<'_>) -> bool {
        self.settled(thread).is_some() || (self.process.is_some() && !thread.is_stopped())
    }

    fn request_to(&self, key: TaskKey) -> Option<&Arc<Request>> {
        self.asked.get(&key)
    }
}

impl Drop for Rendezvous {
    fn drop(&mut self) {
        for request in self.asked.values() {
            request.cancel();
        }
        if let Some(shared) = &self.shared {
            shared.go_on.complete_all();
        }
        if let Some(process) = &self.process {
            // SAFETY: By the type invariants, the mutex is held by this thread.
            unsafe {
                bindings::mutex_unlock(&raw mut (*(*process.as_ptr()).signal).cred_guard_mutex)
            };
        }
    }
}

impl Shared {
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                missing_count <- new_mutex!(0, "sigcr::missing_count"),
                all_have_come <- new_condvar!("sigcr::all_have_come"),
                go_on <- Completion::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    fn one_has_come(&self) {
        let mut missing_count = self.missing_count.lock();
        *missing_count = missing_count.saturating_sub(1);
        if *missing_count == 0 {
            self.all_have_come.notify_all();
        }
    }
}

impl Request {
    /// Asks `task`; [`None`] if it is exiting.
    fn give(task: ARef<Task>, shared: &Arc<Shared>) -> Result<Option<Arc<Self>>> {
        let request = Arc::new(
            Self {
                head: Opaque::new(bindings::callback_head {
                    next: ptr::null_mut(),
                    func: Some(rest),
                }),
                task,
                shared: shared.clone(),
                rests: Atomic::new(false),
            },
            GFP_KERNEL_ACCOUNT,
        )?;
        let mut missing_count = shared.missing_count.lock();
        *missing_count = missing_count.saturating_add(1);
        drop(missing_count);
        // The reference of the task work: `rest()` or `cancel()` drops it.
        let given = Arc::into_raw(request.clone());
        // SAFETY: The task is valid, and so is the head until the reference is dropped.
        let error = unsafe {
            bindings::task_work_add(
                request.task.as_ptr(),
                request.head.get(),
                bindings::task_work_notify_mode_TWA_SIGNAL,
            )
        };
        if error == 0 {
            return Ok(Some(request));
        }
        // SAFETY: Nobody else has taken the reference.
        drop(unsafe { Arc::from_raw(given) });
        shared.one_has_come();
        Ok(None)
    }

    /// Takes the request back if the task has not begun with it.
    fn cancel(self: &Arc<Self>) {
        // SAFETY: The task is valid, and so is the head.
        if unsafe { bindings::task_work_cancel(self.task.as_ptr(), self.head.get()) } {
            // SAFETY: The task does not call `rest()` any more, so this is its reference.
            drop(unsafe { Arc::from_raw(Arc::as_ptr(self)) });
        }
    }

    fn key(&self) -> TaskKey {
        TaskKey::of(&self.task)
    }
}

/// The task work of a sibling: waits until it may go on.
///
/// # Safety
///
/// `head` is that of a [`Request`] of which this owns a reference.
unsafe extern "C" fn rest(head: *mut bindings::callback_head) {
    // SAFETY: By the safety requirement; `Opaque` is transparent.
    let request = unsafe {
        let head = Opaque::cast_from(head);
        Arc::from_raw(container_of!(head, Request, head))
    };
    // SAFETY: The task is the current one; the flag is set by itself only.
    let exiting = unsafe { (*request.task.as_ptr()).flags } & bindings::PF_EXITING != 0;
    if !exiting {
        request.rests.store(true, Release);
    }
    request.shared.one_has_come();
    if !exiting {
        request.shared.go_on.wait_for_completion();
    }
}
