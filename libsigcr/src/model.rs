// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The model: a decoded record as plain values, to look at, to change, and to encode again.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use crate::{
    abi,
    record::{
        self,
        encode::{unfinished_header, Sink, Writer},
        Record, Refusal,
    },
    timers::{write_signalfds, write_waiters},
    Action, Itimers, Queue, QueuedSignal, SigNo, SigSet, Signalfd, Snapshot, Timers, Waiter,
};

/// A record as plain values. What is `None` is state that a restore leaves alone.
///
/// Where it is read from text, a field that is `None` must be there as such (`null`): one that was
/// misspelt would else become state that is left alone.
///
/// The fields can be changed at will; [`Model::encode`] makes a record of them and refuses what a
/// record must not hold. For changes that take more than an assignment see [`Model::keep`],
/// [`Model::remap_tids`] and [`Model::remap_in_order`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The process id, in the pid namespace of the process.
    pub tgid: i32,
    /// How many threads the process had, whatever their state.
    pub thread_count: u32,
    /// What the record says of itself.
    pub flags: RecordFlags,
    /// What is known of the process, informational.
    #[serde(deserialize_with = "Option::deserialize")]
    pub process: Option<ProcessInfo>,
    /// The actions that are not the default, by ascending signal number. A restore gives every
    /// other signal the default action.
    #[serde(deserialize_with = "Option::deserialize")]
    pub actions: Option<Vec<Action>>,
    /// The queue of the process.
    #[serde(deserialize_with = "Option::deserialize")]
    pub shared_pending: Option<Queue>,
    /// The timers of setitimer(2).
    #[serde(deserialize_with = "Option::deserialize")]
    pub itimers: Option<Itimers>,
    /// The timers of timer_create(2).
    #[serde(deserialize_with = "Option::deserialize")]
    pub timers: Option<Timers>,
    /// The signalfds, by ascending file descriptor.
    #[serde(deserialize_with = "Option::deserialize")]
    pub signalfds: Option<Vec<Signalfd>>,
    /// The threads, by ascending tid. One of which nothing is known is not encoded.
    pub threads: Vec<ThreadModel>,
    /// The threads that wait for children, by ascending tid, informational.
    #[serde(deserialize_with = "Option::deserialize")]
    pub waiters: Option<Vec<Waiter>>,
}

bitflags! {
    /// What a record says of itself.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct RecordFlags: u32 {
        /// The process was running; the record shows one instant of it.
        const LIVE = abi::SIGCR_RECORD_LIVE;
        /// At least one thread is marked as unstable.
        const UNSTABLE = abi::SIGCR_RECORD_UNSTABLE;
        /// Another process shares the action table.
        const SHARED_SIGHAND = abi::SIGCR_RECORD_SHARED_SIGHAND;
        /// The record holds the private state of one thread only.
        const ONE_THREAD = abi::SIGCR_RECORD_ONE_THREAD;
    }
}

/// What is known of the process; a restore takes no notice of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// A stop signal has stopped the process.
    pub stopped: bool,
    /// The process is the init of its pid namespace.
    pub unkillable: bool,
    /// Its timers are created with the ids that it asks for.
    pub timer_ids: bool,
    /// It is reaped by itself when it exits.
    pub autoreap: bool,
    /// The signal that stopped it.
    #[serde(deserialize_with = "Option::deserialize")]
    pub stop_signo: Option<SigNo>,
    /// The signal that its parent gets when it exits.
    #[serde(deserialize_with = "Option::deserialize")]
    pub exit_signo: Option<SigNo>,
    /// Soft `RLIMIT_SIGPENDING`, in queued signals; `u64::MAX` is no limit.
    pub rlimit_sigpending_count: u64,
    /// The start of the process, in nanoseconds since boot.
    pub start_boottime_ns: u64,
}

