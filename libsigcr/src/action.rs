// SPDX-License-Identifier: GPL-2.0 OR MIT

//! An action: what a process does about one signal.

use std::fmt;

use bitflags::bitflags;
use serde::{de, Deserialize, Deserializer, Serialize, Serializer};

use crate::{abi, record, SigNo, SigSet};

/// What a process does about one signal, as set by sigaction(2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The signal.
    pub signo: SigNo,
    /// What is called.
    pub handler: Handler,
    /// The flags.
    pub flags: ActionFlags,
    /// The address of the code that returns from the handler, with [`ActionFlags::RESTORER`].
    pub restorer: u64,
    /// The signals that are blocked while the handler runs.
    pub mask: SigSet,
    /// The kind of signal frame that the handler gets.
    pub abi: FrameAbi,
}

/// The handler of a signal: an address, or one of two that stand for something else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Handler(pub u64);

bitflags! {
    /// The flags of an action, `SA_*` of sigaction(2).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
    pub struct ActionFlags: u64 {
        /// `SA_NOCLDSTOP`: no `SIGCHLD` when a child stops.
        const NOCLDSTOP = 0x1;
        /// `SA_NOCLDWAIT`: children that end leave no zombie.
        const NOCLDWAIT = 0x2;
        /// `SA_SIGINFO`: the handler takes three arguments.
        const SIGINFO = 0x4;
        /// `SA_EXPOSE_TAGBITS`: the handler sees the tag bits of a fault's address.
        const EXPOSE_TAGBITS = 0x800;
        /// `SA_RESTORER`: the restorer is set.
        const RESTORER = 0x0400_0000;
        /// `SA_ONSTACK`: the handler runs on the alternate stack.
        const ONSTACK = 0x0800_0000;
        /// `SA_RESTART`: an interrupted system call goes on.
        const RESTART = 0x1000_0000;
        /// `SA_NODEFER`: the signal itself is not blocked while its handler runs.
        const NODEFER = 0x4000_0000;
        /// `SA_RESETHAND`: the action becomes the default one when the handler starts.
        const RESETHAND = 0x8000_0000;
    }
}

/// The kind of signal frame that a handler gets: by the system call that set the action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameAbi {
    /// The architecture's own.
    #[default]
    Native,
    /// That of a 32-bit program on x86-64.
    Ia32,
    /// That of an x32 program on x86-64.
    X32,
}

/// Whether a signal is ignored, by its action or by default; `actions` are those that are not the
/// default.
pub(crate) fn is_ignored(actions: &[Action], signo: SigNo) -> bool {
    let mut actions = actions.iter();
    let action = actions.find(|action| action.signo == signo);
    match action.map_or(Handler::DEFAULT, |action| action.handler) {
        Handler::IGNORE => true,
        Handler::DEFAULT => signo.is_ignored_by_default(),
        _ => false,
    }
}

impl Handler {
    /// `SIG_DFL`: the signal's default action.
    pub const DEFAULT: Handler = Handler(0);
    /// `SIG_IGN`: nothing.
    pub const IGNORE: Handler = Handler(1);
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DEFAULT => f.pad("SIG_DFL"),
            Self::IGNORE => f.pad("SIG_IGN"),
            Handler(address) => f.pad(&format!("{address:#x}")),
        }
    }
}

impl Serialize for Handler {
    /// For people its display form: an address does not fit into the numbers of many JSON readers.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.collect_str(self)
        } else {
            to.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Handler {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !from.is_human_readable() {
            return u64::deserialize(from).map(Handler);
        }
        let text = String::deserialize(from)?;
        match text.as_str() {
            "SIG_DFL" => Ok(Self::DEFAULT),
            "SIG_IGN" => Ok(Self::IGNORE),
            _ => text
                .strip_prefix("0x")
                .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                .map(Handler)
                .ok_or_else(|| {
                    de::Error::custom(format!(
                        "'{text}' is no handler; use SIG_DFL, SIG_IGN or an address such as 0x1000"
                    ))
                }),
        }
    }
}

impl From<record::Action> for Action {
    /// The action of a record that was decoded, so that signo and ABI are known to be good.
    fn from(action: record::Action) -> Self {
        Action {
            signo: SigNo::new(action.signo).unwrap_or(SigNo::RTMAX),
            handler: Handler(action.handler),
            flags: ActionFlags::from_bits_retain(action.flags),
            restorer: action.restorer,
            mask: SigSet::from_bits(action.mask),
            abi: match action.abi {
                abi::SIGCR_ABI_IA32 => FrameAbi::Ia32,
                abi::SIGCR_ABI_X32 => FrameAbi::X32,
                _ => FrameAbi::Native,
            },
        }
    }
}

impl From<&Action> for record::Action {
    fn from(action: &Action) -> Self {
        record::Action {
            signo: action.signo.get(),
            abi: match action.abi {
                FrameAbi::Native => abi::SIGCR_ABI_NATIVE,
                FrameAbi::Ia32 => abi::SIGCR_ABI_IA32,
                FrameAbi::X32 => abi::SIGCR_ABI_X32,
            },
            flags: action.flags.bits(),
            handler: action.handler.0,
            restorer: action.restorer,
            mask: action.mask.bits(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_those_that_the_header_allows() {
        assert_eq!(
            ActionFlags::all().bits(),
            u64::from(abi::SIGCR_ACTION_FLAGS)
        );
    }

    #[test]
    fn json_keeps_an_address_of_64_bits_exactly() {
        for handler in [
            Handler::DEFAULT,
            Handler::IGNORE,
            Handler(2),
            Handler(u64::MAX - 1),
        ] {
            let json = serde_json::to_string(&handler).unwrap();
            assert_eq!(serde_json::from_str::<Handler>(&json).unwrap(), handler);
        }
        assert!(serde_json::from_str::<Handler>("\"main\"").is_err());
    }
}
