// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The rules of the decoder: what a well-formed record must not hold, section by section.
//!
//! Each rule has its [`Refusal`]. Rules that need the target (does the thread exist, is there room
//! under its limits) are not here but in `restore.rs`.

use core::mem::offset_of;

use crate::abi;

use super::{
    entry::SIGRTMIN,
    sections::{
        self,
        Found, //
    },
    signo_in_flight,
    sigset_of,
    timer_rules::{
        check_itimers,
        check_timers, //
    },
    Actions,
    Altstack,
    Entry,
    EntryExt,
    Head,
    Header,
    Inflight,
    Process,
    Queue,
    Refusal,
    Signalfd,
    Signalfds,
    Thread,
    Waiter,
    Waiters,
    ABI_MAX,
    ALTSTACK_SIZE_MIN,
    SFD_CLOEXEC,
    SFD_NONBLOCK,
    SIGKILL,
    SS_AUTODISARM,
    SS_DISABLE,
    UNBLOCKABLE, //
};

/// What was seen of a record when it was decoded, so that nobody has to look for it again.
///
/// An offset is that of a section; 0, where the header is: there is none.
#[derive(Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) process_off: usize,
    pub(super) actions_off: usize,
    pub(super) shared_pending_off: usize,
    pub(super) itimers_off: usize,
    pub(super) timers_off: usize,
    pub(super) signalfds_off: usize,
    pub(super) waiters_off: usize,
    /// The first section of a thread.
    pub(super) threads_off: usize,
    /// The thread of the last section, and how many threads are not only listed.
    last_tid: i32,
    pub(super) restorable_thread_count: usize,
    pub(super) has_reserved_code: bool,
    pub(super) has_timer_entry: bool,
    pub(super) has_inflight: bool,
    pub(super) timer_count: usize,
    /// Sigset of what is pending in any of the queues, and entries of the longest one.
    pub(super) pending: u64,
    pub(super) entry_count_max: usize,
}

impl Known {
    /// Takes notice of a section of the thread `tid`.
    #[inline(always)]
    fn add_thread(&mut self, off: usize, tid: i32) {
        if self.threads_off == 0 {
            self.threads_off = off;
        }
        if self.last_tid != tid {
            self.last_tid = tid;
            self.restorable_thread_count = self.restorable_thread_count.wrapping_add(1);
        }
    }

    /// Takes notice of a queue.
    #[inline(always)]
    fn add_queue(&mut self, queue: &Queue<'_>) {
        self.pending |= queue.set;
        self.entry_count_max = self.entry_count_max.max(queue.entry_count());
    }
}

/// What was seen of the sections so far, for the rules that span several of them.
pub(super) struct Checks {
    one_thread: bool,
    /// Where the last known section stands in the order: type, tid, type within the thread.
    last: (u32, i32, u32),
    /// Whether the thread of `last` is listed only: a worker or dead.
    listed_only: bool,
    section_count: u32,
    known: Known,
}

impl Checks {
    pub(super) fn new(header: &Header) -> Self {
        Self {
            one_thread: header.flags & abi::SIGCR_RECORD_ONE_THREAD != 0,
            last: (0, 0, 0),
            listed_only: false,
            section_count: 0,
            known: Known::default(),
        }
    }

