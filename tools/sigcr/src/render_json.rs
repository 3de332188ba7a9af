// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A record as JSON.
//!
//! It holds every field of the record, so that [`sigcr::Model`] can be read back from it. Within one
//! record version fields are added at most, never renamed or taken away. Signals are names
//! (`"SIGUSR1"`), sets of signals lists of names, flags names with ` | ` between them, handlers
//! `"SIG_DFL"`, `"SIG_IGN"` or an address in hexadecimal; other addresses are numbers. What is
//! `null` is not in the record, and a restore leaves it alone.
//!
//! | field | meaning |
//! |---|---|
//! | `version`, `arch`, `record_len` | version and architecture (`AUDIT_ARCH_*`) of the record, its bytes |
//! | `tgid`, `thread_count` | process id in its own pid namespace, threads that it had |
//! | `flags` | `LIVE`, `UNSTABLE`, `SHARED_SIGHAND`, `ONE_THREAD` |
//! | `process` | `stopped`, `unkillable`, `timer_ids`, `autoreap`, `stop_signo`, `exit_signo`, |
//! | | `rlimit_sigpending_count`, `start_boottime_ns` |
//! | `actions[]` | `signo`, `handler`, `flags`, `restorer`, `mask`, `abi` (`native`, `ia32`, `x32`) |
//! | `shared_pending` | `set`, `entries[]` in the order of the queue |
//! | `itimers` | `real`, `virt`, `prof` with `remaining_ns` and `interval_ns`; `real_expired` |
//! | `timers` | `next_timer_id`, `timers[]` |
//! | `timers.timers[]` | `timer_id`, `clock_id`, `notify`, `signo`, `sigval`, `notify_tid`, `state`, |
//! | | `interval_ns`, `remaining_ns`, `expires_ns`, `overrun`, `overrun_last` |
//! | `signalfds[]` | `fd`, `nonblock`, `cloexec`, `mask` |
//! | `threads[]` | `tid`, `state`, `altstack`, `pending` (as `shared_pending`), `inflight` (an entry) |
//! | `threads[].state` | `blocked`, `pdeath_signo`, `unstable`, `worker`, `dead`, `traced`, |
//! | | `trace_stop`, `group_stop`, `frozen` |
//! | `threads[].altstack` | `flags`, `sp`, `size` |
//! | `entries[]` | `siginfo` (48 bytes in hexadecimal), `timer_id` where a timer owns it, `decoded` |
//! | `entries[].decoded` | `signo`, `code` (a name), `errno`, and what the code says: `pid`, `uid`, |
//! | | `value`, `timer_id`, `overrun_count`, `status`, `address`, `band`, `fd`, `syscall`, `arch` |
//! | `waiters[]` | `tid`, `waits_for`, `options` |
//! | `unknown_sections[]` | `type` and `len` of sections that this version cannot read |
//!
//! `decoded` is there for the reader; what counts when the JSON is read back is `siginfo`.

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use sigcr::record::Section;
use sigcr::{
    Action, AltStack, Itimers, ProcessInfo, Queue, QueuedSignal, RecordFlags, SigSet, Signalfd,
    Snapshot, ThreadInfo, ThreadModel, Timers, Waiter,
};

use crate::siginfo::{Origin, Siginfo};
use crate::text;

/// Writes the record as one JSON object.
pub(crate) fn write(out: &mut dyn Write, snapshot: &Snapshot) -> io::Result<()> {
    let model = snapshot.to_model();
    let record = snapshot.record();
    let header = record.header();
    let unknown_sections = record.sections().filter_map(|(_, section)| match section {
        Section::Unknown {
            section_type,
            bytes,
        } => Some(UnknownSection {
            section_type,
            len: bytes.len(),
        }),
        _ => None,
    });
    let object = Object {
        version: header.version,
        arch: header.arch,
        record_len: header.total_len,
        tgid: model.tgid,
        thread_count: model.thread_count,
        flags: model.flags,
        process: &model.process,
        actions: &model.actions,
        shared_pending: model.shared_pending.as_ref().map(QueueObject::new),
        itimers: &model.itimers,
        timers: &model.timers,
        signalfds: &model.signalfds,
        threads: model.threads.iter().map(ThreadObject::new).collect(),
        waiters: &model.waiters,
        unknown_sections: unknown_sections.collect(),
    };
    serde_json::to_writer_pretty(&mut *out, &object)?;
    writeln!(out)
}

/// [`sigcr::Model`] with what the header says and with each siginfo decoded.
#[derive(Serialize)]
struct Object<'a> {
    version: u32,
    arch: u32,
    record_len: u64,
    tgid: i32,
    thread_count: u32,
    flags: RecordFlags,
    process: &'a Option<ProcessInfo>,
    actions: &'a Option<Vec<Action>>,
    shared_pending: Option<QueueObject<'a>>,
    itimers: &'a Option<Itimers>,
    timers: &'a Option<Timers>,
    signalfds: &'a Option<Vec<Signalfd>>,
    threads: Vec<ThreadObject<'a>>,
    waiters: &'a Option<Vec<Waiter>>,
    unknown_sections: Vec<UnknownSection>,
}

#[derive(Serialize)]
struct UnknownSection {
    #[serde(rename = "type")]
    section_type: u32,
    len: usize,
}

#[derive(Serialize)]
struct ThreadObject<'a> {
    tid: i32,
    state: &'a Option<ThreadInfo>,
    altstack: &'a Option<AltStack>,
    pending: Option<QueueObject<'a>>,
    inflight: Option<EntryObject<'a>>,
}

impl<'a> ThreadObject<'a> {
    fn new(thread: &'a ThreadModel) -> Self {
        Self {
            tid: thread.tid,
            state: &thread.state,
            altstack: &thread.altstack,
            pending: thread.pending.as_ref().map(QueueObject::new),
            inflight: thread.inflight.as_ref().map(EntryObject::new),
        }
    }
}

#[derive(Serialize)]
struct QueueObject<'a> {
    set: SigSet,
    // A queue can hold a million entries: they are decoded while they are written.
    #[serde(serialize_with = "decode_entries")]
    entries: &'a [QueuedSignal],
}

impl<'a> QueueObject<'a> {
    fn new(queue: &'a Queue) -> Self {
        Self {
            set: queue.set,
            entries: &queue.entries,
        }
    }
}

#[derive(Serialize)]
struct EntryObject<'a> {
    #[serde(flatten)]
    entry: &'a QueuedSignal,
    decoded: Decoded,
}

impl<'a> EntryObject<'a> {
    fn new(entry: &'a QueuedSignal) -> Self {
        let info = Siginfo::read(&entry.siginfo);
        Self {
            entry,
            decoded: Decoded {
                signo: text::signal_name(info.signo),
                code: info.code_name(),
                errno: info.errno,
                origin: info.origin,
            },
        }
    }
}

#[derive(Serialize)]
struct Decoded {
    signo: String,
    code: String,
    errno: i32,
    #[serde(flatten)]
    origin: Origin,
}

fn decode_entries<S: Serializer>(entries: &[QueuedSignal], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(entries.iter().map(EntryObject::new))
}
