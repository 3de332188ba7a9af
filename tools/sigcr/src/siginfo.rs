// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a queued signal's siginfo says, in the names of `<asm-generic/siginfo.h>`.

use std::fmt;

use serde::Serialize;

/// The siginfo of one queued signal, read by its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Siginfo {
    pub(crate) signo: u32,
    pub(crate) errno: i32,
    pub(crate) code: i32,
    pub(crate) origin: Origin,
}

/// Who or what made the signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Origin {
    /// A process that sent the bare signal.
    Sender { pid: i32, uid: u32 },
    /// A process that sent the signal with a value.
    Value { pid: i32, uid: u32, value: u64 },
    /// A POSIX timer.
    Timer {
        timer_id: i32,
        overrun_count: i32,
        value: u64,
    },
    /// A child that changed its state.
    Child { pid: i32, uid: u32, status: i32 },
    /// An instruction of the thread itself.
    Fault { address: u64 },
    /// A file that is ready.
    Poll { band: i64, fd: i32 },
    /// A system call that a filter caught.
    Syscall {
        address: u64,
        #[serde(rename = "syscall")]
        number: i32,
        arch: u32,
    },
}

impl Siginfo {
    /// Reads the kernel's 48 bytes.
    ///
    /// Mirrors `siginfo_layout()` in kernel/signal.c.
    pub(crate) fn read(bytes: &[u8; 48]) -> Self {
        let (signo, code) = (word(bytes, 0), int(bytes, 8));
        let (pid, uid) = (int(bytes, 16), word(bytes, 20));
        let (address, value) = (long(bytes, 16), long(bytes, 24));
        let poll = Origin::Poll {
            band: i64::from_ne_bytes(address.to_ne_bytes()),
            fd: int(bytes, 24),
        };
        let origin = match code {
            1..=0x7f if code <= specific(signo).code_max => match signo {
                SIGCHLD => Origin::Child {
                    pid,
                    uid,
                    status: int(bytes, 24),
                },
                SIGIO => poll,
                SIGSYS => Origin::Syscall {
                    address,
                    number: int(bytes, 24),
                    arch: word(bytes, 28),
                },
                _ => Origin::Fault { address },
            },
            1..=6 | SI_SIGIO => poll,
            SI_TIMER => Origin::Timer {
                timer_id: pid,
                overrun_count: int(bytes, 20),
                value,
            },
            // A signal to a thread has the layout of one with a value, and mostly no value in it.
            SI_TKILL if value == 0 => Origin::Sender { pid, uid },
            i32::MIN..=-1 => Origin::Value { pid, uid, value },
            _ => Origin::Sender { pid, uid },
        };
        Self {
            signo,
            errno: int(bytes, 4),
            code,
            origin,
        }
    }

    /// The name of the signal code, or its number where it has none.
    pub(crate) fn code_name(&self) -> String {
        let general = match self.code {
            0 => "SI_USER",
            0x80 => "SI_KERNEL",
            -1 => "SI_QUEUE",
            SI_TIMER => "SI_TIMER",
            -3 => "SI_MESGQ",
            -4 => "SI_ASYNCIO",
            SI_SIGIO => "SI_SIGIO",
            SI_TKILL => "SI_TKILL",
            -7 => "SI_DETHREAD",
            -60 => "SI_ASYNCNL",
            _ => "",
        };
        if !general.is_empty() {
            return general.to_owned();
        }
        let names = match self.origin {
            Origin::Poll { .. } => POLL_NAMES,
            _ => specific(self.signo).names,
        };
        names
            .iter()
            .find(|(code, _)| *code == self.code)
            .map_or_else(|| self.code.to_string(), |(_, name)| (*name).to_owned())
    }

    /// The value that was sent along.
    pub(crate) fn value(&self) -> Option<u64> {
        match self.origin {
            Origin::Value { value, .. } | Origin::Timer { value, .. } => Some(value),
            _ => None,
        }
    }

    /// Whether the two differ in nothing but their values.
    pub(crate) fn same_but_value(&self, other: &Self) -> bool {
        self.without_value() == other.without_value()
    }

