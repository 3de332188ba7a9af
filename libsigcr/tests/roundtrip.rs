// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Properties of encoder and decoder, on arbitrary models and on records with arbitrary faults.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection, option, prelude::*, sample::Index};
use sigcr::{
    record::{encode::seal, Refusal, Section},
    Action, ActionFlags, AltStack, AltStackFlags, FrameAbi, Handler, Model, ProcessInfo, Queue,
    QueuedSignal, RecordFlags, SigNo, SigSet, Snapshot, ThreadInfo, ThreadModel,
};

const KILL: u64 = 1 << 8;
const CONT: u64 = 1 << 17;
const STOP: u64 = 1 << 18;
const STOPS: u64 = 0xf << 18;

fn signo() -> impl Strategy<Value = SigNo> {
    (1_u32..=64).prop_map(|number| SigNo::new(number).unwrap())
}

/// A set of signals that can be blocked.
fn mask() -> impl Strategy<Value = SigSet> {
    any::<u64>().prop_map(|bits| SigSet::from_bits(bits & !KILL & !STOP))
}

fn queued_signal() -> impl Strategy<Value = QueuedSignal> {
    let siginfo = collection::vec(any::<u8>(), 48);
    (signo(), siginfo, option::weighted(0.2, any::<i32>())).prop_map(|(signo, bytes, timer_id)| {
        let mut siginfo: [u8; 48] = bytes.try_into().unwrap();
        siginfo[..4].copy_from_slice(&signo.get().to_ne_bytes());
        QueuedSignal { siginfo, timer_id }
    })
}

fn queue() -> impl Strategy<Value = Queue> {
    let entries = collection::vec(queued_signal(), 0..12);
    (entries, any::<u64>(), any::<bool>()).prop_map(|(entries, bits, no_bit_alone)| {
        let mut queue = Queue::of(entries);
        if !no_bit_alone {
            queue.set = SigSet::from_bits(queue.set.bits() | bits);
        }
        queue
    })
}

fn action(signo: SigNo) -> impl Strategy<Value = Action> {
    let abi = prop_oneof![
        Just(FrameAbi::Native),
        Just(FrameAbi::Ia32),
        Just(FrameAbi::X32)
    ];
    (any::<u64>(), any::<u64>(), any::<u64>(), mask(), abi).prop_map(
        move |(handler, flags, restorer, mask, abi)| Action {
            signo,
            handler: Handler(handler),
            flags: ActionFlags::from_bits_truncate(flags),
            restorer,
            mask,
            abi: if cfg!(target_arch = "x86_64") {
                abi
            } else {
                FrameAbi::Native
            },
        },
    )
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    collection::btree_set(signo(), 0..12).prop_flat_map(|signals| {
        let changeable = signals
            .into_iter()
            .filter(|signo| ![9, 19].contains(&signo.get()));
        changeable.map(action).collect::<Vec<_>>()
    })
}

fn process() -> impl Strategy<Value = ProcessInfo> {
    let flags = any::<(bool, bool, bool, bool)>();
    let signos = (option::of(signo()), option::of(signo()));
    (flags, signos, any::<(u64, u64)>()).prop_map(
        |((stopped, unkillable, timer_ids, autoreap), (stop_signo, exit_signo), (limit, start))| {
            ProcessInfo {
                stopped,
                unkillable,
                timer_ids,
                autoreap,
                stop_signo,
                exit_signo,
                rlimit_sigpending_count: limit,
                start_boottime_ns: start,
            }
        },
    )
}

fn altstack() -> impl Strategy<Value = AltStack> {
    let enabled = (0..u64::MAX / 2, 0x2000..u64::MAX / 2);
    (option::of(enabled), any::<bool>()).prop_map(|(enabled, autodisarm)| {
        let mut altstack = AltStack::DISABLED;
        if let Some((sp, size)) = enabled {
            let flags = AltStackFlags::empty();
            altstack = AltStack { flags, sp, size };
        }
        altstack.flags.set(AltStackFlags::AUTODISARM, autodisarm);
        altstack
    })
}

