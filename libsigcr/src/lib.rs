// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Checkpoint and restore the signal state of a process: actions, masks, stacks, queues, timers.
//!
//! The kernel's part is two system calls, sigckpt(2) and sigrestore(2). The first writes a *record*
//! of the signal state of the process behind a pidfd, the second puts a record into effect, wholly
//! or not at all. This crate makes the calls, and reads, edits and writes records; the last works
//! on any Linux, whether it has the calls or not.
//!
//! ```no_run
//! use sigcr::{checkpoint, open_process, restore, stop::Stopped};
//! use sigcr::{CheckpointFlags, RestoreFlags, Snapshot};
//!
//! # fn main() -> Result<(), sigcr::Error> {
//! // Take the record of a process that runs, while it is stopped for just that long.
//! let stopped = Stopped::stop(1234)?;
//! let snapshot = checkpoint(stopped.pidfd().into(), CheckpointFlags::empty())?;
//! drop(stopped);
//! snapshot.write_to("1234.sigcr")?;
//!
//! // Later: put it into another process, which has other thread ids.
//! let mut model = Snapshot::read_from("1234.sigcr")?.to_model();
//! model.remap_in_order(&[4321])?;
//! let stopped = Stopped::stop(4321)?;
//! restore(stopped.pidfd().into(), &model.encode()?, RestoreFlags::empty())?;
//! # Ok(())
//! # }
//! ```
//!
//! What can be done without the calls:
//!
//! ```
//! use sigcr::{Model, Queue, QueuedSignal, SigNo};
//!
//! let usr1 = SigNo::new(10).unwrap();
//! let mut model = Model::new(1234);
//! model.shared_pending = Some(Queue::of([QueuedSignal::sent_by(usr1, 1, 0)]));
//! let snapshot = model.encode()?;
//! assert_eq!(snapshot.to_model(), model);
//!
//! // A record that is not as it was written is refused, in words.
//! let mut bytes = snapshot.as_bytes().to_vec();
//! *bytes.last_mut().unwrap() ^= 1;
//! let refusal = sigcr::Snapshot::from_bytes(bytes).unwrap_err();
//! assert!(refusal.to_string().starts_with("the checksum is"));
//! # Ok::<(), sigcr::record::Refusal>(())
//! ```
//!
//! # From C
//!
//! `include/sigcr.h` declares the same for C programs, in the C library's manner. `install.sh`
//! installs it with `libsigcr.so`, `libsigcr.a` and what pkg-config needs.
//!
//! # What this crate does not do
//!
//! - It does not checkpoint a whole process: no memory, no registers, no open files.
//! - It does not make up for a kernel without the calls by itself: [`checkpoint()`] then fails with
//!   [`Errno::ENOSYS`], and [`status()`] says so beforehand; [`ptrace`] does what can be done.
//! - It does not stop a process behind the caller's back; see [`stop`] for doing it.
//! - It does not translate a record of another architecture or byte order: such a record is refused.
//! - [`Model`] does not hold what this version does not know: an optional section of an unknown
//!   type, and what a newer writer appended to a section. [`Snapshot`] keeps both.

#![deny(unsafe_code)]

pub mod ptrace;
pub mod record;
pub mod stop;

mod action;
mod capi;
mod checkpoint;
mod edit;
mod error;
mod model;
mod queue;
mod refusal_text;
mod restore;
mod signal;
mod snapshot;
mod status;
mod syscall;
mod target;
mod timers;

pub use action::{Action, ActionFlags, FrameAbi, Handler};
pub use checkpoint::{
    checkpoint, checkpoint_len, checkpoint_version, CheckpointFlags, RECORD_VERSION,
};
pub use edit::{EditError, Parts};
pub use error::Error;
pub use model::{
    AltStack, AltStackFlags, Model, ProcessInfo, RecordFlags, ThreadInfo, ThreadModel,
};
pub use nix::errno::Errno;
pub use queue::{Queue, QueuedSignal};
pub use restore::{restore, RestoreFlags};
pub use signal::{SigNo, SigSet, UnknownSignal};
pub use snapshot::Snapshot;
pub use status::{status, Status};
pub use target::{open_process, open_thread, Target};
pub use timers::{
    Itimer, Itimers, Signalfd, TimerModel, TimerNotify, TimerState, Timers, Waiter, WaitsFor,
};

/// What [`record`] asks of its host: the structs and constants of the UAPI header.
mod abi {
    pub use sigcr_sys::*;
}

/// What [`record`] asks of its host: CRC-32C of `bytes`, going on from `crc`.
fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}
