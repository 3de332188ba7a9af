// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What must hold of any bytes: the decoder refuses them in words, or they are those of a record
//! that can be read in every way, encoded again, and edited.

use sigcr::record::{check_header, Record, Refusal, Section};
use sigcr::{Model, Parts, Snapshot};

use crate::draft::Draft;

/// What the decoder says of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are a record that can be restored.
    Good,
    /// They are a record that can be read, and not be restored.
    NotRestorable(Refusal),
    /// They are no record.
    Refused(Refusal),
}

impl Verdict {
    /// Why the bytes cannot be restored.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Verdict::Good => None,
            Verdict::NotRestorable(refusal) | Verdict::Refused(refusal) => Some(refusal),
        }
    }
}

/// What the decoder says of a buffer that is said to have `claimed_len` bytes and starts with
/// `bytes`, which are fewer only where a record can never have as many.
pub fn verdict(bytes: &[u8], claimed_len: usize) -> Verdict {
    if claimed_len != bytes.len() {
        return match check_header(bytes, claimed_len) {
            Ok(_) => panic!("a header that claims {claimed_len} bytes is taken"),
            Err(refusal) => Verdict::Refused(refusal),
        };
    }
    match Record::decode(bytes).map(|record| record.check_restorable()) {
        Ok(Ok(())) => Verdict::Good,
        Ok(Err(refusal)) => Verdict::NotRestorable(refusal),
        Err(refusal) => Verdict::Refused(refusal),
    }
}

/// Checks all that must hold of the bytes.
///
/// # Errors
///
/// What does not hold, in words.
pub fn check(bytes: &[u8], claimed_len: usize) -> Result<Verdict, String> {
    let verdict = check_decoder(bytes, claimed_len)?;
    if !matches!(verdict, Verdict::Refused(_)) {
        check_model(bytes, &verdict)?;
    }
    Ok(verdict)
}

/// The part of [`check`] that is about the decoder alone, without an allocation for a record.
pub fn check_decoder(bytes: &[u8], claimed_len: usize) -> Result<Verdict, String> {
    let verdict = verdict(bytes, claimed_len);
    if let Some(refusal) = verdict.refusal() {
        let text = refusal.explain(bytes);
        let off = refusal.off().unwrap_or(0);
        // A field that is missing may be said to be at the end.
        if text.is_empty() || off > bytes.len() {
            return Err(format!(
                "a refusal at byte {off} of {}: {text}",
                bytes.len()
            ));
        }
    }
    if let Ok(record) = Record::decode(bytes) {
        check_views(&record)?;
    }
    Ok(verdict)
}

/// Every way to look at a record sees the same.
fn check_views(record: &Record<'_>) -> Result<(), String> {
    let header = record.header();
    let mut end = header.header_len as usize;
    let mut section_count = 0;
    let mut of_threads = 0;
    for (off, section) in record.sections() {
        holds("a section begins where the last one ended", off >= end)?;
        end = off;
        section_count += 1;
        of_threads += usize::from(section.tid().is_some());
        if let Section::Timers(timers) = section {
            let mut all = timers.iter();
            let found = |id| timers.find(id).is_some_and(|timer| timer.timer_id == id);
            holds(
                "each timer is found by its id",
                all.all(|timer| found(timer.timer_id)),
            )?;
        }
    }
    holds(
        "the sections are as many as the header says",
        section_count == header.section_count,
    )?;
    let mut last_tid = 0;
    for thread in record.threads() {
        holds("threads are in order", last_tid < thread.tid)?;
        last_tid = thread.tid;
        of_threads -= usize::from(thread.thread.is_some())
            + usize::from(thread.altstack.is_some())
            + usize::from(thread.pending.is_some())
            + usize::from(thread.inflight().is_some());
    }
    holds(
        "each section of a thread is one of a thread",
        of_threads == 0,
    )?;
    let entries: usize = record.queues().map(|queue| queue.entries().count()).sum();
    let counted: usize = record.queues().map(|queue| queue.entry_count()).sum();
    holds("the entries are as many as is said", entries == counted)?;
    holds(
        "the actions are as many as is said",
        record
            .actions()
            .is_none_or(|actions| actions.iter().count() == actions.count()),
    )
}

/// A record is the same after decoding and encoding, and can be edited.
fn check_model(bytes: &[u8], verdict: &Verdict) -> Result<(), String> {
    let snapshot = Snapshot::from_bytes(bytes.to_vec())
        .map_err(|refusal| format!("decoded once, and not twice: {refusal}"))?;
    let model = snapshot.to_model();
    let again = model
        .encode()
        .map_err(|refusal| format!("decoded, and not encoded again: {refusal}"))?;
    holds("the model decodes to itself", again.to_model() == model)?;
    // What a newer writer appended is not in the model. All else is.
    holds(
        "a record without additions has the same bytes after encoding",
        again.as_bytes().len() < bytes.len() || again.as_bytes() == with_known_entries(bytes),
    )?;
    let refusal = again.record().check_restorable().err();
    let same = match verdict {
        Verdict::NotRestorable(wanted) => refusal.is_some_and(|refusal| {
            std::mem::discriminant(&refusal) == std::mem::discriminant(wanted)
        }),
        _ => refusal.is_none(),
    };
    holds("what cannot be restored is so for the same reason", same)?;
    check_edits(&model, refusal.is_none(), again.record().header().crc32c)
}

/// The record with the entry lengths of version 1 where there is no entry that could have another.
fn with_known_entries(bytes: &[u8]) -> Vec<u8> {
    Draft::parse(bytes).map_or_else(Vec::new, |draft| draft.sealed())
}

/// A part that is left out leaves a record, and one that can be restored if it could be before. Which
/// part is left out depends on `checksum`: of many records, each.
fn check_edits(model: &Model, restorable: bool, checksum: u32) -> Result<(), String> {
    let parts: Vec<Parts> = Parts::all().iter().collect();
    let part = parts[checksum as usize % parts.len()];
    let mut edited = model.clone();
    edited.keep(Parts::all() - part);
    let snapshot = edited
        .encode()
        .map_err(|refusal| format!("without {part:?} it is no record: {refusal}"))?;
    let answer = snapshot.record().check_restorable();
    // A timer that is queued twice, while another one that is pending is not queued, is left to the
    // kernel, which has the memory to see it. Without its signal the other one is not pending.
    if let (true, Err(refusal), false) = (restorable, answer, queues_timer_twice(model)) {
        return Err(format!("without {part:?} it cannot be restored: {refusal}"));
    }
    let mut edited = model.clone();
    edited.requeue_inflight();
    match edited.encode() {
        Ok(_) => Ok(()),
        Err(refusal) => Err(format!("with its signals queued again: {refusal}")),
    }
}

fn queues_timer_twice(model: &Model) -> bool {
    let private = model.threads.iter().flat_map(|t| &t.pending);
    let queues = model.shared_pending.iter().chain(private);
    let mut ids: Vec<i32> = queues
        .flat_map(|queue| queue.entries.iter().filter_map(|entry| entry.timer_id))
        .collect();
    ids.sort_unstable();
    ids.windows(2).any(|pair| pair[0] == pair[1])
}

fn holds(what: &str, is_so: bool) -> Result<(), String> {
    match is_so {
        true => Ok(()),
        false => Err(format!("does not hold: {what}")),
    }
}
