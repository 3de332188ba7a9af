// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Golden records of actions, masks, stacks and queues, and of every fault in their frame.

use sigcr::{
    record::{encode::seal, Refusal},
    Action, ActionFlags, AltStack, AltStackFlags, FrameAbi, Handler, Model, ProcessInfo, Queue,
    QueuedSignal, RecordFlags, SigNo, SigSet, ThreadInfo, ThreadModel,
};

/// The records that decode, with what they decode to.
pub(crate) fn good() -> Vec<(&'static str, Model)> {
    vec![
        ("v1-idle-process.bin", idle()),
        ("v1-many-threads.bin", many_threads()),
        ("v1-full-action-table.bin", full_action_table()),
        ("v1-1000-realtime-signals.bin", realtime_signals()),
        ("v1-bit-without-entry.bin", bit_without_entry()),
        ("v1-one-thread.bin", one_thread()),
        ("v1-autodisarm.bin", autodisarm()),
        ("v1-worker-and-dead-thread.bin", worker_and_dead_thread()),
        ("v1-live-unstable.bin", live_unstable()),
        ("v1-every-section.bin", every_section()),
    ]
}

/// The records as a newer writer may make them, with what this reader makes of them.
pub(crate) fn newer() -> Vec<(&'static str, Vec<u8>, Model)> {
    vec![
        ("v1-appended-fields.bin", appended_fields(), every_section()),
        ("v1-unknown-optional-section.bin", unknown_section(), {
            let mut model = every_section();
            model.process = None;
            model
        }),
    ]
}

/// The records that are refused, with the refusal.
pub(crate) fn bad() -> Vec<(Vec<u8>, Refusal)> {
    let mut all = bad_headers();
    all.extend(bad_sections());
    all.extend(bad_content());
    all
}

