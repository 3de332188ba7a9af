// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A queue of pending signals, and one queued signal.

use serde::{de, Deserialize, Deserializer, Serialize, Serializer};

use crate::{abi, record, SigNo, SigSet};

/// A queue of pending signals: of a process or of a thread.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// The signals that are pending. One without an entry is normal: the kernel had no room to
    /// queue its siginfo.
    pub set: SigSet,
    /// What is queued of them, in the order of the queue.
    pub entries: Vec<QueuedSignal>,
}

/// One queued signal: the kernel's siginfo, verbatim.
///
/// Its ids (pid, uid) are those that the receiver sees, in its own namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedSignal {
    /// The siginfo.
    pub siginfo: [u8; SIGINFO_LEN],
    /// The timer that owns the entry, where one does; such an entry can be read, not restored.
    pub timer_id: Option<i32>,
}

/// Bytes of a siginfo.
pub(crate) const SIGINFO_LEN: usize = abi::SIGCR_SIGINFO_LEN as usize;

/// `SI_USER`: sent by kill(2).
const SI_USER: i32 = 0;
/// `SI_QUEUE`: sent by sigqueue(3).
const SI_QUEUE: i32 = -1;
/// `SI_TKILL`: sent by tgkill(2).
const SI_TKILL: i32 = -6;

/// Where the members of a siginfo are, in bytes from its start; for 64-bit architectures.
mod off {
    pub(super) const SIGNO: usize = 0;
    pub(super) const ERRNO: usize = 4;
    pub(super) const CODE: usize = 8;
    pub(super) const PID: usize = 16;
    pub(super) const UID: usize = 20;
    pub(super) const VALUE: usize = 24;
    pub(super) const SYS_PRIVATE: usize = 32;
}

impl Queue {
    /// The queue of these entries, with just their signals in its set.
    pub fn of(entries: impl IntoIterator<Item = QueuedSignal>) -> Queue {
        let entries: Vec<_> = entries.into_iter().collect();
        let signals = entries.iter().map(QueuedSignal::signo);
        Queue {
            set: signals.filter_map(SigNo::new).collect(),
            entries,
        }
    }

    /// Whether nothing is pending.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.entries.is_empty()
    }
}

impl QueuedSignal {
    /// A signal as kill(2) by the process `pid` of the user `uid` queues it.
    pub fn sent_by(signo: SigNo, pid: i32, uid: u32) -> QueuedSignal {
        Self::new(signo, SI_USER, pid, uid)
    }

    /// A signal as tgkill(2) by the process `pid` of the user `uid` queues it.
    pub fn sent_to_thread_by(signo: SigNo, pid: i32, uid: u32) -> QueuedSignal {
        Self::new(signo, SI_TKILL, pid, uid)
    }

    /// A signal as sigqueue(3) by the process `pid` of the user `uid` queues it, with `value`.
    pub fn queued_by(signo: SigNo, pid: i32, uid: u32, value: u64) -> QueuedSignal {
        let mut signal = Self::new(signo, SI_QUEUE, pid, uid);
        signal.set_value(value);
        signal
    }

    /// A signal with this siginfo.
    pub fn from_siginfo(siginfo: [u8; SIGINFO_LEN]) -> QueuedSignal {
        QueuedSignal {
            siginfo,
            timer_id: None,
        }
    }

    fn new(signo: SigNo, code: i32, pid: i32, uid: u32) -> QueuedSignal {
        let mut signal = Self::from_siginfo([0; SIGINFO_LEN]);
        signal.put(off::SIGNO, signo.get().to_ne_bytes());
        signal.put(off::CODE, code.to_ne_bytes());
        signal.put(off::PID, pid.to_ne_bytes());
        signal.put(off::UID, uid.to_ne_bytes());
        signal
    }

    /// `si_signo`: the signal number, which [`SigNo::new`] makes a name of.
    pub fn signo(&self) -> u32 {
        u32::from_ne_bytes(self.get(off::SIGNO))
    }

    /// `si_errno`.
    pub fn errno(&self) -> i32 {
        i32::from_ne_bytes(self.get(off::ERRNO))
    }

    /// `si_code`: how the signal came to be.
    pub fn code(&self) -> i32 {
        i32::from_ne_bytes(self.get(off::CODE))
    }

    /// `si_pid`: the sender, as the receiver sees it. What it means depends on [`Self::code`]: of a
    /// fault, for instance, these bytes are half of an address.
    pub fn pid(&self) -> i32 {
        i32::from_ne_bytes(self.get(off::PID))
    }

    /// `si_uid`: the sender's user, as the receiver sees it; see [`Self::pid`].
    pub fn uid(&self) -> u32 {
        u32::from_ne_bytes(self.get(off::UID))
    }

    /// `si_value`: what sigqueue(3) or a timer sent along.
    pub fn value(&self) -> u64 {
        u64::from_ne_bytes(self.get(off::VALUE))
    }

    /// Sets `si_pid`.
    pub fn set_pid(&mut self, pid: i32) {
        self.put(off::PID, pid.to_ne_bytes());
    }

    /// Sets `si_uid`.
    pub fn set_uid(&mut self, uid: u32) {
        self.put(off::UID, uid.to_ne_bytes());
    }

    /// Sets `si_value`.
    pub fn set_value(&mut self, value: u64) {
        self.put(off::VALUE, value.to_ne_bytes());
    }

    /// Whether the code is one that only the kernel may use towards other processes, so that a
    /// restore into another process needs a capability.
    pub fn has_reserved_code(&self) -> bool {
        self.code() >= 0 || self.code() == SI_TKILL
    }

