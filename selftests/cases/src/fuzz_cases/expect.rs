// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a state is to be after a record was restored, by the words of the documentation.

use std::time::{SystemTime, UNIX_EPOCH};

use sigcr::{Action, AltStackFlags, Handler, Model, SigSet, ThreadModel, TimerModel, TimerState};

use super::state::{is_cpu_clock, CpuTime, Expected, State, Window};
use crate::sys::bit;

/// A timer that expires sooner may do so before it is looked at.
const SOON_NS: u64 = 60_000_000_000;

/// The state `before` after `record` was restored onto it within the window.
pub(crate) fn after(before: &State, record: &Model, restored_at: Window) -> Expected {
    let mut state = before.expected();
    let model = &mut state.model;
    if let Some(actions) = &record.actions {
        // To restore a default action that is written out is to have none.
        let set = actions.iter().filter(|action| !is_default(action));
        model.actions = Some(set.cloned().collect());
    }
    if let Some(queue) = &record.shared_pending {
        model.shared_pending = Some(queue.clone());
    }
    if let Some(itimers) = record.itimers {
        model.itimers = Some(itimers);
        state.itimers_at = restored_at;
    }
    if let Some(timers) = &record.timers {
        model.timers = Some(timers.clone());
        state.timers_at = restored_at;
    }
    for signalfd in record.signalfds.iter().flatten() {
        let mut here = model.signalfds.iter_mut().flatten();
        if let Some(here) = here.find(|here| here.fd == signalfd.fd) {
            here.mask = signalfd.mask;
        }
    }
    for thread in record.threads.iter().filter(|t| !t.is_listed_only()) {
        let mut here = model.threads.iter_mut();
        if let Some(here) = here.find(|here| here.tid == thread.tid) {
            set_thread(here, thread);
        }
    }
    settle_itimer(model);
    let ignored = ignored(model);
    for timer in model.timers.iter_mut().flat_map(|list| &mut list.timers) {
        settle(timer, ignored);
    }
    state
}

fn set_thread(here: &mut ThreadModel, thread: &ThreadModel) {
    if let (Some(here), Some(state)) = (&mut here.state, &thread.state) {
        here.blocked = state.blocked;
        here.pdeath_signo = state.pdeath_signo;
    }
    if let Some(altstack) = thread.altstack {
        here.altstack = Some(altstack);
    }
    if let Some(queue) = &thread.pending {
        here.pending = Some(queue.clone());
    }
}

fn is_default(action: &Action) -> bool {
    action.handler == Handler::DEFAULT
        && action.flags.is_empty()
        && action.restorer == 0
        && action.mask == SigSet::EMPTY
        && action.abi == sigcr::FrameAbi::Native
}

/// A periodic `ITIMER_REAL` that does not run has expired if its signal is pending, and is known to
/// have by that alone.
fn settle_itimer(model: &mut Model) {
    let alarm = bit(libc::SIGALRM as u32);
    let shared = model.shared_pending.as_ref();
    let is_pending = shared.is_some_and(|queue| queue.set.bits() & alarm != 0);
    if let Some(itimers) = &mut model.itimers {
        let real = itimers.real;
        itimers.real_expired = is_pending && real.remaining_ns == 0 && real.interval_ns != 0;
    }
}

/// A timer that waits since its signal is ignored does not wait if that is not so any more.
fn settle(timer: &mut TimerModel, ignored: u64) {
    if timer.state == TimerState::Ignored && ignored & bit(timer.signo) == 0 {
        timer.state = TimerState::Armed;
    }
}

/// The signals that have no effect when they are delivered.
fn ignored(model: &Model) -> u64 {
    // SIGCHLD, SIGCONT, SIGURG and SIGWINCH.
    let by_default = bit(17) | bit(18) | bit(23) | bit(28);
    let actions = model.actions.iter().flatten();
    actions.fold(by_default, |set, action| {
        let bit = bit(action.signo.get());
        match action.handler {
            Handler::IGNORE => set | bit,
            Handler::DEFAULT => set,
            _ => set & !bit,
        }
    })
}

/// Whether a thread of a process in this state would take a signal as soon as it runs.
pub(crate) fn takes_signal(model: &Model) -> bool {
    let shared = model.shared_pending.as_ref();
    let shared = shared.map_or(SigSet::EMPTY, |queue| queue.set).bits();
    model.threads.iter().any(|thread| {
        let private = thread.pending.as_ref().map_or(0, |queue| queue.set.bits());
        let blocked = thread
            .state
            .as_ref()
            .map_or(0, |state| state.blocked.bits());
        (shared | private) & !blocked != 0
    })
}

/// Whether a running thread may be on its alternate stack in this state, which cannot be changed
/// then.
pub(crate) fn may_be_on_altstack(model: &Model) -> bool {
    let here = 0u8;
    let here = (&raw const here).addr() as u64;
    let altstacks = model.threads.iter().filter_map(|thread| thread.altstack);
    let mut used = altstacks.filter(|stack| !stack.flags.contains(AltStackFlags::AUTODISARM));
    // As the kernel has it, the stack may wrap around. Where the others have theirs is not known.
    used.any(|stack| here.wrapping_sub(stack.sp) <= stack.size || stack.size > 1 << 32)
}

/// Whether a timer of a process in this state may expire before anybody looks at it.
pub(crate) fn is_due(model: &Model, cpu_time: CpuTime) -> bool {
    let passes = cpu_time == CpuTime::Passes;
    let soon = |remaining_ns: u64| (1..SOON_NS).contains(&remaining_ns);
    let itimers = model.itimers.unwrap_or_default();
    if soon(itimers.real.remaining_ns)
        || (passes && (soon(itimers.virt.remaining_ns) || soon(itimers.prof.remaining_ns)))
    {
        return true;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ns = now.map_or(0, |now| now.as_nanos() as u64);
    let timers = model.timers.iter().flat_map(|list| &list.timers);
    timers
        .filter(|timer| passes || !is_cpu_clock(timer.clock_id))
        .any(|timer| {
            let absolute = timer.expires_ns.is_some_and(|at| at < now_ns + SOON_NS);
            // One that signals nobody goes on from period to period.
            let moves_on = timer.remaining_ns == 0 && timer.interval_ns != 0;
            absolute || soon(timer.remaining_ns) || moves_on
        })
}
