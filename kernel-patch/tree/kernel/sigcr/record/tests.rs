// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tests of `record.rs`: the sample records that they are made on; the tests are in the files below.
//!
//! They run with libsigcr's tests and as KUnit tests. KUnit takes a module of tests only where it is
//! written out, so each file has one in it.

mod content;
mod encode;
mod header;
mod later;
mod sections;
mod timers;

use super::{
    encode::{
        seal,
        unfinished_header,
        SliceSink,
        Writer, //
    },
    wire::Room,
    *, //
};

/// Room for the sample and what the tests add to it; small, as it is on the kernel's stack.
const BUF_LEN: usize = 640;

// Where the parts of the sample are.
const PROCESS: usize = Header::LEN;
const ACTIONS: usize = PROCESS + Process::LEN;
const ACTION: usize = ACTIONS + abi::sigcr_actions::LEN;
const SHARED: usize = ACTION + 2 * Action::LEN;
const SHARED_ENTRY: usize = SHARED + abi::sigcr_pending::LEN;
const THREAD: usize = SHARED_ENTRY + 2 * Entry::LEN;
const ALTSTACK: usize = THREAD + Thread::LEN;
const PENDING: usize = ALTSTACK + Altstack::LEN;
const PENDING_ENTRY: usize = PENDING + abi::sigcr_pending::LEN;
const SECOND: usize = PENDING_ENTRY + Entry::LEN;
const END: usize = SECOND + Thread::LEN;

// Where fields are in their structs.
const LEN_OFF: usize = offset_of!(Head, len);
const FLAGS_OFF: usize = offset_of!(Head, flags);
const TID_OFF: usize = Head::LEN;
const SET_OFF: usize = offset_of!(abi::sigcr_pending, set);
const ENTRY_LEN_OFF: usize = offset_of!(abi::sigcr_pending, entry_len);
const ENTRY_COUNT_OFF: usize = offset_of!(abi::sigcr_pending, entry_count);
const ENTRIES_OFF_OFF: usize = offset_of!(abi::sigcr_pending, entries_off);

const SIGCHLD: u32 = 17;
const SIGHUP: u32 = 1;
const SIGUSR1: u32 = 10;
const SIGTERM: u32 = 15;

fn head(flags: u32) -> Head {
    Head {
        type_: 0,
        flags,
        len: 0,
    }
}

fn header() -> Header {
    unfinished_header(0, 2, 100)
}

fn process() -> Process {
    Process {
        section: head(abi::SIGCR_PROCESS_STOPPED),
        stop_signo: SIGSTOP,
        exit_signo: SIGCHLD,
        rlimit_sigpending_count: 1000,
        start_boottime_ns: 5,
    }
}

fn action(signo: u32) -> Action {
    Action {
        signo,
        abi: abi::SIGCR_ABI_NATIVE,
        flags: abi::SIGCR_ACTION_FLAGS.into(),
        handler: 0x1000,
        restorer: 0x2000,
        mask: sigset_of(SIGTERM),
    }
}

fn entry(signo: u32) -> Entry {
    let mut siginfo = [0x5a; abi::SIGCR_SIGINFO_LEN as usize];
    put(&mut siginfo, 0, signo);
    Entry {
        siginfo,
        flags: 0,
        timer_id: 0,
    }
}

fn thread(tid: i32, flags: u32) -> Thread {
    Thread {
        section: head(flags),
        tid,
        pdeath_signo: SIGTERM,
        blocked: !UNBLOCKABLE,
    }
}

fn altstack(tid: i32) -> Altstack {
    Altstack {
        section: head(0),
        tid,
        ss_flags: SS_AUTODISARM,
        sp: 0x10000,
        size: 0x4000,
    }
}

fn queue(writer: &mut Writer<SliceSink<'_>>, tid: i32, set: u64, entries: &[Entry]) {
    let mut list = writer.begin_queue();
    for entry in entries {
        writer.entry(&mut list, entry);
    }
    writer.end_queue(list, tid, set);
}

/// The sample: each section, with two entries in a list, and a second thread.
fn sample(buf: &mut [u8]) -> usize {
    let mut writer = Writer::new(buf);
    writer.process(&process());
    let mut list = writer.begin_actions();
    writer.action(&mut list, &action(SIGHUP));
    writer.action(&mut list, &action(SIGUSR1));
    writer.end_actions(list);
    // One more signal is pending than is queued.
    let set = sigset_of(SIGTERM) | sigset_of(40) | sigset_of(SIGUSR1);
    queue(&mut writer, 0, set, &[entry(SIGTERM), entry(40)]);
    writer.thread(&thread(100, 0));
    writer.altstack(&altstack(100));
    queue(&mut writer, 100, sigset_of(33), &[entry(33)]);
    writer.thread(&thread(101, abi::SIGCR_THREAD_UNSTABLE));
    writer.finish(&header())
}

/// Why a record is refused that `write` writes.
fn written(write: impl FnOnce(&mut Writer<SliceSink<'_>>)) -> Option<Refusal> {
    written_with(0, write)
}

/// The same with these flags in the header.
// Never inlined, so that a test has no more than one buffer on its stack.
#[inline(never)]
fn written_with(flags: u32, write: impl FnOnce(&mut Writer<SliceSink<'_>>)) -> Option<Refusal> {
    let mut buf = [0; BUF_LEN];
    let mut writer = Writer::new(&mut buf);
    write(&mut writer);
    let len = writer.finish(&Header { flags, ..header() });
    Record::decode(buf.get(..len)?).err()
}

/// Why a record decodes but cannot be restored that `write` writes.
#[inline(never)]
fn not_restorable(write: impl FnOnce(&mut Writer<SliceSink<'_>>)) -> Option<Refusal> {
    let mut buf = [0; BUF_LEN];
    let mut writer = Writer::new(&mut buf);
    write(&mut writer);
    let len = writer.finish(&header());
    let record = Record::decode(buf.get(..len)?);
    assert!(record.is_ok());
    record.ok()?.check_restorable().err()
}

/// Why the sample is refused after `fault` was put into it, and the checksum made good.
#[inline(never)]
fn faulty(fault: impl FnOnce(&mut [u8])) -> Option<Refusal> {
    let mut buf = [0; BUF_LEN];
    let len = sample(&mut buf);
    let record = buf.get_mut(..len)?;
    fault(record);
    seal(record);
    Record::decode(record).err()
}

/// Why the sample is refused with `value` at `off`.
fn with<T: Wire>(off: usize, value: T) -> Option<Refusal> {
    faulty(|record| put(record, off, value))
}

fn put<T: Wire>(bytes: &mut [u8], off: usize, value: T) {
    if let Some(rest) = bytes.get_mut(off..) {
        value.store(&mut Room { rest });
    }
}
