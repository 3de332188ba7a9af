// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The forms of the record's numbers and structs as bytes, for `record.rs` and `encode.rs`.
//!
//! The structs are bindgen's, from the UAPI header; here they only get their order of fields, which
//! the compiler compares with the header's. Takes no locks; may be used in any context.

use core::mem::{
    offset_of,
    size_of, //
};

use crate::abi;

/// Bytes that are still to be read.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

/// Bytes that are still to be written.
pub(super) struct Room<'a> {
    pub(super) rest: &'a mut [u8],
}

/// A value with one fixed form in the record.
pub(super) trait Wire: Sized {
    /// Bytes of that form.
    const LEN: usize;
    /// Reads the value; `None` at the end of the bytes.
    fn load(from: &mut Reader<'_>) -> Option<Self>;
    /// Writes the value; what finds no room is left out.
    fn store(&self, to: &mut Room<'_>);
}

/// A struct of the UAPI header as its bytes.
pub(super) trait WireStruct: Wire {
    /// An array of [`Wire::LEN`] bytes.
    type Bytes: AsRef<[u8]>;
    /// The form of the value in the record.
    fn to_bytes(&self) -> Self::Bytes;
}

/// Reads a value from the start of `bytes`; what follows was appended by a newer writer.
pub(super) fn load<T: Wire>(bytes: &[u8]) -> Option<T> {
    T::load(&mut Reader { rest: bytes })
}

macro_rules! wire_number {
    ($($number:ty),*) => {$(
        impl Wire for $number {
            const LEN: usize = size_of::<$number>();
            #[inline(always)]
            fn load(from: &mut Reader<'_>) -> Option<Self> {
                let (bytes, rest) = from.rest.split_first_chunk()?;
                from.rest = rest;
                Some(Self::from_ne_bytes(*bytes))
            }
            #[inline(always)]
            fn store(&self, to: &mut Room<'_>) {
                let room = core::mem::take(&mut to.rest);
                if let Some((bytes, rest)) = room.split_first_chunk_mut() {
                    *bytes = self.to_ne_bytes();
                    to.rest = rest;
                }
            }
        }
    )*};
}

wire_number!(u32, i32, u64, i64);

impl<const N: usize> Wire for [u8; N] {
    const LEN: usize = N;
    #[inline(always)]
    fn load(from: &mut Reader<'_>) -> Option<Self> {
        let (bytes, rest) = from.rest.split_first_chunk()?;
        from.rest = rest;
        Some(*bytes)
    }
    #[inline(always)]
    fn store(&self, to: &mut Room<'_>) {
        let room = core::mem::take(&mut to.rest);
        if let Some((bytes, rest)) = room.split_first_chunk_mut() {
            *bytes = *self;
            to.rest = rest;
        }
    }
}

impl<const N: usize> Wire for [u32; N] {
    const LEN: usize = u32::LEN * N;
    #[inline(always)]
    fn load(from: &mut Reader<'_>) -> Option<Self> {
        let mut values = [0; N];
        for value in &mut values {
            *value = u32::load(from)?;
        }
        Some(values)
    }
    #[inline(always)]
    fn store(&self, to: &mut Room<'_>) {
        for value in self {
            value.store(to);
        }
    }
}

/// Gives a struct of the UAPI header its form in the record: the fields in their order. It does not
/// compile if a field is missing, if they stand in another order, or if there is padding.
macro_rules! wire_struct {
    ($name:ty, $len:expr, { $($field:ident),* $(,)? }) => {
        const _: () = {
            let fields = [$(offset_of!($name, $field)),*];
            let mut i = 1;
            while i < fields.len() {
                assert!(fields[i - 1] < fields[i]);
                i += 1;
            }
            assert!(<$name>::LEN == size_of::<$name>());
            assert!(<$name>::LEN == $len as usize);
        };
        impl Wire for $name {
            const LEN: usize = {
                const fn len_of<T: Wire, S>(_: fn(&S) -> &T) -> usize {
                    T::LEN
                }
                0 $(+ len_of(|value: &$name| &value.$field))*
            };
            #[inline(always)]
            fn load(from: &mut Reader<'_>) -> Option<Self> {
                Some(Self { $($field: Wire::load(from)?),* })
            }
            #[inline(always)]
            fn store(&self, to: &mut Room<'_>) {
                $(self.$field.store(to);)*
            }
        }
        impl WireStruct for $name {
            type Bytes = [u8; size_of::<$name>()];
            #[inline(always)]
            fn to_bytes(&self) -> Self::Bytes {
                let mut bytes = [0; size_of::<$name>()];
                self.store(&mut Room { rest: &mut bytes });
                bytes
            }
        }
    };
}

wire_struct!(abi::sigcr_header, abi::SIGCR_HEADER_LEN_VER1, {
    magic, version, header_len, crc32c, total_len, arch, flags, section_count, thread_count, tgid,
    reserved,
});
wire_struct!(abi::sigcr_section, abi::SIGCR_SECTION_LEN_VER1, { type_, flags, len });
wire_struct!(abi::sigcr_process, abi::SIGCR_PROCESS_LEN_VER1, {
    section, stop_signo, exit_signo, rlimit_sigpending_count, start_boottime_ns,
});
wire_struct!(abi::sigcr_actions, abi::SIGCR_ACTIONS_LEN_VER1, {
    section, entries_off, entry_len, entry_count, reserved,
});
wire_struct!(abi::sigcr_action, abi::SIGCR_ACTION_LEN_VER1, { signo, abi, flags, handler, restorer, mask });
wire_struct!(abi::sigcr_pending, abi::SIGCR_PENDING_LEN_VER1, {
    section, tid, entries_off, entry_len, entry_count, set,
});
wire_struct!(abi::sigcr_entry, abi::SIGCR_ENTRY_LEN_VER1, { siginfo, flags, timer_id });
wire_struct!(abi::sigcr_thread, abi::SIGCR_THREAD_LEN_VER1, { section, tid, pdeath_signo, blocked });
wire_struct!(abi::sigcr_altstack, abi::SIGCR_ALTSTACK_LEN_VER1, { section, tid, ss_flags, sp, size });
wire_struct!(abi::sigcr_itimer, 2 * u64::LEN, { remaining_ns, interval_ns });
wire_struct!(abi::sigcr_itimers, abi::SIGCR_ITIMERS_LEN_VER1, { section, real, virt, prof });
wire_struct!(abi::sigcr_timers, abi::SIGCR_TIMERS_LEN_VER1, {
    section, entries_off, entry_len, entry_count, next_timer_id,
});
wire_struct!(abi::sigcr_timer, abi::SIGCR_TIMER_LEN_VER1, {
    timer_id, clock_id, notify, signo, sigval, notify_tid, flags, interval_ns, remaining_ns, expires_ns,
    overrun, overrun_last,
});
wire_struct!(abi::sigcr_signalfds, abi::SIGCR_SIGNALFDS_LEN_VER1, {
    section, entries_off, entry_len, entry_count, reserved,
});
wire_struct!(abi::sigcr_signalfd, abi::SIGCR_SIGNALFD_LEN_VER1, { fd, flags, mask });
wire_struct!(abi::sigcr_inflight, abi::SIGCR_INFLIGHT_LEN_VER1, { section, tid, reserved, siginfo });
wire_struct!(abi::sigcr_waiters, abi::SIGCR_WAITERS_LEN_VER1, {
    section, entries_off, entry_len, entry_count, reserved,
});
wire_struct!(abi::sigcr_waiter, abi::SIGCR_WAITER_LEN_VER1, { tid, id_type, id, options });
