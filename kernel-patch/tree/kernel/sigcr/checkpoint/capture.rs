// SPDX-License-Identifier: GPL-2.0

//! The capture of a process under siglock: state goes into a record, section by section.
//!
//! All of it is done in one hold of siglock, unless a target that stands still has more signals
//! than one hold may take. Then the record shows the first hold: the queues are cut there, and what
//! is in front of the cuts is encoded in as many holds as it takes.

use kernel::{
    prelude::*,
    signal::{
        self,
        Cut,
        FrameAbi,
        Itimers,
        Owner,
        QueueRef,
        Scope,
        SighandGuard,
        Standing,
        ThreadRef, //
    }, //
};

use crate::{
    abi,
    record::{
        self,
        encode::{
            entry_rest,
            unfinished_header,
            OpenList,
            Sink,
            Writer, //
        },
        Action,
        Altstack,
        Header,
        Inflight,
        Process,
        Thread,
        SS_AUTODISARM,
        SS_DISABLE, //
    },
};

use super::{
    aside::Aside,
    threads_in, //
};

/// The most queued signals that are read in one hold of siglock, with interrupts off.
pub(super) const HOLD_ENTRY_COUNT_MAX: u32 = 4096;

/// Section heads are filled in by the [`Writer`].
const HEAD: abi::sigcr_section = abi::sigcr_section {
    type_: 0,
    flags: 0,
    len: 0,
};

/// A capture that is under way.
pub(super) struct Capture<'c, S> {
    scope: Scope,
    stable: bool,
    aside: &'c mut Aside,
    writer: &'c mut Writer<S>,
    itimers: (Itimers, bool),
    /// How many signals may still be read in this hold, and in all.
    hold_room_count: u32,
    room_count: u32,
    /// The queue that is being encoded.
    open: Option<OpenQueue>,
    /// Whether the sections of the process are complete.
    process_done: bool,
    /// How many threads have been begun, the tid of the last one, and whether they all ascend.
    begun_count: usize,
    last_tid: i32,
    in_order: bool,
}

struct OpenQueue {
    list: OpenList,
    /// 0: the queue of the process.
    tid: i32,
    cut: Cut,
    /// Sigset of the signals that were encoded.
    taken: u64,
    /// Sigset of those that were left out, as they will be dropped when their turn comes.
    stale: u64,
}

impl<'c, S: Sink> Capture<'c, S> {
    /// A capture of all, or with [`Scope::Thread`] of one thread; `stable`: nothing of it changes
    /// while siglock is held.
    pub(super) fn new(
        scope: Scope,
        stable: bool,
        aside: &'c mut Aside,
        writer: &'c mut Writer<S>,
    ) -> Self {
        Self {
            scope,
            stable,
            aside,
            writer,
            itimers: Default::default(),
            hold_room_count: HOLD_ENTRY_COUNT_MAX,
            // A target that runs could queue without end.
            room_count: match stable {
                true => abi::SIGCR_RECORD_LEN_MAX / abi::SIGCR_ENTRY_LEN_VER1,
                false => abi::SIGCR_LIVE_ENTRY_COUNT_MAX,
            },
            open: None,
            process_done: false,
            begun_count: 0,
            last_tid: 0,
            in_order: true,
        }
    }

