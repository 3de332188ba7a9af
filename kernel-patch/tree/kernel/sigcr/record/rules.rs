// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The rules of the decoder: what a well-formed record must not hold, section by section.
//!
//! Each rule has its [`Refusal`]. Rules that need the target (does the thread exist, is there room
//! under its limits) are not here but in `restore.rs`.

use core::mem::offset_of;

use crate::abi;

use super::{
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
    Queue,
    Refusal,
    Section,
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
    SIGRTMIN,
    SS_AUTODISARM,
    SS_DISABLE,
    UNBLOCKABLE, //
};

/// What was seen of the sections so far, for the rules that span several of them.
pub(super) struct Checks {
    one_thread: bool,
    /// Where the last known section stands in the order: type, tid, type within the thread.
    last: (u32, i32, u32),
    /// Whether the thread of `last` is listed only: a worker or dead.
    listed_only: bool,
    section_count: u32,
    /// Whether an entry has a code that is reserved to the kernel, and whether one is of a timer.
    pub(super) has_reserved_code: bool,
    pub(super) has_timer_entry: bool,
}

impl Checks {
    pub(super) fn new(header: &Header) -> Self {
        Self {
            one_thread: header.flags & abi::SIGCR_RECORD_ONE_THREAD != 0,
            last: (0, 0, 0),
            listed_only: false,
            section_count: 0,
            has_reserved_code: false,
            has_timer_entry: false,
        }
    }

    /// Checks one section that was decoded at `off`.
    pub(super) fn section(&mut self, off: usize, section: &Section<'_>) -> Result<(), Refusal> {
        self.section_count = self.section_count.saturating_add(1);
        match section {
            Section::Process(process) => {
                self.order(off, &process.section, 0)?;
                known_flags(off, &process.section, abi::SIGCR_PROCESS_FLAGS)?;
                signo_or_none(off, process.stop_signo)?;
                signo_or_none(off, process.exit_signo)
            }
            Section::Actions(actions) => {
                self.order(off, &actions.list.section, 0)?;
                known_flags(off, &actions.list.section, 0)?;
                check_actions(off, actions)
            }
            Section::SharedPending(queue) => {
                self.order(off, &queue.list.section, 0)?;
                if queue.tid != 0 {
                    return Err(Refusal::BadTid {
                        off,
                        tid: queue.tid,
                    });
                }
                self.queue(off, queue)
            }
            Section::Itimers(itimers) => {
                self.order(off, &itimers.section, 0)?;
                known_flags(off, &itimers.section, abi::SIGCR_ITIMERS_FLAGS)?;
                check_itimers(off, itimers)
            }
            Section::Timers(timers) => {
                self.order(off, &timers.list.section, 0)?;
                known_flags(off, &timers.list.section, 0)?;
                check_timers(off, timers)
            }
            Section::Signalfds(signalfds) => {
                self.order(off, &signalfds.list.section, 0)?;
                known_flags(off, &signalfds.list.section, 0)?;
                check_signalfds(off, signalfds)
            }
            Section::Thread(thread) => {
                self.order(off, &thread.section, thread.tid)?;
                known_flags(off, &thread.section, abi::SIGCR_THREAD_FLAGS)?;
                signo_or_none(off, thread.pdeath_signo)?;
                self.listed_only = is_listed_only(thread);
                blockable(off, thread.blocked)
            }
            Section::Altstack(altstack) => {
                self.order(off, &altstack.section, altstack.tid)?;
                known_flags(off, &altstack.section, 0)?;
                check_altstack(off, altstack)
            }
            Section::Pending(queue) => {
                self.order(off, &queue.list.section, queue.tid)?;
                self.queue(off, queue)
            }
            Section::Inflight(inflight) => {
                self.order(off, &inflight.section, inflight.tid)?;
                known_flags(off, &inflight.section, 0)?;
                reserved(off, offset_of!(Inflight, reserved), inflight.reserved)?;
                match signo_in_flight(inflight) {
                    SIGKILL => Err(Refusal::KillPending { off }),
                    signo if sigset_of(signo) == 0 => Err(Refusal::BadSigno { off, signo }),
                    _ => Ok(()),
                }
            }
            Section::Waiters(waiters) => {
                self.order(off, &waiters.list.section, 0)?;
                known_flags(off, &waiters.list.section, 0)?;
                check_waiters(off, waiters)
            }
            Section::Unknown { .. } => Ok(()),
        }
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
        for (index, entry) in queue.entries().enumerate() {
            let off = queue.list.entry_off(off, index);
            let signo = entry.signo();
            let bit = sigset_of(signo);
            if bit == 0 {
                return Err(Refusal::BadSigno { off, signo });
            }
            if entry.flags & !abi::SIGCR_ENTRY_FLAGS != 0 {
                return Err(Refusal::UnknownEntryFlags {
                    off,
                    flags: entry.flags,
                });
            }
            if queue.set & bit == 0 {
                return Err(Refusal::EntryNotInSet { off, signo });
            }
            self.has_reserved_code |= entry.has_reserved_code();
            if entry.flags & abi::SIGCR_ENTRY_TIMER != 0 {
                self.has_timer_entry = true;
                // Several timers may have queued one legacy signal.
                continue;
            }
            if entry.timer_id != 0 {
                let off = off.saturating_add(offset_of!(Entry, timer_id));
                return Err(Refusal::ReservedNotZero { off });
            }
            if signo < SIGRTMIN && seen & bit != 0 {
                return Err(Refusal::LegacyTwice { off, signo });
            }
            seen |= bit;
        }
        Ok(())
    }

    /// Checks what can be said only after the last section.
    pub(super) fn end(&self, header: &Header) -> Result<(), Refusal> {
        if self.section_count != header.section_count {
            return Err(Refusal::SectionCountMismatch {
                stored: header.section_count,
                seen: self.section_count,
            });
        }
        Ok(())
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