/// One thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadModel {
    /// The thread id, in the pid namespace of the process.
    pub tid: i32,
    /// The thread and the signals that it blocks.
    #[serde(deserialize_with = "Option::deserialize")]
    pub state: Option<ThreadInfo>,
    /// Its alternate signal stack.
    #[serde(deserialize_with = "Option::deserialize")]
    pub altstack: Option<AltStack>,
    /// Its private queue.
    #[serde(deserialize_with = "Option::deserialize")]
    pub pending: Option<Queue>,
    /// A signal that it has taken out of a queue and that a ptracer holds; a record with one can
    /// be read, not restored: see [`Model::requeue_inflight`].
    #[serde(deserialize_with = "Option::deserialize")]
    pub inflight: Option<QueuedSignal>,
}

/// A thread and the signals that it blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadInfo {
    /// The blocked signals.
    pub blocked: SigSet,
    /// The signal that it gets when its parent dies.
    #[serde(deserialize_with = "Option::deserialize")]
    pub pdeath_signo: Option<SigNo>,
    /// The thread was running: its blocked signals and its altstack may be out of date.
    pub unstable: bool,
    /// A kernel worker of the process: listed, never restored.
    pub worker: bool,
    /// The thread has exited but is not gone: listed, never restored.
    pub dead: bool,
    /// It was ptraced.
    pub traced: bool,
    /// It was in a ptrace stop.
    pub trace_stop: bool,
    /// It was in the group stop of the process.
    pub group_stop: bool,
    /// It was frozen by a version 2 cgroup.
    pub frozen: bool,
}

/// An alternate signal stack, as sigaltstack(2) takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AltStack {
    /// The flags.
    pub flags: AltStackFlags,
    /// The lowest address; 0 if the stack is disabled.
    pub sp: u64,
    /// Bytes of the stack; 0 if it is disabled.
    pub size: u64,
}

bitflags! {
    /// The flags of an alternate stack, `SS_*` of sigaltstack(2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct AltStackFlags: u32 {
        /// `SS_DISABLE`: there is none.
        const DISABLE = record::SS_DISABLE;
        /// `SS_AUTODISARM`: it is disabled while a handler runs on it.
        const AUTODISARM = record::SS_AUTODISARM;
    }
}

impl Model {
    /// The model of a process with one thread, of which nothing is known.
    pub fn new(tgid: i32) -> Model {
        Model {
            tgid,
            thread_count: 1,
            flags: RecordFlags::empty(),
            process: None,
            actions: None,
            shared_pending: None,
            itimers: None,
            timers: None,
            signalfds: None,
            threads: Vec::new(),
            waiters: None,
        }
    }

    /// Makes a record of the model.
    ///
    /// # Errors
    ///
    /// What the decoder refuses in it: a record that comes out of here can be decoded.
    pub fn encode(&self) -> Result<Snapshot, Refusal> {
        let len = self.write(&mut []);
        if len > abi::SIGCR_RECORD_LEN_MAX as usize {
            return Err(Refusal::TooLong { len });
        }
        let mut bytes = vec![0; len];
        self.write(&mut bytes);
        Snapshot::from_bytes(bytes)
    }

    /// Writes the record into `buf` as far as there is room. Returns the record's length.
    fn write(&self, buf: &mut [u8]) -> usize {
        let mut writer = Writer::new(buf);
        if let Some(process) = &self.process {
            writer.process(&process.into());
        }
        if let Some(actions) = &self.actions {
            let mut list = writer.begin_actions();
            for action in actions {
                writer.action(&mut list, &action.into());
            }
            writer.end_actions(list);
        }
        if let Some(queue) = &self.shared_pending {
            write_queue(&mut writer, 0, queue);
        }
        if let Some(itimers) = &self.itimers {
            writer.itimers(&itimers.into());
        }
        if let Some(timers) = &self.timers {
            timers.write(&mut writer);
        }
        if let Some(signalfds) = &self.signalfds {
            write_signalfds(signalfds, &mut writer);
        }
        for thread in &self.threads {
            thread.write(&mut writer);
        }
        if let Some(waiters) = &self.waiters {
            write_waiters(waiters, &mut writer);
        }
        writer.finish(&unfinished_header(
            self.flags.bits(),
            self.thread_count,
            self.tgid,
        ))
    }
}

