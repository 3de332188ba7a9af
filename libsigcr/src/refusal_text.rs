// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The decoder's refusals in words: section, offset, field, value, and what to do about it.

use std::fmt;

use crate::{
    abi,
    record::{Refusal, ARCH},
    SigNo, SigSet,
};

impl Refusal {
    /// The refusal in words, with the name of the section in `bytes` that it is about.
    ///
    /// `bytes` is the buffer that was refused.
    pub fn explain(&self, bytes: &[u8]) -> String {
        match self
            .off()
            .and_then(|off| section_name(bytes, u64::try_from(off).ok()?))
        {
            Some(name) => format!("{self} [in {name}]"),
            None => self.to_string(),
        }
    }

    /// The name of the refusal, as its variant is called.
    pub fn name(&self) -> String {
        let debug = format!("{self:?}");
        let end = debug.find(|c: char| !c.is_ascii_alphanumeric());
        debug[..end.unwrap_or(debug.len())].to_owned()
    }

    /// Where the fault is, in bytes from the start of the record; `None` for the header as such.
    pub fn off(&self) -> Option<usize> {
        match *self {
            Refusal::ReservedNotZero { off }
            | Refusal::BadSectionLen { off, .. }
            | Refusal::UnknownMandatorySection { off, .. }
            | Refusal::UnknownSectionFlags { off, .. }
            | Refusal::SectionOrder { off, .. }
            | Refusal::NotOneThread { off }
            | Refusal::BadTid { off, .. }
            | Refusal::BadEntries { off, .. }
            | Refusal::BadEntryLen { off, .. }
            | Refusal::BadSigno { off, .. }
            | Refusal::ActionOrder { off, .. }
            | Refusal::ActionForbidden { off, .. }
            | Refusal::UnknownActionFlags { off, .. }
            | Refusal::UnknownAbi { off, .. }
            | Refusal::UnblockableBlocked { off, .. }
            | Refusal::KillPending { off }
            | Refusal::EntryNotInSet { off, .. }
            | Refusal::LegacyTwice { off, .. }
            | Refusal::ContinueAndStop { off }
            | Refusal::UnknownEntryFlags { off, .. }
            | Refusal::TimerMissing { off, .. }
            | Refusal::TimerEntryMismatch { off, .. }
            | Refusal::TimerEntryCount { off, .. }
            | Refusal::InFlight { off, .. }
            | Refusal::BadTime { off, .. }
            | Refusal::BadId { off, .. }
            | Refusal::BadNotify { off, .. }
            | Refusal::BadTimerFlags { off, .. }
            | Refusal::BadOverrun { off, .. }
            | Refusal::UnknownSignalfdFlags { off, .. }
            | Refusal::BadWaiter { off, .. }
            | Refusal::UnknownAltstackFlags { off, .. }
            | Refusal::BadAltstack { off, .. } => Some(off),
            Refusal::TooShort { .. }
            | Refusal::TooLong { .. }
            | Refusal::BadMagic { .. }
            | Refusal::ForeignByteOrder
            | Refusal::UnsupportedVersion { .. }
            | Refusal::BadHeaderLen { .. }
            | Refusal::LengthMismatch { .. }
            | Refusal::BadChecksum { .. }
            | Refusal::UnsupportedArch { .. }
            | Refusal::UnknownRecordFlags { .. }
            | Refusal::BadProcess { .. }
            | Refusal::SectionCountMismatch { .. } => None,
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(off) = self.off() {
            write!(f, "at byte {off}: ")?;
        }
        match *self {
            Refusal::TooShort { len } => write!(
                f,
                "a record has at least {} bytes and this has {len}; check that it was copied wholly",
                abi::SIGCR_HEADER_LEN_VER1
            ),
            Refusal::TooLong { len } => write!(
                f,
                "a record has at most {} bytes and this has {len} or more; check that it is a \
                 record, and restore fewer queued signals",
                abi::SIGCR_RECORD_LEN_MAX
            ),
            Refusal::BadMagic { magic } => write!(
                f,
                "magic is {magic:#010x} and a record starts with {:#010x}; check that this is a \
                 record",
                abi::SIGCR_MAGIC
            ),
            Refusal::ForeignByteOrder => f.write_str(
                "the record was written with the other byte order; restore it on a machine of \
                 its own kind",
            ),
            Refusal::UnsupportedVersion { version } => write!(
                f,
                "version is {version} and this reader knows up to {}; use a newer reader, or take \
                 the record anew and ask for version {0} then",
                abi::SIGCR_VERSION
            ),
            Refusal::BadHeaderLen { header_len } => write!(
                f,
                "header_len is {header_len}, which is not a multiple of 8 from {} to {} within the \
                 record; {DAMAGED}",
                abi::SIGCR_HEADER_LEN_VER1,
                abi::SIGCR_HEADER_LEN_MAX
            ),
            Refusal::LengthMismatch { total_len, len } => write!(
                f,
                "total_len is {total_len} and there are {len} bytes; check that the record was \
                 copied wholly and that nothing follows it"
            ),
            Refusal::BadChecksum { stored, computed } => write!(
                f,
                "the checksum is {stored:#010x} and the bytes have {computed:#010x}; {DAMAGED}"
            ),
            Refusal::UnsupportedArch { arch } => write!(
                f,
                "arch is {arch:#010x} and this machine's is {ARCH:#010x}; restore the record on a \
                 machine of its own kind"
            ),
            Refusal::UnknownRecordFlags { flags } => write!(
                f,
                "flags of the header are {flags:#x}, known are {:#x}; {NEWER}",
                abi::SIGCR_RECORD_FLAGS
            ),
            Refusal::BadProcess { tgid, thread_count } => write!(
                f,
                "tgid is {tgid} and thread_count is {thread_count}; give both a number from 1"
            ),
            Refusal::ReservedNotZero { .. } => {
                write!(f, "a reserved field or an unused timer_id is not 0; {NEWER}")
            }
            Refusal::BadSectionLen { len, .. } => write!(
                f,
                "the section's len is {len}, which is too small for its type, not a multiple of 8, \
                 or beyond the end; {DAMAGED}"
            ),
            Refusal::UnknownMandatorySection { section_type, .. } => write!(
                f,
                "the section's type is {section_type:#010x}, which must be understood and is not; \
                 {NEWER}"
            ),
            Refusal::UnknownSectionFlags { flags, .. } => {
                write!(f, "the section's flags are {flags:#x}, not all known; {NEWER}")
            }
            Refusal::SectionOrder { section_type, .. } => write!(
                f,
                "{} stands twice, in the wrong place, or after a thread that is only listed; put \
                 the sections in order of type, and threads in ascending order of tid",
                type_name(section_type)
            ),
            Refusal::SectionCountMismatch { stored, seen } => write!(
                f,
                "section_count is {stored} and there are {seen} sections; {DAMAGED}"
            ),
            Refusal::NotOneThread { .. } => f.write_str(
                "a section of the process or of a second thread is in a record that is marked as \
                 that of one thread; leave it out, or take away the mark",
            ),
            Refusal::BadTid { tid, .. } => write!(
                f,
                "the section's tid is {tid}; use 0 for the process, and the thread's id for a thread"
            ),
            Refusal::BadEntries { entry_count, .. } => write!(
                f,
                "entry_count is {entry_count}, and with entries_off and entry_len that does not \
                 fill the section exactly; {DAMAGED}"
            ),
            Refusal::BadEntryLen { entry_len, .. } => write!(
                f,
                "entry_len is {entry_len}, which is not a multiple of 8 or too small; {DAMAGED}"
            ),
            Refusal::BadSigno { signo, .. } => write!(
                f,
                "signo is {signo} and signals go from 1 to {}; correct the number",
                abi::SIGCR_SIGNO_MAX
            ),
            Refusal::ActionOrder { signo, .. } => write!(
                f,
                "the action of {} stands twice or too late; put the actions in ascending order of \
                 signo",
                Name(signo)
            ),
            Refusal::ActionForbidden { signo, .. } => write!(
                f,
                "{} has an action, which nothing can change; leave it out",
                Name(signo)
            ),
            Refusal::UnknownActionFlags { flags, .. } => write!(
                f,
                "flags of the action are {flags:#x}, and sigaction(2) stores only those in {:#x}; \
                 leave the others out",
                abi::SIGCR_ACTION_FLAGS
            ),
            Refusal::UnknownAbi { abi, .. } => write!(
                f,
                "abi of the action is {abi}, which this architecture does not have; restore the \
                 record on a machine of its own kind"
            ),
            Refusal::UnblockableBlocked { set, .. } => write!(
                f,
                "the mask {set:#018x} ({}) blocks SIGKILL or SIGSTOP, which nothing can block; take \
                 them out",
                SigSet::from_bits(set)
            ),
            Refusal::KillPending { .. } => f.write_str(
                "SIGKILL is pending, which would kill the process at once; leave it out",
            ),
            Refusal::EntryNotInSet { signo, .. } => write!(
                f,
                "{} is queued and not in the queue's set; add it to the set",
                Name(signo)
            ),
            Refusal::LegacyTwice { signo, .. } => write!(
                f,
                "{} is queued twice in one queue, which only real-time signals can be; leave one out",
                Name(signo)
            ),
            Refusal::ContinueAndStop { .. } => f.write_str(
                "SIGCONT and a stop signal are both pending, and each cancels the other; leave one \
                 out",
            ),
            Refusal::UnknownEntryFlags { flags, .. } => {
                write!(f, "flags of the queued signal are {flags:#x}, not all known; {NEWER}")
            }
            Refusal::TimerMissing { timer_id, .. } => write!(
                f,
                "the queued signal belongs to timer {timer_id}, which is not in the record; leave \
                 the signal out and let the timer send it anew"
            ),
            Refusal::TimerEntryMismatch { timer_id, .. } => write!(
                f,
                "the entry is marked as that of timer {timer_id}, which is not pending with this \
                 signal in this queue; leave the timers and their entries out"
            ),
            Refusal::TimerEntryCount { seen, pending, .. } => write!(
                f,
                "{pending} timers are pending and {seen} entries belong to timers; leave the \
                 timers and their entries out"
            ),
            Refusal::InFlight { tid, .. } => write!(
                f,
                "a ptracer holds a signal that thread {tid} has taken out of its queue; queue it \
                 again or leave it out"
            ),
            Refusal::BadTime { time_ns, .. } => write!(
                f,
                "a time of {time_ns} ns cannot be in this state of a timer; give one from 1 to {}, \
                 or 0 where nothing runs",
                i64::MAX
            ),
            Refusal::BadId { id, .. } => write!(
                f,
                "the id {id} is negative, stands twice, or stands too late; put the entries in \
                 ascending order"
            ),
            Refusal::BadNotify { notify, .. } => write!(
                f,
                "notify is {notify}, which is no SIGEV_* value or does not fit to notify_tid; \
                 correct one of them"
            ),
            Refusal::BadTimerFlags { flags, .. } => write!(
                f,
                "flags of the timer are {flags:#x}, not all known, or not for such a timer; give it \
                 one state"
            ),
            Refusal::BadOverrun { overrun, .. } => {
                write!(f, "an overrun is {overrun}; give a number from -1")
            }
            Refusal::UnknownSignalfdFlags { flags, .. } => {
                write!(f, "flags of the signalfd are {flags:#x}, not all known; {NEWER}")
            }
            Refusal::BadWaiter { id_type, .. } => write!(
                f,
                "the waiter's id_type is {id_type}, which is unknown or does not fit to its id; \
                 leave the section out"
            ),
            Refusal::UnknownAltstackFlags { ss_flags, .. } => write!(
                f,
                "ss_flags is {ss_flags:#x}, and only SS_DISABLE and SS_AUTODISARM are known; leave \
                 the others out"
            ),
            Refusal::BadAltstack { sp, size, .. } => write!(
                f,
                "sp is {sp:#x} and size is {size:#x}, which is disabled with an address, too small \
                 for a signal frame, or beyond the end of memory; correct it or leave it out"
            ),
        }
    }
}

const DAMAGED: &str = "the record is damaged, take a new one";
const NEWER: &str = "use a newer reader, or take a new record if this one is damaged";

/// A signal's name, or its number where it has none.
struct Name(u32);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SigNo::new(self.0) {
            Some(signo) => signo.fmt(f),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// The name of a section type.
fn type_name(section_type: u32) -> String {
    match section_type {
        abi::SIGCR_SECTION_PROCESS => "PROCESS".into(),
        abi::SIGCR_SECTION_ACTIONS => "ACTIONS".into(),
        abi::SIGCR_SECTION_SHARED_PENDING => "SHARED_PENDING".into(),
        abi::SIGCR_SECTION_THREAD => "THREAD".into(),
        abi::SIGCR_SECTION_ALTSTACK => "ALTSTACK".into(),
        abi::SIGCR_SECTION_PENDING => "PENDING".into(),
        abi::SIGCR_SECTION_ITIMERS => "ITIMERS".into(),
        abi::SIGCR_SECTION_TIMERS => "TIMERS".into(),
        abi::SIGCR_SECTION_SIGNALFDS => "SIGNALFDS".into(),
        abi::SIGCR_SECTION_INFLIGHT => "INFLIGHT".into(),
        abi::SIGCR_SECTION_WAITERS => "WAITERS".into(),
        other => format!("section type {other:#010x}"),
    }
}

/// The name of the section that byte `off` is in, with its thread where it has one.
///
/// Nothing is known of the bytes: they may end anywhere.
fn section_name(bytes: &[u8], off: u64) -> Option<String> {
    let word = |at: u64| {
        let rest = bytes.get(usize::try_from(at).ok()?..)?;
        rest.first_chunk().map(|word| u32::from_ne_bytes(*word))
    };
    let header_len = u64::from(word(8)?);
    let mut start = header_len;
    while start <= off {
        let section_type = word(start)?;
        let len_bytes = bytes.get(usize::try_from(start.checked_add(8)?).ok()?..)?;
        let len = u64::from_ne_bytes(*len_bytes.first_chunk()?);
        let end = start.checked_add(len)?;
        // The section whose own length is wrong is the last that can be found.
        if off < end || off == start {
            let name = type_name(section_type);
            let tid = word(start.checked_add(16)?).filter(|_| {
                matches!(
                    section_type,
                    abi::SIGCR_SECTION_THREAD
                        | abi::SIGCR_SECTION_ALTSTACK
                        | abi::SIGCR_SECTION_PENDING
                        | abi::SIGCR_SECTION_INFLIGHT
                )
            });
            return Some(match tid {
                Some(tid) => format!("{name} of thread {}", i32::from_ne_bytes(tid.to_ne_bytes())),
                None => name,
            });
        }
        if len == 0 {
            return None;
        }
        start = end;
    }
    Some("the header".into()).filter(|_| off < header_len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, Queue, QueuedSignal, Snapshot, ThreadModel};

    #[test]
    fn the_words_name_the_section_the_offset_the_value_and_the_remedy() {
        let mut queue = Queue::of([QueuedSignal::sent_by(SigNo::new(15).unwrap(), 1, 0)]);
        queue.set = SigSet::EMPTY;
        let mut model = Model::new(40);
        model.threads.push(ThreadModel {
            tid: 41,
            pending: Some(Queue::default()),
            ..ThreadModel::default()
        });
        model.threads.push(ThreadModel {
            tid: 42,
            ..ThreadModel::default()
        });
        let good = model.encode().unwrap().into_bytes();
        model.threads[1].pending = Some(queue);
        let refusal = model.encode().unwrap_err();
        // Behind the header, the first queue and the head of the second one.
        assert_eq!(refusal.off(), Some(64 + 40 + 40));
        // The encoder gives no bytes that are refused; those of the sections are the same here.
        let mut bytes = good;
        bytes.extend(0x8000_0009_u32.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(96_u64.to_ne_bytes());
        bytes.extend(42_i32.to_ne_bytes());
        assert_eq!(
            refusal.explain(&bytes),
            "at byte 144: SIGTERM is queued and not in the queue's set; add it to the set \
             [in PENDING of thread 42]"
        );
    }

    #[test]
    fn bytes_that_are_cut_off_or_run_in_a_circle_are_explained_without_a_section() {
        let refusal = Refusal::KillPending { off: 100 };
        let mut endless = [0; 200];
        endless[8] = 64;
        for bytes in [&endless[..], &endless[..64], &endless[..9], &[]] {
            assert_eq!(refusal.explain(bytes), refusal.to_string());
        }
    }

    #[test]
    fn a_refusal_is_called_as_its_variant() {
        assert_eq!(Refusal::ForeignByteOrder.name(), "ForeignByteOrder");
        assert_eq!(Refusal::TooShort { len: 1 }.name(), "TooShort");
        let refusal = Snapshot::from_bytes(Vec::new()).unwrap_err();
        assert_eq!(refusal.name(), "TooShort");
    }
}