    /// Checks one section, and takes notice of it.
    // Each as the type that it is, and where it is: to make a `Section` of it would take as long as
    // the checks.
    #[inline(always)]
    pub(super) fn section(&mut self, found: &Found<'_>) -> Result<(), Refusal> {
        let (off, head, bytes) = (found.off, &found.head, found.bytes);
        self.section_count = self.section_count.saturating_add(1);
        match head.type_ {
            abi::SIGCR_SECTION_PROCESS => {
                let process: Process = found.load()?;
                self.order(off, head, 0)?;
                known_flags(off, head, abi::SIGCR_PROCESS_FLAGS)?;
                signo_or_none(off, process.stop_signo)?;
                signo_or_none(off, process.exit_signo)?;
                self.known.process_off = off;
            }
            abi::SIGCR_SECTION_ACTIONS => {
                let actions = sections::actions(off, bytes)?;
                self.order(off, head, 0)?;
                known_flags(off, head, 0)?;
                check_actions(off, &actions)?;
                self.known.actions_off = off;
            }
            abi::SIGCR_SECTION_SHARED_PENDING => {
                let queue = sections::queue(off, bytes)?;
                self.order(off, head, 0)?;
                if queue.tid != 0 {
                    return Err(Refusal::BadTid {
                        off,
                        tid: queue.tid,
                    });
                }
                self.queue(off, &queue)?;
                self.known.shared_pending_off = off;
            }
            abi::SIGCR_SECTION_ITIMERS => {
                let itimers = found.load()?;
                self.order(off, head, 0)?;
                known_flags(off, head, abi::SIGCR_ITIMERS_FLAGS)?;
                check_itimers(off, &itimers)?;
                self.known.itimers_off = off;
            }
            abi::SIGCR_SECTION_TIMERS => {
                let timers = sections::timers(off, bytes)?;
                self.order(off, head, 0)?;
                known_flags(off, head, 0)?;
                check_timers(off, &timers)?;
                self.known.timers_off = off;
                self.known.timer_count = timers.count();
            }
            abi::SIGCR_SECTION_SIGNALFDS => {
                let signalfds = sections::signalfds(off, bytes)?;
                self.order(off, head, 0)?;
                known_flags(off, head, 0)?;
                check_signalfds(off, &signalfds)?;
                self.known.signalfds_off = off;
            }
            abi::SIGCR_SECTION_THREAD => {
                let thread: Thread = found.load()?;
                self.order(off, head, thread.tid)?;
                known_flags(off, head, abi::SIGCR_THREAD_FLAGS)?;
                signo_or_none(off, thread.pdeath_signo)?;
                blockable(off, thread.blocked)?;
                self.listed_only = is_listed_only(&thread);
                self.known.add_thread(off, thread.tid);
                if self.listed_only {
                    // It is the first section of its thread, which was counted just now.
                    let count = &mut self.known.restorable_thread_count;
                    *count = count.wrapping_sub(1);
                }
            }
            abi::SIGCR_SECTION_ALTSTACK => {
                let altstack: Altstack = found.load()?;
                self.order(off, head, altstack.tid)?;
                known_flags(off, head, 0)?;
                check_altstack(off, &altstack)?;
                self.known.add_thread(off, altstack.tid);
            }
            abi::SIGCR_SECTION_PENDING => {
                let queue = sections::queue(off, bytes)?;
                self.order(off, head, queue.tid)?;
                self.queue(off, &queue)?;
                self.known.add_thread(off, queue.tid);
            }
            abi::SIGCR_SECTION_INFLIGHT => {
                let inflight: Inflight = found.load()?;
                self.order(off, head, inflight.tid)?;
                known_flags(off, head, 0)?;
                reserved(off, offset_of!(Inflight, reserved), inflight.reserved)?;
                match signo_in_flight(&inflight) {
                    SIGKILL => return Err(Refusal::KillPending { off }),
                    signo if sigset_of(signo) == 0 => {
                        return Err(Refusal::BadSigno { off, signo });
                    }
                    _ => {}
                }
                self.known.add_thread(off, inflight.tid);
                self.known.has_inflight = true;
            }
            abi::SIGCR_SECTION_WAITERS => {
                let waiters = sections::waiters(off, bytes)?;
                self.order(off, head, 0)?;
                known_flags(off, head, 0)?;
                check_waiters(off, &waiters)?;
                self.known.waiters_off = off;
            }
            _ => found.check_optional()?,
        }
        Ok(())
    }

    /// Checks that a section stands where its type and its thread put it.
    fn order(&mut self, off: usize, head: &Head, tid: i32) -> Result<(), Refusal> {
        let number = head.type_ & !abi::SIGCR_SECTION_MANDATORY;
        let per_thread =
            (abi::SIGCR_SECTION_THREAD..=abi::SIGCR_SECTION_INFLIGHT).contains(&head.type_);
        let place = if per_thread {
            const THREADS: u32 = abi::SIGCR_SECTION_THREAD & !abi::SIGCR_SECTION_MANDATORY;
            if tid <= 0 {
                return Err(Refusal::BadTid { off, tid });
            }
            (THREADS, tid, number)
        } else {
            (number, 0, 0)
        };
        let same_thread = per_thread && self.last.1 == tid;
        if place <= self.last || (same_thread && self.listed_only) {
            return Err(Refusal::SectionOrder {
                off,
                section_type: head.type_,
            });
        }
        if self.one_thread && (!per_thread || (self.last.1 != 0 && !same_thread)) {
            return Err(Refusal::NotOneThread { off });
        }
        if !same_thread {
            self.listed_only = false;
        }
        self.last = place;
        Ok(())
    }

    /// Checks a queue and its entries.
    fn queue(&mut self, off: usize, queue: &Queue<'_>) -> Result<(), Refusal> {
        known_flags(off, &queue.list.section, 0)?;
        if queue.set & sigset_of(SIGKILL) != 0 {
            return Err(Refusal::KillPending { off });
        }
        let mut seen = 0;
        for (index, entry) in queue.entry_refs().enumerate() {
            // Only what is refused is told where it stands.
            let off = || queue.list.entry_off(off, index);
            let signo = entry.signo();
            let bit = sigset_of(signo);
            if bit == 0 {
                return Err(Refusal::BadSigno { off: off(), signo });
            }
            if entry.flags & !abi::SIGCR_ENTRY_FLAGS != 0 {
                return Err(Refusal::UnknownEntryFlags {
                    off: off(),
                    flags: entry.flags,
                });
            }
            if queue.set & bit == 0 {
                return Err(Refusal::EntryNotInSet { off: off(), signo });
            }
            self.known.has_reserved_code |= entry.has_reserved_code();
            if entry.flags & abi::SIGCR_ENTRY_TIMER != 0 {
                self.known.has_timer_entry = true;
                // Several timers may have queued one legacy signal.
                continue;
            }
            if entry.timer_id != 0 {
                let off = off().saturating_add(offset_of!(Entry, timer_id));
                return Err(Refusal::ReservedNotZero { off });
            }
            if signo < SIGRTMIN && seen & bit != 0 {
                return Err(Refusal::LegacyTwice { off: off(), signo });
            }
            seen |= bit;
        }
        self.known.add_queue(queue);
        Ok(())
    }

