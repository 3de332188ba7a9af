// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Storms in rounds, two at a time, until the time is over; what has to hold afterwards.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};
use cases::program;
use mutator::Random;
use nix::errno::Errno;
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid, Uid};

use crate::board::{Board, Call, Count, PATIENCE};
use crate::hold::Cgroup;
use crate::storm::{become_user, exit, state, Storm};
use crate::{live, mortal, own, stopped};

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Decides what happens, but for who is faster.
    pub(crate) seed: u64,
    /// How long all of it may take.
    pub(crate) limit: Duration,
    /// Only storms whose name holds this.
    pub(crate) filter: String,
}

/// A kind of storm.
struct Kind {
    name: &'static str,
    /// What is shown by it, if nothing fails.
    sentence: &'static str,
    run: fn(&mut Storm<'_>) -> Result<()>,
    uid: Uid,
    /// What it has to have done to count.
    reach: &'static [Count],
    total: Board,
    fault: Option<String>,
}

impl Kind {
    /// Something that it has not done yet.
    fn lacks(&self) -> Option<Count> {
        let mut reach = self.reach.iter().copied();
        reach.find(|&count| self.total.count(count) == 0)
    }
}

/// So many more rounds there may be for what a slow guest has not done in its time.
const MORE_ROUNDS_COUNT_MAX: u32 = 10;
/// The shortest and the longest time of a round.
const ROUND_LIMITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(20));

/// Runs all and prints TAP; false if something does not hold.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let kinds = [
        (
            "live",
            "a live record in a flood is one instant of it",
            live::run as fn(&mut Storm<'_>) -> Result<()>,
            &[Count::Checkpoints, Count::Received, Count::Forks][..],
        ),
        (
            "mortal",
            "a process that forks, execs, exits and is killed keeps its signals or is refused",
            mortal::run,
            &[
                Count::Checkpoints,
                Count::Execs,
                Count::ThreadExecs,
                Count::Kills,
            ],
        ),
        (
            "stopped",
            "a record of a stopped process restored to it loses and doubles nothing",
            stopped::run,
            &[Count::Checkpoints, Count::Restores, Count::Received],
        ),
        (
            "own",
            "a process with threads that restores itself loses and doubles nothing",
            own::run,
            &[Count::SelfRestores, Count::Received, Count::Threads],
        ),
    ];
    let mut chosen = Vec::new();
    for (index, (name, sentence, run, reach)) in kinds.into_iter().enumerate() {
        if name.contains(&options.filter) {
            chosen.push(Kind {
                name,
                sentence,
                run,
                uid: Uid::from_raw(2001 + index as u32),
                reach,
                total: Board::new()?,
                fault: None,
            });
        }
    }
    ensure!(
        !chosen.is_empty(),
        "no storm has `{}` in its name",
        options.filter
    );
    println!("1..{}", chosen.len() + 2);
    rounds(options, &mut chosen)?;
    let mut good = true;
    for (index, kind) in chosen.iter().enumerate() {
        let result = match (&kind.fault, kind.lacks()) {
            (Some(fault), _) => Err(fault.clone()),
            (None, Some(count)) => Err(format!("not done: {count:?}")),
            (None, None) => Ok(()),
        };
        good &= tell(index + 1, kind.sentence, result);
        show(kind);
    }
    show_watchpoints();
    let number = chosen.len() + 1;
    let users = chosen.iter().map(|kind| kind.uid);
    good &= tell(
        number,
        "nobody is charged for a signal any more",
        uncharged(users),
    );
    good &= tell(number + 1, "no process is left", nobody_left());
    Ok(good)
}

/// Pairs of storms, each kind in turn, until the time is over; all kinds at least once.
fn rounds(options: &Options, kinds: &mut [Kind]) -> Result<()> {
    let (started, count) = (Instant::now(), kinds.len());
    let pairs = count.div_ceil(2) as u32;
    let round_limit = (options.limit / pairs).clamp(ROUND_LIMITS.0, ROUND_LIMITS.1);
    let mut index = 0;
    // A fault ends it: what was seen is what there is to look at.
    let has_fault = |kinds: &[Kind]| kinds.iter().any(|kind| kind.fault.is_some());
    let mut more_count = 0;
    while !has_fault(kinds) {
        let is_time_over = started.elapsed() + round_limit / 2 >= options.limit;
        if is_time_over && index >= count {
            if kinds.iter().all(|kind| kind.lacks().is_none()) || more_count > MORE_ROUNDS_COUNT_MAX
            {
                break;
            }
            more_count += 1;
        }
        let pair = match count {
            1 => vec![0],
            _ => vec![index % count, (index + 1) % count],
        };
        let mut running = Vec::new();
        for &at in &pair {
            // The filter must not change what a storm does.
            let round = (index / count) as u64;
            let random = Random::of_item(options.seed ^ u64::from(kinds[at].uid.as_raw()), round);
            running.push((at, start(&kinds[at], random, round_limit)?));
        }
        for (at, storm) in running {
            let result = storm.finish(round_limit);
            kinds[at].total.add_all(storm.board);
            if let Err(e) = result {
                let text = format!("round {}: {e:#}", index / count);
                println!("# {}: {text}", kinds[at].name);
                kinds[at].fault.get_or_insert(text);
            }
        }
        index += pair.len();
        println!("# done {}", started.elapsed().as_secs());
    }
    println!(
        "# took {} s, seed {}",
        started.elapsed().as_secs(),
        options.seed
    );
    Ok(())
}

/// A storm in a process of its own.
struct Running {
    pid: Pid,
    board: &'static Board,
    /// Removed with this.
    _cgroup: Cgroup,
}

