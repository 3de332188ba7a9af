// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A process takes and restores its own state.

use std::sync::mpsc;

use anyhow::ensure;
use nix::unistd::Pid;
use sigcr::{CheckpointFlags, Errno, Parts, RecordFlags, RestoreFlags, Snapshot, Target};

use super::refused;
use crate::compare::{same, same_but_for_ids};
use crate::sys::{self, bit, RawAction};
use crate::tap::Case;

pub(super) const CASES: &[Case] = crate::cases![
    a_process_restores_actions_mask_stack_and_queues_that_it_had,
    a_dry_run_changes_nothing,
    a_refused_restore_changes_nothing,
    one_thread_restores_its_own_state_beside_a_running_sibling,
    a_running_sibling_is_only_taken_with_the_live_flag,
    process_wide_state_is_restored_beside_a_running_sibling,
];

fn a_process_restores_actions_mask_stack_and_queues_that_it_had() -> anyhow::Result<()> {
    let scene = set_scene()?;
    let record = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::empty())?;
    clear_scene()?;
    sigcr::restore(Target::OwnProcess, &record, RestoreFlags::empty())?;
    scene.check()?;
    let again = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::empty())?;
    same_but_for_ids("the second record", &record.to_model(), &again.to_model())?;
    // The queues themselves, by way of the kernel: first what the thread has, then the process.
    let me = Pid::this().as_raw();
    for wanted in [
        (40, -1, me, 3),
        (40, -1, me, 1),
        (40, -1, me, 4),
        (41, -1, me, 2),
    ] {
        let got = sys::take_pending(bit(40) | bit(41))?;
        ensure!(got == wanted, "{got:?} is pending instead of {wanted:?}");
    }
    let rest = sys::take_pending(!0);
    ensure!(rest == Err(Errno::EAGAIN), "{rest:?} is pending as well");
    Ok(())
}

fn a_dry_run_changes_nothing() -> anyhow::Result<()> {
    set_scene()?;
    let record = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::empty())?;
    clear_scene()?;
    let before = take_model()?;
    sigcr::restore(Target::OwnProcess, &record, RestoreFlags::DRY_RUN)?;
    same("the state after the dry run", &before, &take_model()?)
}

fn a_refused_restore_changes_nothing() -> anyhow::Result<()> {
    set_scene()?;
    let record = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::empty())?;
    clear_scene()?;
    let before = take_model()?;
    // Three entries for the process and one for the thread are in the record.
    let limit = sys::set_sigpending_limit(Pid::this(), 3)?;
    let result = sigcr::restore(Target::OwnProcess, &record, RestoreFlags::empty());
    refused(result, Errno::EAGAIN, "RLIMIT_SIGPENDING")?;
    sys::set_sigpending_limit(Pid::this(), limit)?;
    same("the state after the refusal", &before, &take_model()?)?;
    sigcr::restore(Target::OwnProcess, &record, RestoreFlags::empty())?;
    Ok(())
}

fn one_thread_restores_its_own_state_beside_a_running_sibling() -> anyhow::Result<()> {
    beside_a_sibling(|sibling| {
        let mask = bit(40) | bit(12);
        sys::set_blocked(mask)?;
        send_to_self(40, 77)?;
        let record = sigcr::checkpoint(Target::OwnThread, CheckpointFlags::empty())?;
        let model = record.to_model();
        ensure!(
            model.flags.contains(RecordFlags::ONE_THREAD),
            "flags {:?}",
            model.flags
        );
        ensure!(
            model.threads.len() == 1 && model.threads[0].tid != sibling.as_raw(),
            "threads {:?}",
            model.threads
        );
        ensure!(
            model.actions.is_none() && model.shared_pending.is_none(),
            "the record of a thread holds state of the process"
        );
        sys::take_pending(bit(40))?;
        sys::set_blocked(0)?;
        sigcr::restore(Target::OwnThread, &record, RestoreFlags::empty())?;
        ensure!(
            sys::blocked()? == mask,
            "the mask is {:#x}",
            sys::blocked()?
        );
        ensure!(sys::take_pending(bit(40))?.3 == 77, "another signal");
        Ok(())
    })
}