fn thread() -> impl Strategy<Value = ThreadModel> {
    let flags = any::<[bool; 7]>();
    let state = (mask(), option::of(signo()), flags).prop_map(|(blocked, pdeath_signo, flags)| {
        let [unstable, worker, dead, traced, trace_stop, group_stop, frozen] = flags;
        ThreadInfo {
            blocked,
            pdeath_signo,
            unstable,
            worker,
            dead,
            traced,
            trace_stop,
            group_stop,
            frozen,
        }
    });
    let parts = (
        option::of(state),
        option::of(altstack()),
        option::of(queue()),
        option::weighted(0.1, queued_signal()),
    );
    parts.prop_map(|(state, altstack, pending, inflight)| {
        let legal = |signal: &QueuedSignal| signal.signo() != 9;
        let inflight = inflight.filter(legal).map(|signal| QueuedSignal {
            timer_id: None,
            ..signal
        });
        let mut thread = ThreadModel {
            tid: 0,
            state,
            altstack,
            pending,
            inflight,
        };
        if thread.is_listed_only() {
            thread.altstack = None;
            thread.pending = None;
            thread.inflight = None;
        }
        if thread.is_empty() {
            thread.state = Some(ThreadInfo::default());
        }
        thread
    })
}

/// What would be refused in a queue taken out of it: `never` and what is queued twice.
fn make_legal(queue: &mut Queue, never: u64) {
    queue.set = SigSet::from_bits(queue.set.bits() & !never);
    let mut seen = BTreeSet::new();
    let set = queue.set;
    queue.entries.retain(|entry| {
        let signo = SigNo::new(entry.signo()).unwrap();
        let again = entry.timer_id.is_none() && !signo.is_realtime() && !seen.insert(signo);
        set.contains(signo) && !again
    });
}

/// Any model that can be encoded.
fn model() -> impl Strategy<Value = Model> {
    let ids = (1..i32::MAX, 1..u32::MAX, any::<u32>());
    let parts = (
        option::of(process()),
        option::of(actions()),
        option::of(queue()),
    );
    let threads = collection::btree_map(1..i32::MAX, thread(), 0..6);
    (ids, parts, threads, any::<bool>()).prop_map(assemble)
}

type Ids = (i32, u32, u32);
type Parts = (Option<ProcessInfo>, Option<Vec<Action>>, Option<Queue>);

fn assemble(
    (ids, parts, threads, without_stops): (Ids, Parts, BTreeMap<i32, ThreadModel>, bool),
) -> Model {
    let (tgid, thread_count, flags) = ids;
    let (process, actions, shared_pending) = parts;
    let mut model = Model {
        thread_count,
        flags: RecordFlags::from_bits_truncate(flags),
        process,
        actions,
        shared_pending,
        ..Model::new(tgid)
    };
    let threads = threads
        .into_iter()
        .map(|(tid, thread)| ThreadModel { tid, ..thread });
    model.threads = threads.collect();
    if model.flags.contains(RecordFlags::ONE_THREAD) {
        (model.process, model.actions, model.shared_pending) = (None, None, None);
        model.threads.truncate(1);
    }
    let never = KILL | if without_stops { STOPS } else { CONT };
    let of_threads = model.threads.iter_mut().flat_map(|t| t.pending.as_mut());
    for queue in of_threads.chain(model.shared_pending.as_mut()) {
        make_legal(queue, never);
    }
    model
}

/// A value that decoders stumble over, for a field of 32 bits.
fn awkward() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        0_u32..80,
        Just(u32::MAX),
        Just(1 << 31),
        (0_u32..16).prop_map(|section_type| 1 << 31 | section_type),
        (0_u32..64).prop_map(|n| n * 8),
        // Nothing; SIGKILL, SIGCONT and SIGSTOP as numbers and in sets.
        proptest::sample::select(vec![0, 0, 9, 18, 19, 1 << 8, 1 << 17, 1 << 18, 3 << 17]),
    ]
}