    fn without_value(&self) -> Self {
        let mut copy = self.clone();
        if let Origin::Value { value, .. } | Origin::Timer { value, .. } = &mut copy.origin {
            *value = 0;
        }
        copy
    }
}

/// The origin in words, without the value, which the caller may want to fold.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Sender { pid, uid } | Origin::Value { pid, uid, .. } => {
                write!(f, "pid {pid}, uid {uid}")
            }
            Origin::Timer {
                timer_id,
                overrun_count,
                ..
            } => match overrun_count {
                0 => write!(f, "timer {timer_id}"),
                _ => write!(f, "timer {timer_id}, overrun {overrun_count}"),
            },
            Origin::Child { pid, uid, status } => {
                write!(f, "child {pid}, uid {uid}, status {status}")
            }
            Origin::Fault { address } => write!(f, "address {address:#x}"),
            Origin::Poll { band, fd } => write!(f, "fd {fd}, band {band:#x}"),
            Origin::Syscall {
                address,
                number,
                arch,
            } => write!(f, "system call {number} at {address:#x}, arch {arch:#x}"),
        }
    }
}

const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGBUS: u32 = 7;
const SIGFPE: u32 = 8;
const SIGSEGV: u32 = 11;
const SIGCHLD: u32 = 17;
const SIGIO: u32 = 29;
const SIGSYS: u32 = 31;

const SI_TIMER: i32 = -2;
const SI_SIGIO: i32 = -5;
const SI_TKILL: i32 = -6;

/// The codes that one signal gives a meaning of its own.
struct Specific {
    /// The highest code that the kernel reads with that signal's layout.
    code_max: i32,
    names: &'static [(i32, &'static str)],
}

fn specific(signo: u32) -> Specific {
    let (code_max, names): (_, &[_]) = match signo {
        SIGILL => (
            11,
            &[
                (1, "ILL_ILLOPC"),
                (2, "ILL_ILLOPN"),
                (3, "ILL_ILLADR"),
                (4, "ILL_ILLTRP"),
                (5, "ILL_PRVOPC"),
                (6, "ILL_PRVREG"),
                (7, "ILL_COPROC"),
                (8, "ILL_BADSTK"),
                (9, "ILL_BADIADDR"),
            ],
        ),
        SIGTRAP => (
            6,
            &[
                (1, "TRAP_BRKPT"),
                (2, "TRAP_TRACE"),
                (3, "TRAP_BRANCH"),
                (4, "TRAP_HWBKPT"),
                (5, "TRAP_UNK"),
                (6, "TRAP_PERF"),
            ],
        ),
        SIGBUS => (
            5,
            &[
                (1, "BUS_ADRALN"),
                (2, "BUS_ADRERR"),
                (3, "BUS_OBJERR"),
                (4, "BUS_MCEERR_AR"),
                (5, "BUS_MCEERR_AO"),
            ],
        ),
        SIGFPE => (
            15,
            &[
                (1, "FPE_INTDIV"),
                (2, "FPE_INTOVF"),
                (3, "FPE_FLTDIV"),
                (4, "FPE_FLTOVF"),
                (5, "FPE_FLTUND"),
                (6, "FPE_FLTRES"),
                (7, "FPE_FLTINV"),
                (8, "FPE_FLTSUB"),
                (14, "FPE_FLTUNK"),
                (15, "FPE_CONDTRAP"),
            ],
        ),
        SIGSEGV => (
            10,
            &[
                (1, "SEGV_MAPERR"),
                (2, "SEGV_ACCERR"),
                (3, "SEGV_BNDERR"),
                (4, "SEGV_PKUERR"),
                (5, "SEGV_ACCADI"),
                (6, "SEGV_ADIDERR"),
                (7, "SEGV_ADIPERR"),
                (8, "SEGV_MTEAERR"),
                (9, "SEGV_MTESERR"),
                (10, "SEGV_CPERR"),
            ],
        ),
        SIGCHLD => (
            6,
            &[
                (1, "CLD_EXITED"),
                (2, "CLD_KILLED"),
                (3, "CLD_DUMPED"),
                (4, "CLD_TRAPPED"),
                (5, "CLD_STOPPED"),
                (6, "CLD_CONTINUED"),
            ],
        ),
        SIGIO => (6, POLL_NAMES),
        SIGSYS => (2, &[(1, "SYS_SECCOMP"), (2, "SYS_USER_DISPATCH")]),
        _ => (0, &[]),
    };
    Specific { code_max, names }
}