fn a_running_sibling_is_only_taken_with_the_live_flag() -> anyhow::Result<()> {
    beside_a_sibling(|sibling| {
        let result = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::empty());
        refused(result, Errno::EBUSY, "LIVE")?;
        let model = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::LIVE)?.to_model();
        ensure!(
            model
                .flags
                .contains(RecordFlags::LIVE | RecordFlags::UNSTABLE),
            "flags {:?}",
            model.flags
        );
        for thread in &model.threads {
            let unstable = thread.state.as_ref().is_some_and(|state| state.unstable);
            ensure!(
                unstable == (thread.tid == sibling.as_raw()),
                "thread {}: unstable is {unstable}",
                thread.tid
            );
        }
        ensure!(model.threads.len() == 2, "{} threads", model.threads.len());
        Ok(())
    })
}

fn process_wide_state_is_restored_beside_a_running_sibling() -> anyhow::Result<()> {
    beside_a_sibling(|_| {
        sys::set_action(10, &IGNORED)?;
        let mut model = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::LIVE)?.to_model();
        // The sibling is brought to rest for it.
        sigcr::restore(Target::OwnProcess, &model.encode()?, RestoreFlags::empty())?;
        sys::set_action(10, &RawAction::default())?;
        model.keep(Parts::ACTIONS | Parts::SHARED_PENDING);
        sigcr::restore(Target::OwnProcess, &model.encode()?, RestoreFlags::empty())?;
        ensure!(sys::action(10)? == IGNORED, "the action is not restored");
        Ok(())
    })
}

const IGNORED: RawAction = RawAction {
    handler: libc::SIG_IGN as u64,
    flags: 0,
    restorer: 0,
    mask: 0,
};

/// What [`set_scene`] has set up.
struct Scene {
    actions: Vec<RawAction>,
    blocked: u64,
    altstack: (u64, u64, u32),
}

impl Scene {
    fn now() -> anyhow::Result<Self> {
        let actions: Result<_, _> = (1..=64).map(sys::action).collect();
        Ok(Self {
            actions: actions?,
            blocked: sys::blocked()?,
            altstack: sys::altstack()?,
        })
    }

    fn check(&self) -> anyhow::Result<()> {
        let now = Self::now()?;
        same("the action table", &self.actions, &now.actions)?;
        same("the blocked set", &self.blocked, &now.blocked)?;
        same("the alternate stack", &self.altstack, &now.altstack)
    }
}

/// Gives this process, which has one thread, some of each kind of state.
fn set_scene() -> anyhow::Result<Scene> {
    let handler = RawAction {
        handler: 0x1234_5000,
        flags: (libc::SA_SIGINFO | libc::SA_NODEFER) as u64,
        restorer: 0,
        mask: bit(1) | bit(64),
    };
    sys::set_action(40, &handler)?;
    sys::set_action(12, &IGNORED)?;
    sys::set_blocked(bit(40) | bit(41) | bit(33))?;
    // SAFETY: none of the handlers above ever runs, so the address is never used.
    unsafe { sys::set_altstack(0x5000_0000_0000, 0x2_0000, sys::SS_AUTODISARM) }?;
    for (signo, value) in [(40, 1), (41, 2), (40, 4)] {
        sys::queue_to_process(Pid::this(), &sys::siginfo(signo, -1, value))?;
    }
    send_to_self(40, 3)?;
    Scene::now()
}

fn clear_scene() -> anyhow::Result<()> {
    while sys::take_pending(!0).is_ok() {}
    for signo in (1..=64).filter(|&signo| bit(signo) & crate::subject::UNBLOCKABLE == 0) {
        sys::set_action(signo, &RawAction::default())?;
    }
    sys::set_blocked(bit(50))?;
    // SAFETY: disables the stack.
    unsafe { sys::set_altstack(0, 0, libc::SS_DISABLE as u32) }?;
    Ok(())
}

fn send_to_self(signo: u32, value: u64) -> anyhow::Result<()> {
    let info = sys::siginfo(signo, -1, value);
    Ok(sys::queue_to_thread(Pid::this(), sys::tid(), &info)?)
}

fn take_model() -> anyhow::Result<sigcr::Model> {
    let record: Snapshot = sigcr::checkpoint(Target::OwnProcess, CheckpointFlags::empty())?;
    Ok(record.to_model())
}

/// Runs `check` while a second thread runs, which it is given the id of.
fn beside_a_sibling(check: fn(Pid) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (tid_sender, tid) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    std::thread::scope(move |scope| {
        scope.spawn(move || {
            let _ = tid_sender.send(sys::tid());
            // Returns when the other end is dropped.
            let _ = ended.recv();
        });
        let result = check(tid.recv()?);
        drop(end);
        result
    })
}