/// Where the fields of a record are that are not somebody's siginfo: what the decoder looks at.
fn fields(snapshot: &Snapshot) -> Vec<usize> {
    let mut offs: Vec<usize> = (0..64).step_by(4).collect();
    for (off, section) in snapshot.record().sections() {
        let list = match section {
            Section::Actions(actions) => (32, 40, actions.count()),
            Section::SharedPending(queue) | Section::Pending(queue) => {
                (40, 56, queue.entry_count())
            }
            Section::Thread(_) => (32, 0, 0),
            _ => (40, 0, 0),
        };
        let (head_len, entry_len, entry_count) = list;
        offs.extend((off..off + head_len).step_by(4));
        for index in 0..entry_count {
            let entry = off + head_len + index * entry_len;
            offs.extend((entry..entry + entry_len).step_by(4).filter(|at| {
                let within = at - entry;
                entry_len == 40 || within == 0 || within >= 48
            }));
        }
    }
    offs
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        // A failure prints its input; what is worth keeping becomes a golden record.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn any_model_decodes_to_itself(model in model()) {
        let snapshot = model.encode().map_err(|refusal| {
            TestCaseError::fail(format!("{refusal}"))
        })?;
        prop_assert_eq!(snapshot.to_model(), model);
    }

    #[test]
    fn any_model_survives_json(model in model()) {
        let json = serde_json::to_string(&model).unwrap();
        prop_assert_eq!(serde_json::from_str::<Model>(&json).unwrap(), model);
    }

    #[test]
    fn a_pending_signal_takes_at_most_64_bytes(
        model in model(),
        signal in queued_signal(),
    ) {
        let mut more = model.clone();
        let Some(queue) = &mut more.shared_pending else { return Ok(()) };
        let before = model.encode().unwrap().as_bytes().len();
        queue.entries.push(signal);
        queue.set.insert(SigNo::new(signal.signo()).unwrap());
        if let Ok(snapshot) = more.encode() {
            prop_assert!(snapshot.as_bytes().len() - before <= 64);
        }
    }

    #[test]
    fn any_burst_of_up_to_32_changed_bits_is_refused(
        model in model(),
        place in any::<Index>(),
        change in 1..=u32::MAX,
    ) {
        let mut bytes = model.encode().unwrap().into_bytes();
        let off = place.index(bytes.len() - 3);
        for (byte, change) in bytes[off..].iter_mut().zip(change.to_ne_bytes()) {
            *byte ^= change;
        }
        prop_assert!(Snapshot::from_bytes(bytes).is_err());
    }

    #[test]
    fn any_part_of_a_record_is_refused(model in model(), place in any::<Index>()) {
        let mut bytes = model.encode().unwrap().into_bytes();
        bytes.truncate(place.index(bytes.len()));
        prop_assert!(Snapshot::from_bytes(bytes).is_err());
    }

    #[test]
    fn any_bytes_behind_a_good_header_are_refused_or_a_record(
        words in collection::vec(awkward(), 0..64),
        section_count in 0_u32..4,
    ) {
        let mut bytes = Model::new(1).encode().unwrap().into_bytes();
        bytes.extend(words.into_iter().flat_map(u32::to_ne_bytes));
        bytes[32..36].copy_from_slice(&section_count.to_ne_bytes());
        check_any(bytes)?;
    }

    #[test]
    fn any_bytes_are_no_record(bytes in collection::vec(any::<u8>(), 0..200)) {
        let refusal = Snapshot::from_bytes(bytes.clone()).unwrap_err();
        prop_assert!(!refusal.explain(&bytes).is_empty());
    }
}

proptest! {
    // Many, so that they come to every rule.
    #![proptest_config(config(4096))]

    #[test]
    fn a_changed_record_with_a_good_checksum_is_refused_or_is_another_record(
        model in model(),
        changes in collection::vec((any::<Index>(), awkward()), 1..4),
    ) {
        let snapshot = model.encode().unwrap();
        let fields = fields(&snapshot);
        let mut bytes = snapshot.into_bytes();
        for (place, value) in changes {
            let off = *place.get(&fields);
            bytes[off..off + 4].copy_from_slice(&value.to_ne_bytes());
        }
        check_any(bytes)?;
    }
}