impl From<Record<'_>> for Model {
    fn from(record: Record<'_>) -> Self {
        let header = record.header();
        Model {
            tgid: header.tgid,
            thread_count: header.thread_count,
            flags: RecordFlags::from_bits_retain(header.flags),
            process: record.process().map(ProcessInfo::from),
            actions: record
                .actions()
                .map(|actions| actions.iter().map(Action::from).collect()),
            shared_pending: record.shared_pending().map(Queue::from),
            itimers: record.itimers().map(Itimers::from),
            timers: record.timers().map(Timers::from),
            signalfds: record
                .signalfds()
                .map(|list| list.iter().map(Signalfd::from).collect()),
            threads: record.threads().map(ThreadModel::from).collect(),
            waiters: record
                .waiters()
                .map(|list| list.iter().map(Waiter::from).collect()),
        }
    }
}

impl ThreadModel {
    /// Whether the thread is in the record only for the reader to know of it: a restore leaves it
    /// alone, and the target need not have it.
    pub fn is_listed_only(&self) -> bool {
        self.state
            .as_ref()
            .is_some_and(|state| state.worker || state.dead)
    }

    fn write(&self, writer: &mut Writer<impl Sink>) {
        if let Some(state) = &self.state {
            writer.thread(&state.to_section(self.tid));
        }
        if let Some(altstack) = &self.altstack {
            writer.altstack(&record::Altstack {
                section: head(0),
                tid: self.tid,
                ss_flags: altstack.flags.bits(),
                sp: altstack.sp,
                size: altstack.size,
            });
        }
        if let Some(queue) = &self.pending {
            write_queue(writer, self.tid, queue);
        }
        if let Some(signal) = &self.inflight {
            writer.inflight(&record::Inflight {
                section: head(0),
                tid: self.tid,
                reserved: 0,
                siginfo: signal.siginfo,
            });
        }
    }
}

impl From<record::ThreadState<'_>> for ThreadModel {
    fn from(thread: record::ThreadState<'_>) -> Self {
        ThreadModel {
            tid: thread.tid,
            state: thread.thread.map(ThreadInfo::from),
            altstack: thread.altstack.map(|altstack| AltStack {
                flags: AltStackFlags::from_bits_retain(altstack.ss_flags),
                sp: altstack.sp,
                size: altstack.size,
            }),
            pending: thread.pending.map(Queue::from),
            inflight: thread
                .inflight()
                .map(|inflight| QueuedSignal::from_siginfo(inflight.siginfo)),
        }
    }
}

impl ThreadInfo {
    fn to_section(&self, tid: i32) -> record::Thread {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        record::Thread {
            section: head(
                flag(self.unstable, abi::SIGCR_THREAD_UNSTABLE)
                    | flag(self.worker, abi::SIGCR_THREAD_WORKER)
                    | flag(self.dead, abi::SIGCR_THREAD_DEAD)
                    | flag(self.traced, abi::SIGCR_THREAD_TRACED)
                    | flag(self.trace_stop, abi::SIGCR_THREAD_TRACE_STOP)
                    | flag(self.group_stop, abi::SIGCR_THREAD_GROUP_STOP)
                    | flag(self.frozen, abi::SIGCR_THREAD_FROZEN),
            ),
            tid,
            pdeath_signo: self.pdeath_signo.map_or(0, SigNo::get),
            blocked: self.blocked.bits(),
        }
    }
}

impl From<record::Thread> for ThreadInfo {
    fn from(thread: record::Thread) -> Self {
        let flags = thread.section.flags;
        ThreadInfo {
            blocked: SigSet::from_bits(thread.blocked),
            pdeath_signo: SigNo::new(thread.pdeath_signo),
            unstable: flags & abi::SIGCR_THREAD_UNSTABLE != 0,
            worker: flags & abi::SIGCR_THREAD_WORKER != 0,
            dead: flags & abi::SIGCR_THREAD_DEAD != 0,
            traced: flags & abi::SIGCR_THREAD_TRACED != 0,
            trace_stop: flags & abi::SIGCR_THREAD_TRACE_STOP != 0,
            group_stop: flags & abi::SIGCR_THREAD_GROUP_STOP != 0,
            frozen: flags & abi::SIGCR_THREAD_FROZEN != 0,
        }
    }
}

