// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The capture: system calls run in the threads, then the queues, put together as a model.

use nix::{sys::ptrace, unistd::Pid};

use super::{
    process::{sigset, Kind, Process, Thread, TICK_NS},
    procfs,
    remote::{Remote, SIGSET_LEN},
    sys,
    times::{self, Reading, RestoreIds, Sources},
    NotCaptured,
};
use crate::{
    record::UNBLOCKABLE,
    stop::{task, Failure, Stopped},
    Action, ActionFlags, AltStack, AltStackFlags, Errno, FrameAbi, Handler, Model, ProcessInfo,
    RecordFlags, SigNo, SigSet, ThreadInfo, ThreadModel,
};

/// What a system call in one thread tells.
struct Private {
    altstack: AltStack,
    pdeath_signo: Option<SigNo>,
}

/// Takes the model of the process that is held, and what could not be seen of it.
pub(super) fn run(stopped: &Stopped) -> Result<(Model, Vec<NotCaptured>), Failure> {
    let process = Process::of(stopped)?;
    let mut lost = vec![
        NotCaptured::FrameAbi,
        NotCaptured::SharedSighand,
        NotCaptured::Autoreap,
    ];
    let carrier_thread = process.carrier()?.clone();
    let stop_signo = stop_signo(&process)?;

    // First what is read by system calls, then the queues: a thread that takes a SIGSTOP meanwhile
    // does so before its queue is looked at.
    let mut private = Vec::new();
    for thread in process.held().filter(|thread| **thread != carrier_thread) {
        let mut remote = process.remote(thread)?;
        private.push((thread.tid, Private::take(&mut remote)?));
        remote.finish()?;
    }
    let mut carrier = process.remote(&carrier_thread)?;
    private.push((carrier_thread.tid, Private::take(&mut carrier)?));
    let actions = actions(&mut carrier)?;
    let timer_ids = asks_for_timer_ids(&mut carrier, &mut lost)?;
    let listed = procfs::timers(process.pid);
    let before = Reading::take(&mut carrier, listed.as_deref())?;

    let stop_signo = stop_signo.or(carrier.stop_signo()).and_then(signal);
    let mut model = Model::new(process.own_pid()?);
    // CAST: There are at most 2^22 threads.
    model.thread_count = process.threads.len() as u32;
    model.process = Some(process_info(&process, stop_signo, timer_ids)?);
    let mut shared = process.shared_queue()?;
    for thread in &process.threads {
        let blocked = match thread.tid == carrier.tid() {
            true => Some(carrier.blocked()),
            false => None,
        };
        let private = private.iter().find(|(tid, _)| *tid == thread.tid);
        let private = private.map(|(_, private)| private);
        model
            .threads
            .push(thread_model(&process, thread, blocked, private, &mut lost)?);
    }

    let after = Reading::take(&mut carrier, listed.as_deref())?;
    carrier.finish()?;
    let sources = Sources {
        process: &process,
        own_pid: model.tgid,
        listed: listed.as_deref(),
        before: &before,
        after: &after,
        actions: &actions,
    };
    let (itimers, timers) =
        times::put_together(&sources, &mut shared, &mut model.threads, &mut lost);
    model.itimers = Some(itimers);
    model.timers = timers;
    model.shared_pending = Some(shared);
    model.actions = Some(actions);
    match procfs::signalfds(process.pid, carrier_thread.tid) {
        Ok(list) if list.is_empty() => {}
        Ok(list) => model.signalfds = Some(list),
        Err(_) => lost.push(NotCaptured::Signalfds),
    }
    lost.sort();
    lost.dedup();
    Ok((model, lost))
}

/// Takes the model of the private state of one thread of the process that is held.
pub(super) fn run_thread(
    stopped: &Stopped,
    tid: i32,
) -> Result<(Model, Vec<NotCaptured>), Failure> {
    let process = Process::of(stopped)?;
    let mut lost = Vec::new();
    let Some(thread) = process.threads.iter().find(|thread| thread.tid == tid) else {
        return Err(Failure::new(
            Errno::ESRCH,
            "it does not have the thread, or no more; look the number up again",
        ));
    };
    let private = match thread.kind {
        Kind::Held => {
            let mut remote = process.remote(thread)?;
            let private = Private::take(&mut remote)?;
            remote.finish()?;
            Some(private)
        }
        _ => None,
    };
    let mut one = thread_model(&process, thread, None, private.as_ref(), &mut lost)?;
    if let Some(queue) = &mut one.pending {
        let listed = procfs::timers(process.pid);
        times::mark(listed.as_deref(), thread.tid, queue, &mut lost);
    }
    let mut model = Model::new(process.own_pid()?);
    // CAST: There are at most 2^22 threads.
    model.thread_count = process.threads.len() as u32;
    model.flags = RecordFlags::ONE_THREAD;
    model.threads.push(one);
    lost.sort();
    lost.dedup();
    Ok((model, lost))
}

/// The signal of the group stop that the process was in when it was held.
fn stop_signo(process: &Process) -> Result<Option<i32>, Failure> {
    for thread in process.held() {
        let stop = ptrace::getsiginfo(Pid::from_raw(thread.tid)).map_err(|errno| match errno {
            Errno::ESRCH => Failure::GONE,
            errno => Failure::new(errno, "its stop cannot be looked at; try again"),
        })?;
        if stop.si_code >> 8 == libc::PTRACE_EVENT_STOP && stop.si_signo != libc::SIGTRAP {
            return Ok(Some(stop.si_signo));
        }
    }
    Ok(None)
}