    /// Encodes the state of the target, all but the header, which it returns, with whether the
    /// threads stand in the order of their tids; [`None`] if the target did not stand still or the
    /// memory aside was too small: begin anew.
    ///
    /// # Errors
    ///
    /// - [`EOVERFLOW`]: too many signals.
    /// - [`EINTR`]: the caller is being killed.
    pub(super) fn run<'a>(
        mut self,
        sighand: SighandGuard<'a>,
        lock: impl Fn() -> Option<SighandGuard<'a>>,
    ) -> Result<Option<(Header, bool)>> {
        let header = self.header(&sighand);
        if self.scope == Scope::Process {
            self.itimers = sighand.itimers();
            capture_process(&sighand, self.writer);
            capture_actions(&sighand, self.writer);
        }
        let now = sighand.now();
        if !self.stable {
            self.hold_room_count = self.room_count;
        }
        let mut done = self.go_on(&sighand, now, true)?;
        // What was captured aside must fit to the queues as they were then.
        if !self.aside.is_up_to_date(&sighand) {
            return Ok(None);
        }
        if done {
            return Ok(Some((header, self.in_order)));
        }
        let Some(before) = sighand.standstill(now) else {
            // Rare: SIGCONT or a stop signal is pending, and others may take it away.
            self.hold_room_count = self.room_count;
            self.go_on(&sighand, now, true)?;
            return Ok(Some((header, self.in_order)));
        };
        if !self
            .aside
            .cut_queues(&sighand, now, self.scope, self.begun_count)
        {
            return Ok(None);
        }
        drop(sighand);
        while !done {
            if signal::current_is_being_killed() {
                return Err(EINTR);
            }
            let Some(sighand) = lock() else {
                return Ok(None);
            };
            let Some(standing) = sighand.stands(&before) else {
                return Ok(None);
            };
            self.hold_room_count = HOLD_ENTRY_COUNT_MAX;
            done = self.go_on(&sighand, standing, false)?;
        }
        Ok(Some((header, self.in_order)))
    }

    fn header(&self, sighand: &SighandGuard<'_>) -> Header {
        let mut flags = 0;
        if !self.stable {
            flags |= abi::SIGCR_RECORD_LIVE | abi::SIGCR_RECORD_UNSTABLE;
        }
        match self.scope {
            Scope::Thread => flags |= abi::SIGCR_RECORD_ONE_THREAD,
            Scope::Process if sighand.is_shared() => flags |= abi::SIGCR_RECORD_SHARED_SIGHAND,
            Scope::Process => {}
        }
        unfinished_header(flags, sighand.thread_count(), sighand.tgid())
    }

    /// Encodes queues and threads from where the hold before has left off; whether all is done.
    fn go_on<'g>(
        &mut self,
        sighand: &'g SighandGuard<'_>,
        standing: Standing<'g>,
        is_first: bool,
    ) -> Result<bool> {
        if self.scope == Scope::Process && !self.process_done {
            let queue = sighand.shared_queue();
            if self.open.is_none() {
                self.begin_queue(0, queue.cut(standing));
            }
            if self.open.is_some() && !self.copy_queue(queue, standing)? {
                return Ok(false);
            }
            let (itimers, expired) = self.itimers;
            encode_itimers(&itimers, expired, self.writer);
            self.aside.encode(self.writer);
            self.process_done = true;
        }
        let first = self
            .begun_count
            .saturating_sub(usize::from(self.open.is_some()));
        for (index, thread) in threads_in(sighand, self.scope).enumerate().skip(first) {
            if self.open.is_none() {
                self.begun_count = index.saturating_add(1);
                let cut = match is_first {
                    true => Some(thread.queue().cut(standing)),
                    false => self.aside.take_cut(index),
                };
                // A thread without a cut has ended: there is nothing to read.
                let tid = sighand.tid(thread);
                let (true, Some(cut)) = (self.encode_thread(thread, tid), cut) else {
                    continue;
                };
                self.begin_queue(tid, cut);
            }
            if self.open.is_some() && !self.copy_queue(thread.queue(), standing)? {
                return Ok(false);
            }
            if let Some(siginfo) = thread.signal_in_flight() {
                self.writer.inflight(&Inflight {
                    section: HEAD,
                    tid: sighand.tid(thread),
                    reserved: 0,
                    siginfo,
                });
            }
        }
        Ok(true)
    }

    /// Encodes THREAD and ALTSTACK; false if the thread has nothing else.
    fn encode_thread(&mut self, thread: ThreadRef<'_>, tid: i32) -> bool {
        self.in_order &= tid > self.last_tid;
        self.last_tid = tid;
        let section = thread_section(thread, tid);
        self.writer.thread(&section);
        if record::is_listed_only(&section) {
            return false;
        }
        let altstack = thread.altstack();
        let mut ss_flags = 0;
        if altstack.size == 0 {
            ss_flags |= SS_DISABLE;
        }
        if altstack.autodisarm {
            ss_flags |= SS_AUTODISARM;
        }
        self.writer.altstack(&Altstack {
            section: HEAD,
            tid,
            ss_flags,
            sp: altstack.sp as u64,
            size: altstack.size as u64,
        });
        true
    }

    /// Begins with a queue, and ends it if it is empty.
    fn begin_queue(&mut self, tid: i32, cut: Cut) {
        if cut.is_done() {
            return self.writer.empty_queue(tid, cut.set);
        }
        self.open = Some(OpenQueue {
            list: self.writer.begin_queue(),
            tid,
            cut,
            taken: 0,
            stale: 0,
        });
    }

    /// Encodes what is left of the open queue and ends it; false if this hold has no room for all.
    ///
    /// What a timer has left in it that was deleted or set anew since is left out, as it will be
    /// when its turn comes to be taken.
    fn copy_queue<'g>(&mut self, queue: QueueRef<'g>, standing: Standing<'g>) -> Result<bool> {
        let Some(mut open) = self.open.take() else {
            return Ok(true);
        };
        let room_count = self.hold_room_count.min(self.room_count);
        let mut left_count = room_count;
        let (mut taken, mut stale) = (open.taken, open.stale);
        let cut = &mut open.cut;
        let entries = core::iter::from_fn(|| loop {
            if left_count == 0 {
                return None;
            }
            let queued = queue.next_of(cut, standing)?;
            left_count = left_count.wrapping_sub(1);
            let bit = bit_of(queued.signo());
            let rest = match queued.owner {
                Owner::Queue => entry_rest(0, 0),
                Owner::Timer(timer_id) => entry_rest(abi::SIGCR_ENTRY_TIMER, timer_id),
                Owner::Stale => {
                    stale |= bit;
                    continue;
                }
            };
            taken |= bit;
            return Some((queued.siginfo, rest));
        });
        self.writer.queued(&mut open.list, entries);
        (open.taken, open.stale) = (taken, stale);
        let taken_count = room_count.wrapping_sub(left_count);
        self.hold_room_count = self.hold_room_count.saturating_sub(taken_count);
        self.room_count = self.room_count.saturating_sub(taken_count);
        if open.cut.is_done() {
            let set = open.cut.set & !(open.stale & !open.taken);
            self.writer.end_queue(open.list, open.tid, set);
            return Ok(true);
        }
        self.open = Some(open);
        match self.room_count {
            0 => Err(EOVERFLOW),
            _ => Ok(false),
        }
    }
}

