// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The editor of a model: leave parts out, keep one thread, give threads other ids.

use std::collections::{BTreeMap, BTreeSet};

use bitflags::bitflags;

use crate::{Model, RecordFlags, ThreadModel};

bitflags! {
    /// The parts of a record that can be left out of a restore.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Parts: u32 {
        /// What is known of the process, informational.
        const PROCESS = 1 << 0;
        /// The actions.
        const ACTIONS = 1 << 1;
        /// The queue of the process.
        const SHARED_PENDING = 1 << 2;
        /// The threads' blocked signals.
        const BLOCKED = 1 << 3;
        /// The threads' alternate stacks.
        const ALTSTACK = 1 << 4;
        /// The threads' queues.
        const PENDING = 1 << 5;
    }
}

/// A change that makes no sense.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// Two threads would have the same id.
    #[error("two threads of the record would get the id {0}; give each one its own")]
    TidTwice(i32),
    /// Not a thread id.
    #[error("{0} is not a thread id; use the numbers that /proc/PID/task lists")]
    BadTid(i32),
    /// The target has another number of threads than the record.
    #[error(
        "the record restores {record_count} threads and {tid_count} thread ids were given; give \
         one id for each, or restore only what belongs to the process"
    )]
    ThreadCount {
        /// Threads that the record restores.
        record_count: usize,
        /// Thread ids that were given.
        tid_count: usize,
    },
    /// The record does not hold the thread.
    #[error("the record holds no thread {0}; `sigcr show` lists the ones it has")]
    NoThread(i32),
}

impl Model {
    /// Keeps only `parts`. A thread of which nothing is left goes away.
    pub fn keep(&mut self, parts: Parts) {
        fn only<T>(part: &mut Option<T>, keep: bool) {
            if !keep {
                *part = None;
            }
        }
        only(&mut self.process, parts.contains(Parts::PROCESS));
        only(&mut self.actions, parts.contains(Parts::ACTIONS));
        only(
            &mut self.shared_pending,
            parts.contains(Parts::SHARED_PENDING),
        );
        for thread in &mut self.threads {
            only(&mut thread.state, parts.contains(Parts::BLOCKED));
            only(&mut thread.altstack, parts.contains(Parts::ALTSTACK));
            only(&mut thread.pending, parts.contains(Parts::PENDING));
        }
        self.threads.retain(|thread| !thread.is_empty());
    }

    /// Makes it the model of one thread, `tid`, without the state of the process: what a pidfd of
    /// [`crate::open_thread`] takes.
    ///
    /// # Errors
    ///
    /// [`EditError::NoThread`]; the model is as before.
    pub fn keep_thread(&mut self, tid: i32) -> Result<(), EditError> {
        if !self.threads.iter().any(|thread| thread.tid == tid) {
            return Err(EditError::NoThread(tid));
        }
        self.threads.retain(|thread| thread.tid == tid);
        self.keep(Parts::BLOCKED | Parts::ALTSTACK | Parts::PENDING);
        self.flags |= RecordFlags::ONE_THREAD;
        Ok(())
    }

    /// Takes away the threads that a restore would not touch: kernel workers and dead ones.
    pub fn drop_listed_only(&mut self) {
        self.threads.retain(|thread| !thread.is_listed_only());
    }

    /// Gives the threads other ids: each that is a key of `tids` gets the value. The process id
    /// goes along with its thread. Queued signals keep the ids of their senders.
    ///
    /// # Errors
    ///
    /// [`EditError::BadTid`], [`EditError::TidTwice`] or [`EditError::NoThread`] for a key that is
    /// no thread of the record; the model is as before.
    pub fn remap_tids(&mut self, tids: &BTreeMap<i32, i32>) -> Result<(), EditError> {
        let old: BTreeSet<i32> = self.threads.iter().map(|thread| thread.tid).collect();
        if let Some(missing) = tids
            .keys()
            .find(|tid| !old.contains(tid) && **tid != self.tgid)
        {
            return Err(EditError::NoThread(*missing));
        }
        let new_of = |tid: i32| tids.get(&tid).copied().unwrap_or(tid);
        let mut new = BTreeSet::new();
        for tid in old.into_iter().map(new_of) {
            if tid <= 0 {
                return Err(EditError::BadTid(tid));
            }
            if !new.insert(tid) {
                return Err(EditError::TidTwice(tid));
            }
        }
        let tgid = new_of(self.tgid);
        if tgid <= 0 {
            return Err(EditError::BadTid(tgid));
        }
        self.tgid = tgid;
        for thread in &mut self.threads {
            thread.tid = new_of(thread.tid);
        }
        self.threads.sort_by_key(|thread| thread.tid);
        Ok(())
    }