fn process_info(
    process: &Process,
    stop_signo: Option<SigNo>,
    timer_ids: bool,
) -> Result<ProcessInfo, Failure> {
    let stat = process.stat()?;
    let status = process.status(process.pid)?;
    // Queued signals of the user, a slash, and the limit.
    let limit = task::field_of(&status, "SigQ:")
        .and_then(|queued| queued.split_once('/'))
        .and_then(|(_, limit)| limit.parse().ok());
    Ok(ProcessInfo {
        stopped: stop_signo.is_some(),
        unkillable: process.own_pid()? == 1,
        timer_ids,
        autoreap: false,
        stop_signo,
        exit_signo: signal(stat.exit_signo),
        rlimit_sigpending_count: limit.ok_or(Failure::GONE)?,
        start_boottime_ns: stat.start_ticks.saturating_mul(TICK_NS),
    })
}

fn thread_model(
    process: &Process,
    thread: &Thread,
    blocked: Option<u64>,
    private: Option<&Private>,
    lost: &mut Vec<NotCaptured>,
) -> Result<ThreadModel, Failure> {
    let is_held = thread.kind == Kind::Held;
    let blocked = match blocked {
        Some(blocked) => blocked,
        None if is_held => sys::blocked(thread.tid).map_err(|_| Failure::GONE)?,
        None => sigset(&process.status(thread.tid)?, "SigBlk:").map_or(0, SigSet::bits),
    };
    if !is_held {
        lost.push(NotCaptured::ParentDeath(thread.own_tid));
    }
    Ok(ThreadModel {
        tid: thread.own_tid,
        state: Some(ThreadInfo {
            blocked: SigSet::from_bits(blocked & !UNBLOCKABLE),
            pdeath_signo: private.and_then(|private| private.pdeath_signo),
            worker: thread.kind == Kind::Worker,
            dead: thread.kind == Kind::Dead,
            ..ThreadInfo::default()
        }),
        altstack: private.map(|private| private.altstack),
        pending: match is_held {
            true => Some(process.private_queue(thread)?),
            false => None,
        },
        inflight: None,
    })
}

impl Private {
    fn take(remote: &mut Remote<'_>) -> Result<Private, Failure> {
        let scratch = remote.scratch();
        let done = remote.call(libc::SYS_sigaltstack, [0, scratch, 0, 0, 0, 0])?;
        done.map_err(|errno| failed(errno, "sigaltstack(2) run in it fails"))?;
        let altstack = altstack(remote.read_words()?);
        let get = libc::PR_GET_PDEATHSIG as u64;
        let done = remote.call(libc::SYS_prctl, [get, scratch, 0, 0, 0, 0])?;
        done.map_err(|errno| failed(errno, "prctl(2) run in it fails"))?;
        Ok(Private {
            altstack,
            pdeath_signo: signal(i32::from_ne_bytes(remote.read()?)),
        })
    }
}

/// Reads a `stack_t`: address, flags, size.
fn altstack([sp, flags, size]: [u64; 3]) -> AltStack {
    // CAST: The flags are an int with four bytes of padding behind it.
    let flags = AltStackFlags::from_bits_truncate(flags as u32);
    match flags.contains(AltStackFlags::DISABLE) {
        true => AltStack {
            flags,
            sp: 0,
            size: 0,
        },
        false => AltStack { flags, sp, size },
    }
}

/// Reads all actions that are not the default; each is handler, flags, restorer and mask.
fn actions(remote: &mut Remote<'_>) -> Result<Vec<Action>, Failure> {
    let mut actions = Vec::new();
    for signo in SigNo::all() {
        if UNBLOCKABLE & SigSet::from_iter([signo]).bits() != 0 {
            continue;
        }
        let args = [signo.get().into(), 0, remote.scratch(), SIGSET_LEN, 0, 0];
        let done = remote.call(libc::SYS_rt_sigaction, args)?;
        done.map_err(|errno| failed(errno, "sigaction(2) run in it fails"))?;
        let [handler, flags, restorer, mask] = remote.read_words()?;
        let action = Action {
            signo,
            handler: Handler(handler),
            flags: ActionFlags::from_bits_truncate(flags),
            restorer,
            mask: SigSet::from_bits(mask & !UNBLOCKABLE),
            abi: FrameAbi::Native,
        };
        if [handler, flags, restorer, mask] != [0; 4] {
            actions.push(action);
        }
    }
    Ok(actions)
}

fn asks_for_timer_ids(
    remote: &mut Remote<'_>,
    lost: &mut Vec<NotCaptured>,
) -> Result<bool, Failure> {
    match times::restore_ids(remote, RestoreIds::Get)? {
        Ok(answer) => Ok(answer != 0),
        // A kernel before 6.15.
        Err(_) => {
            lost.push(NotCaptured::TimerIds);
            Ok(false)
        }
    }
}

fn signal(signo: i32) -> Option<SigNo> {
    SigNo::new(u32::try_from(signo).ok()?)
}

fn failed(errno: Errno, what: &'static str) -> Failure {
    Failure::new(errno, what)
}