/// The set that holds the signal of an entry that the kernel has queued, whose number is valid.
fn bit_of(signo: u32) -> u64 {
    1_u64.wrapping_shl(signo.wrapping_sub(1))
}

fn capture_process(sighand: &SighandGuard<'_>, writer: &mut Writer<impl Sink>) {
    let stop_signo = sighand.stop_signo();
    let mut flags = 0;
    if stop_signo.is_some() {
        flags |= abi::SIGCR_PROCESS_STOPPED;
    }
    if sighand.is_unkillable() {
        flags |= abi::SIGCR_PROCESS_UNKILLABLE;
    }
    if sighand.asks_for_timer_ids() {
        flags |= abi::SIGCR_PROCESS_TIMER_IDS;
    }
    if sighand.is_autoreaped() {
        flags |= abi::SIGCR_PROCESS_AUTOREAP;
    }
    writer.process(&Process {
        section: abi::sigcr_section { flags, ..HEAD },
        stop_signo: stop_signo.unwrap_or(0),
        exit_signo: sighand.exit_signo(),
        rlimit_sigpending_count: sighand.rlimit_sigpending_count(),
        start_boottime_ns: sighand.start_boottime_ns(),
    });
}

fn capture_actions(sighand: &SighandGuard<'_>, writer: &mut Writer<impl Sink>) {
    let mut list = writer.begin_actions();
    for (signo, action) in sighand.actions_that_were_set() {
        let action = Action {
            signo,
            abi: match action.abi {
                FrameAbi::Native => abi::SIGCR_ABI_NATIVE,
                FrameAbi::Ia32 => abi::SIGCR_ABI_IA32,
                FrameAbi::X32 => abi::SIGCR_ABI_X32,
            },
            flags: action.flags as u64,
            handler: action.handler as u64,
            restorer: action.restorer as u64,
            mask: action.mask,
        };
        if !record::is_default(&action) {
            writer.action(&mut list, &action);
        }
    }
    writer.end_actions(list);
}

fn encode_itimers(itimers: &Itimers, expired: bool, writer: &mut Writer<impl Sink>) {
    let wire = |itimer: signal::Itimer| record::Itimer {
        remaining_ns: itimer.remaining_ns,
        interval_ns: itimer.interval_ns,
    };
    let flags = match expired {
        true => abi::SIGCR_ITIMERS_REAL_EXPIRED,
        false => 0,
    };
    writer.itimers(&record::Itimers {
        section: abi::sigcr_section { flags, ..HEAD },
        real: wire(itimers.real),
        virt: wire(itimers.virt),
        prof: wire(itimers.prof),
    });
}

fn thread_section(thread: ThreadRef<'_>, tid: i32) -> Thread {
    let mut flags = 0;
    if thread.is_dead() {
        flags |= abi::SIGCR_THREAD_DEAD;
    } else if thread.is_worker() {
        flags |= abi::SIGCR_THREAD_WORKER;
    } else if !thread.is_current() && !thread.is_stopped() {
        flags |= abi::SIGCR_THREAD_UNSTABLE;
    }
    for (is_so, flag) in [
        (thread.is_traced(), abi::SIGCR_THREAD_TRACED),
        (thread.is_in_trace_stop(), abi::SIGCR_THREAD_TRACE_STOP),
        (thread.is_in_group_stop(), abi::SIGCR_THREAD_GROUP_STOP),
        (thread.is_frozen(), abi::SIGCR_THREAD_FROZEN),
    ] {
        if is_so {
            flags |= flag;
        }
    }
    Thread {
        section: abi::sigcr_section { flags, ..HEAD },
        tid,
        pdeath_signo: thread.pdeath_signo(),
        blocked: thread.blocked() & !record::UNBLOCKABLE,
    }
}
