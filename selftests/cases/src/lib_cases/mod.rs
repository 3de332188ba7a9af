// SPDX-License-Identifier: GPL-2.0 OR MIT

//! End-to-end cases of the library: real processes, real records.

mod capi;
mod editing;
mod other;
mod own;
mod random_states;
mod refusals;
mod stopping;

use anyhow::ensure;
use sigcr::{CheckpointFlags, Errno, Error, Model, RestoreFlags, Snapshot, Target};

use crate::subject::{Plan, Sent, Subject, ThreadPlan};
use crate::sys::{bit, RawAction};
use crate::tap::Case;

pub(crate) use capi::checkpoint_c;
pub(crate) use stopping::Cgroup;

/// All of them.
pub fn all() -> Vec<Case> {
    [
        own::CASES,
        other::CASES,
        stopping::CASES,
        random_states::CASES,
        editing::CASES,
        refusals::CASES,
        capi::CASES,
    ]
    .concat()
}

/// The record of a stopped subject.
fn take(subject: &Subject) -> anyhow::Result<Snapshot> {
    let pidfd = subject.pidfd()?;
    Ok(sigcr::checkpoint(
        Target::from(&pidfd),
        CheckpointFlags::empty(),
    )?)
}

/// Restores a record onto a stopped subject, whose thread ids are put into it in order.
fn put(subject: &Subject, record: &Snapshot) -> anyhow::Result<()> {
    let mut model = record.to_model();
    model.remap_in_order(subject.tids())?;
    put_model(subject, &model)
}

/// Restores a model onto a stopped subject as it stands.
fn put_model(subject: &Subject, model: &Model) -> anyhow::Result<()> {
    let pidfd = subject.pidfd()?;
    let snapshot = model.encode()?;
    Ok(sigcr::restore(
        Target::from(&pidfd),
        &snapshot,
        RestoreFlags::empty(),
    )?)
}

/// Fails unless the result is an error with this errno whose message holds the words.
fn refused<T>(
    result: Result<T, impl Into<anyhow::Error>>,
    errno: Errno,
    words: &str,
) -> anyhow::Result<()> {
    let error: anyhow::Error = match result {
        Ok(_) => anyhow::bail!("was not refused; {errno} was wanted"),
        Err(error) => error.into(),
    };
    let got = error.downcast_ref::<Error>().map(Error::to_errno);
    ensure!(
        got == Some(errno),
        "refused with {got:?} instead of {errno}: {error:#}"
    );
    let text = error.to_string();
    ensure!(
        text.contains(words),
        "the message does not hold {words:?}: {text}"
    );
    Ok(())
}

/// A plan with something of everything, for cases that are about something else.
pub(crate) fn busy_plan() -> Plan {
    let handler = RawAction {
        handler: 0x40_1000,
        flags: (libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK) as u64,
        restorer: 0,
        mask: bit(12) | bit(33),
    };
    let ignored = RawAction {
        handler: libc::SIG_IGN as u64,
        ..RawAction::default()
    };
    let blocked = !crate::subject::UNBLOCKABLE;
    Plan {
        actions: vec![(10, handler), (13, ignored), (40, handler)],
        shared: vec![
            Sent::Queued(40, -1, 1),
            Sent::Queued(10, -1, 2),
            Sent::Queued(40, -1, 3),
            Sent::Bare(41),
        ],
        threads: vec![
            ThreadPlan {
                blocked,
                altstack: Some((0x7000_0000_0000, 0x1_0000, true)),
                pending: vec![Sent::Queued(12, -1, 4)],
            },
            ThreadPlan {
                blocked,
                altstack: None,
                pending: vec![Sent::Queued(42, -1, 5), Sent::Bare(15)],
            },
        ],
    }
}