/// The codes of SIGIO, and of any other signal that `F_SETSIG` put in its place.
const POLL_NAMES: &[(i32, &str)] = &[
    (1, "POLL_IN"),
    (2, "POLL_OUT"),
    (3, "POLL_MSG"),
    (4, "POLL_ERR"),
    (5, "POLL_PRI"),
    (6, "POLL_HUP"),
];

/// The native signed 32-bit word at `off`.
fn int(bytes: &[u8; 48], off: usize) -> i32 {
    i32::from_ne_bytes(word(bytes, off).to_ne_bytes())
}

fn word(bytes: &[u8; 48], off: usize) -> u32 {
    u32::from_ne_bytes([bytes[off], bytes[off + 1], bytes[off + 2], bytes[off + 3]])
}

fn long(bytes: &[u8; 48], off: usize) -> u64 {
    let [low, high] = [word(bytes, off), word(bytes, off + 4)].map(u32::to_ne_bytes);
    let mut long = [0; 8];
    long[..4].copy_from_slice(&low);
    long[4..].copy_from_slice(&high);
    u64::from_ne_bytes(long)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn siginfo(signo: u32, code: i32, union: [u32; 4]) -> Siginfo {
        let mut bytes = [0; 48];
        bytes[..4].copy_from_slice(&signo.to_ne_bytes());
        bytes[8..12].copy_from_slice(&code.to_ne_bytes());
        for (index, word) in union.iter().enumerate() {
            bytes[16 + 4 * index..][..4].copy_from_slice(&word.to_ne_bytes());
        }
        Siginfo::read(&bytes)
    }

    #[test]
    fn a_queued_value_is_read_with_its_sender() {
        let info = siginfo(35, -1, [1200, 1000, 7, 0]);
        assert_eq!(info.code_name(), "SI_QUEUE");
        assert_eq!(info.origin.to_string(), "pid 1200, uid 1000");
        assert_eq!(info.value(), Some(7));
    }

    #[test]
    fn a_code_means_what_its_signal_makes_of_it() {
        for (signo, name) in [
            (4, "ILL_ILLOPC"),
            (5, "TRAP_BRKPT"),
            (7, "BUS_ADRALN"),
            (8, "FPE_INTDIV"),
            (11, "SEGV_MAPERR"),
            (17, "CLD_EXITED"),
            (29, "POLL_IN"),
            (31, "SYS_SECCOMP"),
            (40, "POLL_IN"),
        ] {
            assert_eq!(siginfo(signo, 1, [0; 4]).code_name(), name);
        }
    }

    #[test]
    fn a_fault_has_an_address_and_a_child_a_status() {
        let fault = siginfo(11, 1, [0xdead_beef, 0x7f, 0, 0]);
        assert_eq!(fault.origin.to_string(), "address 0x7fdeadbeef");
        let child = siginfo(17, 2, [99, 5, 9, 0]);
        assert_eq!(child.origin.to_string(), "child 99, uid 5, status 9");
    }

    #[test]
    fn a_code_that_nobody_named_is_a_number_with_a_sender() {
        let info = siginfo(10, 77, [3, 4, 5, 6]);
        assert_eq!(info.code_name(), "77");
        assert_eq!(info.origin, Origin::Sender { pid: 3, uid: 4 });
    }

    #[test]
    fn a_timer_tells_its_overrun_only_if_there_is_one() {
        let once = siginfo(14, -2, [3, 0, 9, 0]);
        assert_eq!(once.origin.to_string(), "timer 3");
        let often = siginfo(14, -2, [3, 8, 9, 0]);
        assert_eq!(often.origin.to_string(), "timer 3, overrun 8");
        assert!(!once.same_but_value(&often));
    }
}
