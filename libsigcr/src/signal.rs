// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Signal numbers and sets of them, and their names.

use std::{fmt, str::FromStr};

use serde::{de, Deserialize, Deserializer, Serialize, Serializer};

use crate::abi;

/// A signal number, 1 to 64.
///
/// The names are the kernel's: `SIGRTMIN` is 32, the first real-time signal that the kernel has.
/// The C library keeps some of those for itself, so its `SIGRTMIN` is a higher one (34 in glibc);
/// a record knows nothing of that, and neither does this type.
///
/// ```
/// use sigcr::SigNo;
///
/// let signo: SigNo = "SIGRTMIN+3".parse()?;
/// assert_eq!(signo.get(), 35);
/// assert_eq!(signo, "35".parse()?);
/// assert_eq!(SigNo::new(10).unwrap().to_string(), "SIGUSR1");
/// assert_eq!(SigNo::new(65), None);
/// # Ok::<(), sigcr::UnknownSignal>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SigNo(u8);

/// A set of signals, as the kernel keeps it: bit `signo - 1` stands for `signo`.
///
/// ```
/// use sigcr::{SigNo, SigSet};
///
/// let set: SigSet = "SIGHUP,SIGUSR1".parse()?;
/// assert_eq!(set.bits(), 0x201);
/// assert!(set.contains(SigNo::new(10).unwrap()));
/// assert_eq!(set.to_string(), "SIGHUP,SIGUSR1");
/// # Ok::<(), sigcr::UnknownSignal>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SigSet(u64);

/// A text that names no signal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' names no signal; use a name such as SIGUSR1 or SIGRTMIN+3, or a number from 1 to {max}",
    max = abi::SIGCR_SIGNO_MAX
)]
pub struct UnknownSignal(String);

impl SigNo {
    /// The first real-time signal, in the kernel's numbering.
    pub const RTMIN: SigNo = SigNo(32);
    /// The last real-time signal, and the last of all.
    pub const RTMAX: SigNo = SigNo(64);

    /// The signal with the number `signo`; `None` if there is none.
    pub fn new(signo: u32) -> Option<SigNo> {
        match u8::try_from(signo) {
            Ok(number @ 1..=64) => Some(SigNo(number)),
            _ => None,
        }
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.into()
    }

    /// All signals, in ascending order.
    pub fn all() -> impl DoubleEndedIterator<Item = SigNo> {
        (1..=64).map(SigNo)
    }

    /// Whether the default action is to ignore the signal.
    pub(crate) fn is_ignored_by_default(self) -> bool {
        const IGNORED: [i32; 4] = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
        IGNORED.contains(&self.0.into())
    }

    /// Whether several of this signal can be queued at the same time.
    pub fn is_realtime(self) -> bool {
        self >= Self::RTMIN
    }
}

impl fmt::Display for SigNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::RTMIN => f.pad("SIGRTMIN"),
            Self::RTMAX => f.pad("SIGRTMAX"),
            signo if signo.is_realtime() => f.pad(&format!("SIGRTMIN+{}", signo.0 - Self::RTMIN.0)),
            SigNo(number) => f.pad(NAMES[usize::from(number) - 1]),
        }
    }
}

impl FromStr for SigNo {
    type Err = UnknownSignal;

    /// Reads a number or a name, with or without `SIG`, in upper or lower case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim()).ok_or_else(|| UnknownSignal(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<SigNo> {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return SigNo::new(text.parse().ok()?);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let realtime = |number: Option<u32>| {
        number
            .and_then(SigNo::new)
            .filter(|signo| signo.is_realtime())
    };
    match name {
        "RTMIN" => return Some(SigNo::RTMIN),
        "RTMAX" => return Some(SigNo::RTMAX),
        "IOT" => return SigNo::new(6),
        "CLD" => return SigNo::new(17),
        "POLL" => return SigNo::new(29),
        _ => {}
    }
    if let Some(above) = name.strip_prefix("RTMIN+") {
        return realtime(SigNo::RTMIN.get().checked_add(above.parse().ok()?));
    }
    if let Some(below) = name.strip_prefix("RTMAX-") {
        return realtime(SigNo::RTMAX.get().checked_sub(below.parse().ok()?));
    }
    SigNo::all()
        .zip(NAMES)
        .find_map(|(signo, known)| (&known[3..] == name).then_some(signo))
}

impl SigSet {
    /// No signal.
    pub const EMPTY: SigSet = SigSet(0);

    /// The set with these bits.
    pub const fn from_bits(bits: u64) -> SigSet {
        SigSet(bits)
    }

    /// The bits: bit `signo - 1` stands for `signo`.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether no signal is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The number of signals in the set.
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether `signo` is in the set.
    pub fn contains(self, signo: SigNo) -> bool {
        self.0 & bit(signo) != 0
    }

    /// Adds `signo`.
    pub fn insert(&mut self, signo: SigNo) {
        self.0 |= bit(signo);
    }

    /// Takes `signo` out.
    pub fn remove(&mut self, signo: SigNo) {
        self.0 &= !bit(signo);
    }

    /// The signals in the set, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = SigNo> {
        SigNo::all().filter(move |signo| self.contains(*signo))
    }
}

