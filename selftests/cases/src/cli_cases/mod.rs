// SPDX-License-Identifier: GPL-2.0 OR MIT

//! End-to-end cases of the command line tool: run as a user runs it, on real processes.

mod exits;
mod interrupts;
mod verbs;
mod versions;

use std::path::PathBuf;

use crate::subject::{Plan, Sent, Subject, ThreadPlan};
use crate::sys::{bit, RawAction};
use crate::tap::Case;

/// All of them.
pub fn all() -> Vec<Case> {
    [
        verbs::CASES,
        exits::CASES,
        interrupts::CASES,
        versions::CASES,
    ]
    .concat()
}

/// A folder for the files of one case; removed with all that is in it.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("cli-case-{}", std::process::id()));
        std::fs::create_dir(&dir)?;
        Ok(Self(dir))
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A process whose number is an argument.
pub(crate) fn arg(subject: &Subject) -> String {
    subject.pid().to_string()
}

/// Two threads with a handler, an ignored signal, queues, a bare bit and an alternate stack. All
/// that is sent is blocked, so that it stays when the subject runs.
fn plan() -> Plan {
    let handler = RawAction {
        handler: 0x40_2000,
        flags: (libc::SA_SIGINFO | libc::SA_ONSTACK) as u64,
        restorer: 0,
        mask: bit(12),
    };
    let ignored = RawAction {
        handler: libc::SIG_IGN as u64,
        ..RawAction::default()
    };
    let blocked = bit(10) | bit(12) | bit(40) | bit(41);
    let mut shared: Vec<Sent> = (0..300).map(|value| Sent::Queued(40, -1, value)).collect();
    shared.push(Sent::Queued(10, -1, 0xbeef));
    shared.push(Sent::Bare(41));
    Plan {
        actions: vec![(10, handler), (13, ignored)],
        shared,
        threads: vec![
            ThreadPlan {
                blocked,
                altstack: Some((0x7000_0000_0000, 0x1_0000, false)),
                pending: Vec::new(),
            },
            ThreadPlan {
                blocked,
                altstack: None,
                pending: vec![Sent::Queued(12, -1, 7)],
            },
        ],
    }
}

/// A subject that runs and has been sent everything.
fn running() -> anyhow::Result<Subject> {
    let plan = plan();
    let subject = Subject::start(&plan)?;
    subject.send(&plan)?;
    Ok(subject)
}