    /// Gives the threads that a restore touches the ids `tids`, in ascending order of the ids that
    /// they have; except that the process's first thread gets the first of `tids`. Threads that are
    /// only listed go away: the target does not have them.
    ///
    /// # Errors
    ///
    /// [`EditError::ThreadCount`], [`EditError::BadTid`], [`EditError::TidTwice`]; the model is as
    /// before.
    pub fn remap_in_order(&mut self, tids: &[i32]) -> Result<(), EditError> {
        let mut old: Vec<i32> = self
            .threads
            .iter()
            .filter(|thread| !thread.is_listed_only())
            .map(|thread| thread.tid)
            .collect();
        if old.len() != tids.len() {
            return Err(EditError::ThreadCount {
                record_count: old.len(),
                tid_count: tids.len(),
            });
        }
        // The first thread has the process's id, which is not the lowest where ids wrapped around.
        old.sort_by_key(|tid| (*tid != self.tgid, *tid));
        let map = old.into_iter().zip(tids.iter().copied()).collect();
        let mut changed = self.clone();
        changed.drop_listed_only();
        changed.remap_tids(&map)?;
        *self = changed;
        Ok(())
    }
}

impl ThreadModel {
    /// Whether nothing is known of the thread.
    pub fn is_empty(&self) -> bool {
        self.state.is_none() && self.altstack.is_none() && self.pending.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AltStack, Queue, ThreadInfo};

    fn thread(tid: i32) -> ThreadModel {
        ThreadModel {
            tid,
            state: Some(ThreadInfo::default()),
            altstack: Some(AltStack::DISABLED),
            pending: Some(Queue::default()),
        }
    }

    fn model(tids: &[i32]) -> Model {
        let mut model = Model::new(tids[0]);
        model.threads = tids.iter().copied().map(thread).collect();
        model.actions = Some(Vec::new());
        model.shared_pending = Some(Queue::default());
        model
    }

    fn tids(model: &Model) -> Vec<i32> {
        model.threads.iter().map(|thread| thread.tid).collect()
    }

    #[test]
    fn what_is_not_kept_is_gone_and_a_thread_without_anything_too() {
        let mut model = model(&[5, 6]);
        model.threads[0].altstack = None;
        model.keep(Parts::ACTIONS | Parts::ALTSTACK);
        assert!(model.actions.is_some() && model.shared_pending.is_none());
        assert_eq!(tids(&model), [6]);
        assert!(model.threads[0].state.is_none() && model.threads[0].pending.is_none());
        assert_eq!(model.encode().unwrap().to_model(), model);
    }

    #[test]
    fn one_thread_is_kept_without_the_process() {
        let mut model = model(&[5, 6]);
        model.keep_thread(6).unwrap();
        assert_eq!(tids(&model), [6]);
        assert!(model.flags.contains(RecordFlags::ONE_THREAD));
        assert_eq!(model.encode().unwrap().to_model(), model);
        assert_eq!(model.keep_thread(5), Err(EditError::NoThread(5)));
    }

    #[test]
    fn threads_can_swap_their_ids_and_stay_in_order() {
        let mut model = model(&[5, 6, 9]);
        model.threads[1].pending = None;
        model.remap_tids(&BTreeMap::from([(5, 6), (6, 5)])).unwrap();
        assert_eq!(tids(&model), [5, 6, 9]);
        assert!(model.threads[0].pending.is_none() && model.threads[1].pending.is_some());
        assert_eq!(model.tgid, 6);
        assert_eq!(model.encode().unwrap().to_model(), model);
    }

    #[test]
    fn a_map_that_makes_no_sense_changes_nothing() {
        let before = model(&[5, 6]);
        let mut model = before.clone();
        for (map, error) in [
            ([(5, 6)], EditError::TidTwice(6)),
            ([(5, 0)], EditError::BadTid(0)),
            ([(7, 8)], EditError::NoThread(7)),
        ] {
            assert_eq!(model.remap_tids(&BTreeMap::from(map)), Err(error));
            assert_eq!(model, before);
        }
    }

    #[test]
    fn the_first_thread_gets_the_first_id_even_where_ids_wrapped_around() {
        let mut model = model(&[300, 5, 301]);
        model.threads.sort_by_key(|thread| thread.tid);
        model.threads[0].pending = None;
        model.remap_in_order(&[10, 11, 12]).unwrap();
        assert_eq!((model.tgid, tids(&model)), (10, vec![10, 11, 12]));
        assert!(model.threads[1].pending.is_none());
    }

    #[test]
    fn threads_that_are_only_listed_take_no_id() {
        let mut model = model(&[5, 6, 7]);
        model.threads[1].state.as_mut().unwrap().dead = true;
        assert_eq!(
            model.remap_in_order(&[10, 11, 12]),
            Err(EditError::ThreadCount {
                record_count: 2,
                tid_count: 3
            })
        );
        assert_eq!(tids(&model), [5, 6, 7]);
        model.remap_in_order(&[10, 11]).unwrap();
        assert_eq!(tids(&model), [10, 11]);
    }
}
