// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the bench finds out, one JSON line each: written by the guest, read by the host.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A line of the guest's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    /// What something costs.
    Figure(Figure),
    /// What the target saw of it.
    Effect(Effect),
    /// Release of the kernel.
    Kernel(String),
}

/// What something costs with a target of some size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// What was done.
    pub what: What,
    /// By which means.
    pub via: Via,
    /// To which target.
    #[serde(default, skip_serializing_if = "Case::is_stopped")]
    pub case: Case,
    /// Signals that are queued to the target.
    pub pending: u32,
    /// Threads that it has.
    pub threads: u32,
    /// Actions that are not the default.
    pub actions: u32,
    /// What it cost: the median of all repetitions.
    pub instructions: u64,
    /// The cheapest repetition.
    pub instructions_min: u64,
    /// The dearest repetition.
    pub instructions_max: u64,
    /// Repetitions, after those that warmed the caches.
    pub repetitions: u32,
    /// Length of the record, or of what else was read.
    pub bytes: u64,
}

/// What a process, which sleeps in a system call, saw while something was done to it many times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// What was done.
    pub what: What,
    /// By which means.
    pub via: Via,
    /// To a target in which state.
    #[serde(default, skip_serializing_if = "Case::is_stopped")]
    pub case: Case,
    /// How often.
    pub calls: u64,
    /// Context switches of the target, of both kinds, by its own counters in the kernel.
    pub switches: u64,
    /// How often its system call was interrupted (`EINTR`), by its own count.
    pub eintrs: u64,
    /// How often its parent was told of a stop.
    pub stops: u64,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The whole signal state is read.
    Sigckpt,
    /// The whole signal state is set.
    Sigrestore,
    /// The queues are read from a process that is stopped and traced already.
    Peeksiginfo,
    /// `/proc/PID/status` is read, of every thread.
    Procstatus,
    /// getppid(2): the smallest system call.
    Getppid,
    /// pread(2) of as many bytes as the record has, from the page cache.
    Pread,
    /// CRIU's dump.
    Criu,
    /// The longest stretch with interrupts off of a sigckpt.
    #[serde(rename = "sigckpt-hold")]
    SigckptHold,
    /// The longest stretch with interrupts off of a sigrestore.
    #[serde(rename = "sigrestore-hold")]
    SigrestoreHold,
}

/// The means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// The system call alone.
    Raw,
    /// The library's function: the call, memory for it, and the decoder.
    Libsigcr,
    /// The calls that there are without sigcr.
    Ptrace,
    /// What no implementation can be below.
    Floor,
    /// Others that do a part of it.
    Peer,
}

/// The state of the target.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// Another process, stopped; what is restored into it finds empty queues.
    #[default]
    Stopped,
    /// Another process that sleeps and is not stopped.
    Live,
    /// The calling process.
    Own,
    /// Another process that sleeps and is not stopped; only a part of its state: masks and queues.
    Part,
    /// Another process, stopped, which has in its queues what is restored into it.
    Again,
}

impl Case {
    fn is_stopped(&self) -> bool {
        *self == Self::Stopped
    }
}

impl fmt::Display for Figure {
    /// Names the figure, without its value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} via {}", name(&self.what), name(&self.via))?;
        if self.case != Case::Stopped {
            write!(f, " ({})", name(&self.case))?;
        }
        write!(
            f,
            ", {} pending, {} threads, {} actions",
            self.pending, self.threads, self.actions
        )
    }
}

/// The name that the JSON has.
fn name(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        // Only for a value that is no plain name, and there is none.
        _ => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_named_as_in_the_json() {
        let json = r#"{"what":"sigckpt-hold","via":"raw","case":"own","pending":10,"threads":1,
            "actions":0,"instructions":1,"instructions_min":1,"instructions_max":1,
            "repetitions":1,"bytes":0}"#;
        let figure: Figure = serde_json::from_str(json).unwrap();
        assert_eq!(
            figure.to_string(),
            "sigckpt-hold via raw (own), 10 pending, 1 threads, 0 actions"
        );
    }
}