fn bit(signo: SigNo) -> u64 {
    1 << (signo.0 - 1)
}

impl FromIterator<SigNo> for SigSet {
    fn from_iter<I: IntoIterator<Item = SigNo>>(signals: I) -> Self {
        let mut set = Self::EMPTY;
        set.extend(signals);
        set
    }
}

impl Extend<SigNo> for SigSet {
    fn extend<I: IntoIterator<Item = SigNo>>(&mut self, signals: I) {
        signals.into_iter().for_each(|signo| self.insert(signo));
    }
}

impl fmt::Display for SigSet {
    /// The names in ascending order with commas; nothing for the empty set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(|signo| signo.to_string()).collect();
        f.pad(&names.join(","))
    }
}

impl FromStr for SigSet {
    type Err = UnknownSignal;

    /// Reads signals with commas between them; the empty text is the empty set.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            return Ok(Self::EMPTY);
        }
        text.split(',').map(str::parse::<SigNo>).collect()
    }
}

impl Serialize for SigNo {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.collect_str(self)
        } else {
            to.serialize_u8(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for SigNo {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            let text = String::deserialize(from)?;
            text.parse().map_err(de::Error::custom)
        } else {
            let number = u8::deserialize(from)?;
            SigNo::new(number.into())
                .ok_or_else(|| de::Error::custom(UnknownSignal(number.to_string())))
        }
    }
}

impl Serialize for SigSet {
    /// For people a list of names, for programs the bits.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.collect_seq(self.iter())
        } else {
            to.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for SigSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if from.is_human_readable() {
            Ok(Vec::<SigNo>::deserialize(from)?.into_iter().collect())
        } else {
            u64::deserialize(from).map(SigSet)
        }
    }
}

/// The names of the signals below `SIGRTMIN`; the same numbers on x86-64 and arm64.
const NAMES: [&str; 31] = [
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_c_library() {
        for (name, number) in [
            ("SIGHUP", libc::SIGHUP),
            ("SIGABRT", libc::SIGABRT),
            ("SIGBUS", libc::SIGBUS),
            ("SIGUSR1", libc::SIGUSR1),
            ("SIGUSR2", libc::SIGUSR2),
            ("SIGSTKFLT", libc::SIGSTKFLT),
            ("SIGCHLD", libc::SIGCHLD),
            ("SIGCONT", libc::SIGCONT),
            ("SIGSTOP", libc::SIGSTOP),
            ("SIGURG", libc::SIGURG),
            ("SIGWINCH", libc::SIGWINCH),
            ("SIGIO", libc::SIGIO),
            ("SIGPWR", libc::SIGPWR),
            ("SIGSYS", libc::SIGSYS),
        ] {
            let signo: SigNo = name.parse().unwrap();
            assert_eq!(i64::from(signo.get()), i64::from(number), "{name}");
        }
    }

    #[test]
    fn every_name_reads_back_as_its_signal() {
        for signo in SigNo::all() {
            assert_eq!(signo.to_string().parse(), Ok(signo));
            assert_eq!(signo.get().to_string().parse(), Ok(signo));
            assert_eq!(signo.to_string().to_lowercase()[3..].parse(), Ok(signo));
        }
        assert_eq!(SigNo::all().count(), 64);
        for (alias, name) in [
            ("SIGIOT", "SIGABRT"),
            ("SIGCLD", "SIGCHLD"),
            ("SIGPOLL", "SIGIO"),
            ("SIGRTMAX-1", "SIGRTMIN+31"),
        ] {
            assert_eq!(alias.parse::<SigNo>(), name.parse());
        }
    }

    #[test]
    fn a_text_that_names_no_signal_is_refused() {
        for text in [
            "",
            "SIG",
            "0",
            "65",
            "-1",
            "SIGRTMIN+33",
            "SIGRTMIN+-1",
            "SIGRTMAX-33",
            "SIGRTMIN-1",
            "SIGUSR3",
            "4294967297",
        ] {
            assert_eq!(text.parse::<SigNo>(), Err(UnknownSignal(text.to_owned())));
        }
    }

    #[test]
    fn a_set_shows_and_reads_its_signals_in_order() {
        let set = SigSet::from_bits(1 << 63 | 1 << 34 | 1 << 9 | 1);
        assert_eq!(set.to_string(), "SIGHUP,SIGUSR1,SIGRTMIN+3,SIGRTMAX");
        assert_eq!(set.to_string().parse(), Ok(set));
        assert_eq!("".parse(), Ok(SigSet::EMPTY));
        assert_eq!(set.count(), 4);
    }

    #[test]
    fn json_has_names_and_takes_numbers_as_text() {
        let set = SigSet::from_bits(0x201);
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"["SIGHUP","SIGUSR1"]"#);
        assert_eq!(serde_json::from_str::<SigSet>(&json).unwrap(), set);
        assert_eq!(
            serde_json::from_str::<SigSet>(r#"["1","USR1"]"#).unwrap(),
            set
        );
        assert!(serde_json::from_str::<SigSet>(r#"["SIGNONE"]"#).is_err());
    }
}