    /// Clears `si_sys_private` of a timer's signal: kernels before 6.13 keep a number of their own
    /// there while it is queued.
    pub(crate) fn clear_sys_private(&mut self) {
        self.put(off::SYS_PRIVATE, [0; 4]);
    }

    fn get<const N: usize>(&self, off: usize) -> [u8; N] {
        std::array::from_fn(|i| self.siginfo[off + i])
    }

    fn put<const N: usize>(&mut self, off: usize, bytes: [u8; N]) {
        self.siginfo[off..off + N].copy_from_slice(&bytes);
    }
}

impl From<record::Entry> for QueuedSignal {
    fn from(entry: record::Entry) -> Self {
        QueuedSignal {
            siginfo: entry.siginfo,
            timer_id: (entry.flags & abi::SIGCR_ENTRY_TIMER != 0).then_some(entry.timer_id),
        }
    }
}

impl From<&QueuedSignal> for record::Entry {
    fn from(signal: &QueuedSignal) -> Self {
        record::Entry {
            siginfo: signal.siginfo,
            flags: signal.timer_id.map_or(0, |_| abi::SIGCR_ENTRY_TIMER),
            timer_id: signal.timer_id.unwrap_or(0),
        }
    }
}

impl From<record::Queue<'_>> for Queue {
    fn from(queue: record::Queue<'_>) -> Self {
        Queue {
            set: SigSet::from_bits(queue.set),
            entries: queue.entries().map(QueuedSignal::from).collect(),
        }
    }
}

/// What of a queued signal is kept outside the record: the siginfo as hexadecimal digits.
#[derive(Serialize, Deserialize)]
#[serde(rename = "QueuedSignal")]
struct Text {
    siginfo: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timer_id: Option<i32>,
}

impl Serialize for QueuedSignal {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if !to.is_human_readable() {
            return (&self.siginfo[..], self.timer_id).serialize(to);
        }
        let digits = self.siginfo.iter().map(|byte| format!("{byte:02x}"));
        Text {
            siginfo: digits.collect(),
            timer_id: self.timer_id,
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for QueuedSignal {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (bytes, timer_id) = if from.is_human_readable() {
            let text = Text::deserialize(from)?;
            (from_hex(&text.siginfo), text.timer_id)
        } else {
            let (bytes, timer_id) = <(Vec<u8>, Option<i32>)>::deserialize(from)?;
            (Some(bytes), timer_id)
        };
        let siginfo = bytes
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(|| {
                de::Error::custom(format!("a siginfo is {SIGINFO_LEN} bytes in hexadecimal"))
            })?;
        Ok(QueuedSignal { siginfo, timer_id })
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok()))
        .collect::<Option<_>>()?;
    let pairs = digits.chunks(2);
    pairs
        .map(|pair| Some(pair.first()? << 4 | pair.get(1)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(unsafe_code)]
    fn a_siginfo_reads_as_the_c_library_reads_it() {
        let signo = SigNo::new(40).unwrap();
        let signal = QueuedSignal::queued_by(signo, 77, 1000, 0x1122_3344_5566_7788);
        let mut bytes = [0_u8; size_of::<libc::siginfo_t>()];
        bytes[..SIGINFO_LEN].copy_from_slice(&signal.siginfo);
        // SAFETY: `bytes` is as long as a siginfo_t, which holds integers and pointers only, so
        // that any bytes are a valid one.
        let info: libc::siginfo_t =
            unsafe { bytes.as_ptr().cast::<libc::siginfo_t>().read_unaligned() };
        assert_eq!((info.si_signo, info.si_errno), (40, 0));
        assert_eq!(info.si_code, libc::SI_QUEUE);
        // SAFETY: A siginfo with SI_QUEUE has a pid, a uid and a value.
        let (pid, uid, value) = unsafe { (info.si_pid(), info.si_uid(), info.si_value()) };
        assert_eq!((pid, uid), (77, 1000));
        assert_eq!(value.sival_ptr as u64, 0x1122_3344_5566_7788);
        assert_eq!((signal.signo(), signal.errno()), (40, 0));
        assert_eq!(signal.code(), info.si_code);
        assert_eq!((signal.pid(), signal.uid()), (77, 1000));
        assert_eq!(signal.value(), 0x1122_3344_5566_7788);
    }

    #[test]
    fn codes_that_the_kernel_keeps_for_itself_are_told_from_others() {
        let signo = SigNo::RTMIN;
        assert!(QueuedSignal::sent_by(signo, 1, 0).has_reserved_code());
        assert!(QueuedSignal::sent_to_thread_by(signo, 1, 0).has_reserved_code());
        assert!(!QueuedSignal::queued_by(signo, 1, 0, 0).has_reserved_code());
    }

    #[test]
    fn a_siginfo_survives_json_and_a_wrong_one_is_refused() {
        let mut signal = QueuedSignal::sent_by(SigNo::RTMAX, -1, u32::MAX);
        signal.timer_id = Some(7);
        let json = serde_json::to_string(&signal).unwrap();
        assert_eq!(serde_json::from_str::<QueuedSignal>(&json).unwrap(), signal);
        for wrong in ["00", "zz", ""] {
            let json = format!(r#"{{"siginfo":"{wrong}"}}"#);
            let error = serde_json::from_str::<QueuedSignal>(&json).unwrap_err();
            assert!(error.to_string().starts_with("a siginfo is 48 bytes"));
        }
    }
}