    /// Checks what can be said only after the last section, and tells what was seen.
    pub(super) fn end(self, header: &Header) -> Result<Known, Refusal> {
        if self.section_count != header.section_count {
            return Err(Refusal::SectionCountMismatch {
                stored: header.section_count,
                seen: self.section_count,
            });
        }
        Ok(self.known)
    }
}

/// Whether the thread is in the record only for the reader to know of it.
pub fn is_listed_only(thread: &Thread) -> bool {
    thread.section.flags & (abi::SIGCR_THREAD_WORKER | abi::SIGCR_THREAD_DEAD) != 0
}

fn known_flags(off: usize, head: &Head, known: u32) -> Result<(), Refusal> {
    match head.flags & !known {
        0 => Ok(()),
        _ => Err(Refusal::UnknownSectionFlags {
            off,
            flags: head.flags,
        }),
    }
}

/// Checks the reserved field at `field_off` in the struct at `off`.
pub(super) fn reserved(off: usize, field_off: usize, value: u32) -> Result<(), Refusal> {
    let off = off.saturating_add(field_off);
    match value {
        0 => Ok(()),
        _ => Err(Refusal::ReservedNotZero { off }),
    }
}

fn signo_or_none(off: usize, signo: u32) -> Result<(), Refusal> {
    match signo {
        0..=abi::SIGCR_SIGNO_MAX => Ok(()),
        _ => Err(Refusal::BadSigno { off, signo }),
    }
}

fn blockable(off: usize, set: u64) -> Result<(), Refusal> {
    match set & UNBLOCKABLE {
        0 => Ok(()),
        _ => Err(Refusal::UnblockableBlocked { off, set }),
    }
}

fn check_actions(section_off: usize, actions: &Actions<'_>) -> Result<(), Refusal> {
    let mut last_signo = 0;
    for (index, action) in actions.iter().enumerate() {
        let off = actions.list.entry_off(section_off, index);
        let signo = action.signo;
        let bit = sigset_of(signo);
        if bit == 0 {
            return Err(Refusal::BadSigno { off, signo });
        }
        if bit & UNBLOCKABLE != 0 {
            return Err(Refusal::ActionForbidden { off, signo });
        }
        if signo <= last_signo {
            return Err(Refusal::ActionOrder { off, signo });
        }
        last_signo = signo;
        if action.abi > ABI_MAX {
            return Err(Refusal::UnknownAbi {
                off,
                abi: action.abi,
            });
        }
        if action.flags & !u64::from(abi::SIGCR_ACTION_FLAGS) != 0 {
            return Err(Refusal::UnknownActionFlags {
                off,
                flags: action.flags,
            });
        }
        blockable(off, action.mask)?;
    }
    Ok(())
}

fn check_signalfds(section_off: usize, signalfds: &Signalfds<'_>) -> Result<(), Refusal> {
    let mut last = -1;
    for (index, signalfd) in signalfds.iter().enumerate() {
        let off = signalfds.list.entry_off(section_off, index);
        let Signalfd { fd, flags, mask } = signalfd;
        if fd <= last {
            return Err(Refusal::BadId { off, id: fd });
        }
        last = fd;
        if flags & !(SFD_NONBLOCK | SFD_CLOEXEC) != 0 {
            return Err(Refusal::UnknownSignalfdFlags { off, flags });
        }
        blockable(off, mask)?;
    }
    Ok(())
}

fn check_waiters(section_off: usize, waiters: &Waiters<'_>) -> Result<(), Refusal> {
    let mut last = 1;
    for (index, waiter) in waiters.iter().enumerate() {
        let off = waiters.list.entry_off(section_off, index);
        let Waiter {
            tid, id_type, id, ..
        } = waiter;
        // A thread of io_uring may wait for several.
        if tid < last {
            return Err(Refusal::BadId { off, id: tid });
        }
        last = tid;
        let for_all = id_type == abi::SIGCR_WAIT_ALL;
        if id_type > abi::SIGCR_WAIT_PGID || id < 0 || (for_all && id != 0) {
            return Err(Refusal::BadWaiter { off, id_type });
        }
    }
    Ok(())
}

fn check_altstack(off: usize, altstack: &Altstack) -> Result<(), Refusal> {
    let Altstack {
        ss_flags, sp, size, ..
    } = *altstack;
    if ss_flags & !(SS_DISABLE | SS_AUTODISARM) != 0 {
        return Err(Refusal::UnknownAltstackFlags { off, ss_flags });
    }
    let good = if ss_flags & SS_DISABLE != 0 {
        sp == 0 && size == 0
    } else {
        size >= ALTSTACK_SIZE_MIN
    };
    if !good {
        return Err(Refusal::BadAltstack { off, sp, size });
    }
    Ok(())
}