impl From<&ProcessInfo> for record::Process {
    fn from(process: &ProcessInfo) -> Self {
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        record::Process {
            section: head(
                flag(process.stopped, abi::SIGCR_PROCESS_STOPPED)
                    | flag(process.unkillable, abi::SIGCR_PROCESS_UNKILLABLE)
                    | flag(process.timer_ids, abi::SIGCR_PROCESS_TIMER_IDS)
                    | flag(process.autoreap, abi::SIGCR_PROCESS_AUTOREAP),
            ),
            stop_signo: process.stop_signo.map_or(0, SigNo::get),
            exit_signo: process.exit_signo.map_or(0, SigNo::get),
            rlimit_sigpending_count: process.rlimit_sigpending_count,
            start_boottime_ns: process.start_boottime_ns,
        }
    }
}

impl From<record::Process> for ProcessInfo {
    fn from(process: record::Process) -> Self {
        let flags = process.section.flags;
        ProcessInfo {
            stopped: flags & abi::SIGCR_PROCESS_STOPPED != 0,
            unkillable: flags & abi::SIGCR_PROCESS_UNKILLABLE != 0,
            timer_ids: flags & abi::SIGCR_PROCESS_TIMER_IDS != 0,
            autoreap: flags & abi::SIGCR_PROCESS_AUTOREAP != 0,
            stop_signo: SigNo::new(process.stop_signo),
            exit_signo: SigNo::new(process.exit_signo),
            rlimit_sigpending_count: process.rlimit_sigpending_count,
            start_boottime_ns: process.start_boottime_ns,
        }
    }
}

impl AltStack {
    /// The state of a thread that has no alternate stack.
    pub const DISABLED: AltStack = AltStack {
        flags: AltStackFlags::DISABLE,
        sp: 0,
        size: 0,
    };
}

/// The head of a section with these flags; type and length are filled in by the writer.
pub(crate) fn head(flags: u32) -> abi::sigcr_section {
    abi::sigcr_section {
        type_: 0,
        flags,
        len: 0,
    }
}

fn write_queue(writer: &mut Writer<impl Sink>, tid: i32, queue: &Queue) {
    let mut list = writer.begin_queue();
    for entry in &queue.entries {
        writer.entry(&mut list, &entry.into());
    }
    writer.end_queue(list, tid, queue.set.bits());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::QueuedSignal;

    #[test]
    fn a_misspelt_field_is_refused_and_does_not_become_state_that_is_left_alone() {
        let mut model = Model::new(1);
        model.threads.push(ThreadModel::default());
        let json = serde_json::to_string(&model).unwrap();
        assert_eq!(serde_json::from_str::<Model>(&json).unwrap(), model);
        for field in ["process", "actions", "shared_pending", "altstack"] {
            let misspelt = json.replace(field, "misspelt");
            let error = serde_json::from_str::<Model>(&misspelt).unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
        // What others add for their readers is skipped.
        let more = json.replacen('{', r#"{"comment":"mine","#, 1);
        assert_eq!(serde_json::from_str::<Model>(&more).unwrap(), model);
    }

    #[test]
    fn a_model_that_breaks_a_rule_is_not_encoded() {
        let mut model = Model::new(1);
        model.shared_pending = Some(Queue::of([QueuedSignal::sent_by(
            SigNo::new(9).unwrap(),
            1,
            0,
        )]));
        let refusal = model.encode().unwrap_err();
        assert_eq!(refusal, Refusal::KillPending { off: 64 });
    }

    #[test]
    fn a_model_over_the_limit_is_refused() {
        let signal = QueuedSignal::sent_by(SigNo::RTMAX, 1, 0);
        let limit_len = abi::SIGCR_RECORD_LEN_MAX as usize;
        let mut model = Model::new(1);
        model.shared_pending = Some(Queue::of(vec![signal; limit_len / 56]));
        let refusal = model.encode().unwrap_err();
        assert!(matches!(refusal, Refusal::TooLong { .. }), "{refusal}");
    }
}