/// The file of a refused record: `v1-bad-` and the refusal's name, without a second "bad".
pub(crate) fn bad_name(refusal: &Refusal) -> String {
    let mut name = String::from("v1-bad");
    for letter in refusal.name().trim_start_matches("Bad").chars() {
        if letter.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name + ".bin"
}

pub(crate) fn signo(number: u32) -> SigNo {
    SigNo::new(number).expect("a signal number")
}

pub(crate) fn idle() -> Model {
    let mut model = Model::new(1000);
    model.process = Some(ProcessInfo {
        rlimit_sigpending_count: 31_000,
        start_boottime_ns: 5_000_000_000,
        ..ProcessInfo::default()
    });
    model.actions = Some(Vec::new());
    model.shared_pending = Some(Queue::default());
    model.threads = vec![thread(1000)];
    model
}

fn thread(tid: i32) -> ThreadModel {
    ThreadModel {
        tid,
        state: Some(ThreadInfo::default()),
        altstack: Some(AltStack::DISABLED),
        pending: Some(Queue::default()),
        inflight: None,
    }
}

fn many_threads() -> Model {
    let mut model = idle();
    model.thread_count = 200;
    model.threads = (1000..1200).map(thread).collect();
    for (index, thread) in (1..).zip(&mut model.threads) {
        let pending = signo(32 + index % 32);
        thread.state = Some(ThreadInfo {
            blocked: [pending].into_iter().collect(),
            ..ThreadInfo::default()
        });
        let signal = QueuedSignal::queued_by(pending, 1, 0, index.into());
        thread.pending = Some(Queue::of([signal]));
    }
    model
}

fn full_action_table() -> Model {
    let mut model = idle();
    let abis = [FrameAbi::Native, FrameAbi::Ia32, FrameAbi::X32];
    let flags: Vec<_> = ActionFlags::all().iter().collect();
    let signals = SigNo::all().filter(|signo| ![9, 19].contains(&signo.get()));
    let actions = signals.enumerate().map(|(index, signo)| Action {
        signo,
        handler: match index {
            0 => Handler::DEFAULT,
            1 => Handler::IGNORE,
            _ => Handler(0x7f00_0000_1000 + 16 * index as u64),
        },
        flags: flags[index % flags.len()] | ActionFlags::RESTORER,
        restorer: 0x7f00_0000_2000,
        mask: [signo].into_iter().collect(),
        abi: abis[index % abis.len()],
    });
    model.actions = Some(actions.collect());
    model
}

fn realtime_signals() -> Model {
    let mut model = idle();
    let signals = (0..1000_u32)
        .map(|index| QueuedSignal::queued_by(signo(34 + index % 31), 77, 1000, index.into()));
    model.shared_pending = Some(Queue::of(signals));
    model
}

fn bit_without_entry() -> Model {
    let mut model = idle();
    let set: SigSet = [signo(10), signo(40)].into_iter().collect();
    model.shared_pending = Some(Queue {
        set,
        entries: Vec::new(),
    });
    model.threads[0].pending = Some(Queue {
        set,
        entries: vec![QueuedSignal::sent_by(signo(40), 1, 0)],
    });
    model
}

fn one_thread() -> Model {
    let mut model = idle();
    model.threads = vec![thread(1001)];
    model.thread_count = 3;
    model.keep_thread(1001).expect("the thread is there");
    model
}

fn autodisarm() -> Model {
    let mut model = idle();
    model.threads[0].altstack = Some(AltStack {
        flags: AltStackFlags::AUTODISARM,
        sp: 0x7f12_3456_0000,
        size: 0x1_0000,
    });
    model
}

fn worker_and_dead_thread() -> Model {
    let mut model = idle();
    let listed = |tid, worker| ThreadModel {
        tid,
        state: Some(ThreadInfo {
            worker,
            dead: !worker,
            ..ThreadInfo::default()
        }),
        ..ThreadModel::default()
    };
    model.thread_count = 4;
    model.threads = vec![
        listed(1000, false),
        thread(1001),
        listed(1002, true),
        thread(1003),
    ];
    model
}

fn live_unstable() -> Model {
    let mut model = idle();
    model.flags = RecordFlags::LIVE | RecordFlags::UNSTABLE | RecordFlags::SHARED_SIGHAND;
    model.threads[0].state = Some(ThreadInfo {
        blocked: SigSet::from_bits(!(1 << 8 | 1 << 18)),
        unstable: true,
        ..ThreadInfo::default()
    });
    model
}

/// Every section, with two entries in a list, and a second thread: what the faults are put into.
fn every_section() -> Model {
    let action = |number| Action {
        signo: signo(number),
        handler: Handler(0x40_1000),
        flags: ActionFlags::SIGINFO | ActionFlags::RESTORER,
        restorer: 0x40_2000,
        mask: [signo(15)].into_iter().collect(),
        abi: FrameAbi::Native,
    };
    let mut model = idle();
    model.thread_count = 2;
    model.process = Some(ProcessInfo {
        stopped: true,
        unkillable: true,
        stop_signo: Some(signo(19)),
        exit_signo: Some(signo(17)),
        rlimit_sigpending_count: u64::MAX,
        start_boottime_ns: 1,
        ..ProcessInfo::default()
    });
    model.actions = Some(vec![action(1), action(10)]);
    model.shared_pending = Some(Queue::of([
        QueuedSignal::sent_by(signo(15), 1, 0),
        QueuedSignal::queued_by(signo(40), 77, 1000, u64::MAX),
    ]));
    let pending = QueuedSignal::sent_to_thread_by(signo(33), 1000, 1000);
    model.threads[0].altstack = autodisarm().threads[0].altstack;
    model.threads[0].pending = Some(Queue::of([pending]));
    model.threads.push(ThreadModel {
        tid: 1001,
        state: Some(ThreadInfo::default()),
        ..ThreadModel::default()
    });
    model
}

/// Where the parts of [`every_section`] are, in bytes.
mod off {
    pub(super) const PROCESS: usize = 64;
    pub(super) const ACTIONS: usize = PROCESS + 40;
    pub(super) const ACTION: usize = ACTIONS + 32;
    pub(super) const SHARED: usize = ACTION + 2 * 40;
    pub(super) const SHARED_ENTRY: usize = SHARED + 40;
    pub(super) const THREAD: usize = SHARED_ENTRY + 2 * 56;
    pub(super) const ALTSTACK: usize = THREAD + 32;
    pub(super) const PENDING: usize = ALTSTACK + 40;
    pub(super) const PENDING_ENTRY: usize = PENDING + 40;
    pub(super) const SECOND: usize = PENDING_ENTRY + 56;
    pub(super) const END: usize = SECOND + 32;
}

fn sample() -> Vec<u8> {
    let bytes = every_section()
        .encode()
        .expect("a good record")
        .into_bytes();
    assert_eq!(bytes.len(), off::END);
    bytes
}

pub(crate) fn put(bytes: &mut [u8], off: usize, value: &[u8]) {
    bytes[off..off + value.len()].copy_from_slice(value);
}

/// The sample with the 32-bit `value` at `off`, and a good checksum.
fn with(off: usize, value: u32) -> Vec<u8> {
    let mut bytes = sample();
    put(&mut bytes, off, &value.to_ne_bytes());
    seal(&mut bytes);
    bytes
}

/// The same with a 64-bit value.
fn with_long(off: usize, value: u64) -> Vec<u8> {
    let mut bytes = sample();
    put(&mut bytes, off, &value.to_ne_bytes());
    seal(&mut bytes);
    bytes
}

fn bad_headers() -> Vec<(Vec<u8>, Refusal)> {
    let magic = sigcr_magic().swap_bytes();
    let mut damaged = sample();
    let last = damaged.len() - 1;
    let stored = u32::from_ne_bytes(damaged[12..16].try_into().expect("four bytes"));
    damaged[last] ^= 0x80;
    let computed = sigcr::record::checksum(&damaged);
    vec![
        (sample()[..40].to_vec(), Refusal::TooShort { len: 40 }),
        (
            with(0, 0x464c_457f),
            Refusal::BadMagic { magic: 0x464c_457f },
        ),
        (with(0, magic), Refusal::ForeignByteOrder),
        (with(4, 2), Refusal::UnsupportedVersion { version: 2 }),
        (with(8, 60), Refusal::BadHeaderLen { header_len: 60 }),
        (
            sample()[..off::SECOND].to_vec(),
            Refusal::LengthMismatch {
                total_len: off::END as u64,
                len: off::SECOND,
            },
        ),
        (damaged, Refusal::BadChecksum { stored, computed }),
        (with(24, 40), Refusal::UnsupportedArch { arch: 40 }),
        (with(28, 0x10), Refusal::UnknownRecordFlags { flags: 0x10 }),
        (
            with(36, 0),
            Refusal::BadProcess {
                tgid: 1000,
                thread_count: 0,
            },
        ),
        (with(60, 1), Refusal::ReservedNotZero { off: 44 }),
        (
            with(32, 9),
            Refusal::SectionCountMismatch { stored: 9, seen: 7 },
        ),
    ]
}

fn bad_sections() -> Vec<(Vec<u8>, Refusal)> {
    use off::*;
    let mandatory = 0x8000_0077;
    let one_thread = RecordFlags::ONE_THREAD.bits();
    let mut twice = sample();
    put(&mut twice, SECOND + 16, &999_i32.to_ne_bytes());
    seal(&mut twice);
    vec![
        (
            with(SECOND + 8, 40),
            Refusal::BadSectionLen {
                off: SECOND,
                len: 40,
            },
        ),
        (
            with(PROCESS, mandatory),
            Refusal::UnknownMandatorySection {
                off: PROCESS,
                section_type: mandatory,
            },
        ),
        (
            with(THREAD + 4, 0x80),
            Refusal::UnknownSectionFlags {
                off: THREAD,
                flags: 0x80,
            },
        ),
        (
            twice,
            Refusal::SectionOrder {
                off: SECOND,
                section_type: 0x8000_0007,
            },
        ),
        (with(28, one_thread), Refusal::NotOneThread { off: PROCESS }),
        (
            with(SHARED + 16, 1000),
            Refusal::BadTid {
                off: SHARED,
                tid: 1000,
            },
        ),
        (
            with(SHARED + 28, 3),
            Refusal::BadEntries {
                off: SHARED,
                entry_count: 3,
            },
        ),
        (
            with(SHARED + 24, 48),
            Refusal::BadEntryLen {
                off: SHARED,
                entry_len: 48,
            },
        ),
    ]
}

fn bad_content() -> Vec<(Vec<u8>, Refusal)> {
    use off::*;
    let second_action = ACTION + 40;
    let second_entry = SHARED_ENTRY + 56;
    let action = |signo| (second_action, signo);
    let (action_off, stop) = action(19);
    let mut legacy_twice = sample();
    put(&mut legacy_twice, second_entry, &15_u32.to_ne_bytes());
    seal(&mut legacy_twice);
    let mut of_timer = sample();
    put(&mut of_timer, second_entry + 48, &1_u32.to_ne_bytes());
    put(&mut of_timer, second_entry + 52, &3_i32.to_ne_bytes());
    seal(&mut of_timer);
    vec![
        (
            with(SHARED_ENTRY, 65),
            Refusal::BadSigno {
                off: SHARED_ENTRY,
                signo: 65,
            },
        ),
        (
            with(action_off, 1),
            Refusal::ActionOrder {
                off: action_off,
                signo: 1,
            },
        ),
        (
            with(action_off, stop),
            Refusal::ActionForbidden {
                off: action_off,
                signo: stop,
            },
        ),
        (
            with(ACTION + 8, 0x400),
            Refusal::UnknownActionFlags {
                off: ACTION,
                flags: 0x400,
            },
        ),
        (
            with(ACTION + 4, 3),
            Refusal::UnknownAbi {
                off: ACTION,
                abi: 3,
            },
        ),
        (
            with_long(THREAD + 24, 1 << 8),
            Refusal::UnblockableBlocked {
                off: THREAD,
                set: 1 << 8,
            },
        ),
        (
            with_long(PENDING + 32, 1 << 8),
            Refusal::KillPending { off: PENDING },
        ),
        (
            with_long(PENDING + 32, 0),
            Refusal::EntryNotInSet {
                off: PENDING_ENTRY,
                signo: 33,
            },
        ),
        (
            legacy_twice,
            Refusal::LegacyTwice {
                off: second_entry,
                signo: 15,
            },
        ),
        (
            with_long(PENDING + 32, 1 << 17 | 1 << 18 | 1 << 32),
            Refusal::ContinueAndStop { off: PENDING },
        ),
        (
            with(PENDING_ENTRY + 48, 2),
            Refusal::UnknownEntryFlags {
                off: PENDING_ENTRY,
                flags: 2,
            },
        ),
        (
            of_timer,
            Refusal::TimerMissing {
                off: second_entry,
                timer_id: 3,
            },
        ),
        (
            with(ALTSTACK + 20, 4),
            Refusal::UnknownAltstackFlags {
                off: ALTSTACK,
                ss_flags: 4,
            },
        ),
        (
            with_long(ALTSTACK + 32, 100),
            Refusal::BadAltstack {
                off: ALTSTACK,
                sp: 0x7f12_3456_0000,
                size: 100,
            },
        ),
    ]
}

fn sigcr_magic() -> u32 {
    u32::from_ne_bytes(sample()[..4].try_into().expect("four bytes"))
}

fn unknown_section() -> Vec<u8> {
    with(off::PROCESS, 0x77)
}

/// A longer header, a longer section, and longer entries.
fn appended_fields() -> Vec<u8> {
    let mut bytes = sample();
    // From the end, so that the offsets before stay as they are.
    let mut append = |at: usize, section: usize, len: u64| {
        bytes.splice(at..at, [0xaa; 8]);
        put(&mut bytes, section + 8, &len.to_ne_bytes());
    };
    append(off::END, off::SECOND, 40);
    append(off::SECOND, off::PENDING, 40 + 64);
    append(off::ACTIONS, off::PROCESS, 48);
    let entry_len = off::PENDING + 8 + 24;
    put(&mut bytes, entry_len, &64_u32.to_ne_bytes());
    bytes.splice(64..64, [0xaa; 8]);
    put(&mut bytes, 8, &72_u32.to_ne_bytes());
    let len = bytes.len() as u64;
    put(&mut bytes, 16, &len.to_ne_bytes());
    seal(&mut bytes);
    bytes
}