fn start(kind: &Kind, random: Random, limit: Duration) -> Result<Running> {
    let board: &'static Board = Box::leak(Box::new(Board::new()?));
    let cgroup = Cgroup::new(&format!("soak-{}", kind.name))?;
    // SAFETY: This process has one thread, so the child finds no lock held by another.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Parent { child } => Ok(Running {
            pid: child,
            board,
            _cgroup: cgroup,
        }),
        ForkResult::Child => {
            // A group, so that all of it can be ended; and what loses its parent stays here.
            let _ = nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0));
            // SAFETY: The call takes two numbers.
            unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
            let mut storm = Storm {
                board,
                cgroup: &cgroup,
                uid: kind.uid,
                random,
                until: Instant::now() + limit,
            };
            if let Err(e) = (kind.run)(&mut storm) {
                board.fail(format_args!("{e:#}"));
            }
            // All that it has left behind, whatever state that is in.
            let ended = cgroup.kill().and_then(|()| reap_all(board));
            if let Err(e) = ended {
                board.fail(format_args!("{e:#}"));
            }
            exit(0)
        }
    }
}

/// Waits until no child is left.
fn reap_all(board: &Board) -> Result<()> {
    board.set_over();
    let deadline = Instant::now() + PATIENCE;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG | WaitPidFlag::__WALL)) {
            Err(Errno::ECHILD) => return Ok(()),
            Ok(WaitStatus::StillAlive) => {
                if Instant::now() > deadline {
                    bail!("a process is stuck: {}", leftovers());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            // EINVAL: one that a real-time signal has ended; it was reaped all the same.
            Ok(_) | Err(Errno::EINTR | Errno::EINVAL) => {}
            Err(errno) => bail!("waitpid: {errno}"),
        }
    }
}

impl Running {
    fn finish(&self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit + 4 * PATIENCE;
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::WNOHANG))? {
                WaitStatus::StillAlive if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                WaitStatus::Exited(_, 0) => break,
                status => {
                    let left = leftovers();
                    let _ = kill(self.pid, Signal::SIGKILL);
                    bail!("the storm's own process: {status:?}; {left}");
                }
            }
        }
        match self.board.fault() {
            None => Ok(()),
            Some(fault) => bail!("{fault}"),
        }
    }
}

/// Prints the result of a case; false if it is a failure.
fn tell(number: usize, name: &str, result: Result<(), String>) -> bool {
    match &result {
        Ok(()) => println!("ok {number} {name}"),
        Err(what) => {
            println!("not ok {number} {name}");
            what.lines().for_each(|line| println!("# {line}"));
        }
    }
    result.is_ok()
}

/// Prints the counts of a kind.
fn show(kind: &Kind) {
    println!("# {}:", kind.name);
    for &(count, words) in Count::ALL {
        match kind.total.count(count) {
            0 => {}
            number => println!("# {number:>10} {words}"),
        }
    }
    for (call, words) in [
        (Call::Checkpoint, "checkpoints"),
        (Call::Restore, "restores"),
    ] {
        let errnos: Vec<String> = kind
            .total
            .errnos(call)
            .map(|(errno, count)| format!("{errno:?} {count}"))
            .collect();
        if !errnos.is_empty() {
            println!("#            {words} refused by {}", errnos.join(", "));
        }
    }
}

/// Prints how closely KCSAN has looked since the kernel was booted, where it is built in.
fn show_watchpoints() {
    let text = std::fs::read_to_string("/sys/kernel/debug/kcsan").unwrap_or_default();
    for line in text.lines() {
        if let Some(count) = line.strip_prefix("setup_watchpoints: ") {
            println!("# KCSAN has watched {count} accesses");
        }
    }
}

/// Whether nothing is queued to these users any more, as `/proc/PID/status` has it.
fn uncharged(uids: impl Iterator<Item = Uid>) -> Result<(), String> {
    for uid in uids {
        // Entries are freed a moment after who had them.
        let mut last = String::new();
        let gone = (0..1000).any(|_| {
            std::thread::sleep(Duration::from_millis(50));
            last = charged(uid).unwrap_or_else(|e| format!("{e:#}"));
            last == "0"
        });
        if !gone {
            return Err(format!("user {uid} is charged for {last} signals"));
        }
    }
    Ok(())
}

/// How many signals a user is charged for, asked of a process of theirs.
fn charged(uid: Uid) -> Result<String> {
    // SAFETY: This process has one thread.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let _ = become_user(uid);
            std::thread::sleep(Duration::from_secs(60));
            exit(0)
        }
        ForkResult::Parent { child } => {
            let mut queued = Ok("nothing known".to_owned());
            for _ in 0..1000 {
                let is_user = program::status_field(child, "Uid")
                    .is_ok_and(|ids| ids.split_whitespace().next() == Some(&uid.to_string()));
                if is_user {
                    queued = program::status_field(child, "SigQ");
                    break;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            kill(child, Signal::SIGKILL)?;
            waitpid(child, None)?;
            let queued = queued?;
            Ok(queued.split('/').next().unwrap_or_default().to_owned())
        }
    }
}

fn nobody_left() -> Result<(), String> {
    match leftovers() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("left: {left}")),
    }
}

/// The processes of this program, but for the caller.
fn leftovers() -> String {
    let mut text = String::new();
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(pid) = name.parse::<i32>() else {
            continue;
        };
        let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        // A process that has executed itself is called after the link in /proc.
        let is_ours = comm.starts_with("soak") || comm.trim() == "exe";
        if is_ours && name != own {
            text += &format!("process {pid}: {}", state(Pid::from_raw(pid)));
        }
    }
    text
}