/// Bytes with any content, once their length and checksum are right, are refused in words, or are
/// those of a model that can be encoded.
fn check_any(mut bytes: Vec<u8>) -> Result<(), TestCaseError> {
    let len = bytes.len() as u64;
    bytes[16..24].copy_from_slice(&len.to_ne_bytes());
    seal(&mut bytes);
    match Snapshot::from_bytes(bytes.clone()) {
        Err(refusal) => prop_assert!(!refusal.explain(&bytes).is_empty()),
        Ok(snapshot) => {
            let model = snapshot.to_model();
            let refusal = snapshot.record().check_restorable().err();
            check_legal(&model, refusal)?;
            let again = model.encode().map_err(|refusal| {
                TestCaseError::fail(format!("decoded, and not encoded again: {refusal}"))
            })?;
            prop_assert_eq!(again.to_model(), model);
        }
    }
    Ok(())
}

/// The rules once more, by another hand: what decodes must keep them.
fn check_legal(model: &Model, not_restorable: Option<Refusal>) -> Result<(), TestCaseError> {
    prop_assert!(model.tgid > 0 && model.thread_count > 0);
    let mut last_signo = 0;
    for action in model.actions.iter().flatten() {
        let signo = action.signo.get();
        prop_assert!(
            last_signo < signo && signo != 9 && signo != 19,
            "{action:?}"
        );
        prop_assert!(ActionFlags::all().contains(action.flags));
        prop_assert_eq!(action.mask.bits() & (KILL | STOP), 0);
        last_signo = signo;
    }
    let mut last_tid = 0;
    for thread in &model.threads {
        prop_assert!(last_tid < thread.tid);
        last_tid = thread.tid;
        let alone =
            thread.altstack.is_none() && thread.pending.is_none() && thread.inflight.is_none();
        prop_assert!(alone || !thread.is_listed_only());
        let blocked = thread
            .state
            .as_ref()
            .map_or(0, |state| state.blocked.bits());
        prop_assert_eq!(blocked & (KILL | STOP), 0);
        if let Some(AltStack { flags, sp, size }) = thread.altstack {
            prop_assert!(AltStackFlags::all().contains(flags));
            let disabled = flags.contains(AltStackFlags::DISABLE);
            prop_assert!(!disabled || (sp, size) == (0, 0));
            prop_assert!(disabled || size >= 2048);
        }
    }
    if model.flags.contains(RecordFlags::ONE_THREAD) {
        let process_wide = (&model.process, &model.actions, &model.shared_pending);
        prop_assert_eq!(process_wide, (&None, &None, &None));
        prop_assert!(model.threads.len() <= 1);
    }
    let of_threads = model.threads.iter().flat_map(|t| t.pending.as_ref());
    let mut all = 0;
    for queue in of_threads.chain(model.shared_pending.as_ref()) {
        all |= queue.set.bits();
        let mut legal = queue.clone();
        make_legal(&mut legal, KILL);
        prop_assert_eq!(&legal, queue);
    }
    // What can be read and not be restored, exactly.
    let both = all & CONT != 0 && all & STOPS != 0;
    let of_threads = model.threads.iter().flat_map(|t| t.pending.as_ref());
    let mut entries = of_threads
        .chain(model.shared_pending.as_ref())
        .flat_map(|queue| &queue.entries);
    let timers = entries.any(|entry| entry.timer_id.is_some());
    let held = model.threads.iter().any(|thread| thread.inflight.is_some());
    match not_restorable {
        None => prop_assert!(!both && !timers && !held),
        Some(Refusal::InFlight { .. }) => prop_assert!(held),
        // A section whose type was changed is one of timers.
        Some(Refusal::TimerEntryCount { .. }) => prop_assert!(model.timers.is_some()),
        Some(Refusal::ContinueAndStop { .. }) => prop_assert!(both),
        Some(Refusal::TimerMissing { .. }) => prop_assert!(timers),
        Some(other) => prop_assert!(false, "{other}"),
    }
    Ok(())
}
