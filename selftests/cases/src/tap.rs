// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The test runner: each case in a process of its own, with a time limit, reported as TAP.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::catch_unwind;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{fcntl, FcntlArg, OFlag};
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{killpg, Signal};
use nix::unistd::{fork, pipe2, setpgid, ForkResult, Pid};

/// One case: a sentence as its name, and what shows that the sentence is true.
#[derive(Clone, Copy)]
pub struct Case {
    /// The sentence.
    pub name: &'static str,
    /// Runs in a process of its own; an error or a panic is a failure, [`skip`] is a skip.
    pub run: fn() -> anyhow::Result<()>,
    /// After this time the case is killed and has failed.
    pub limit: Duration,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds; the lines that it printed after `note: `.
    Pass(Vec<String>),
    /// It could not be tried here, and why.
    Skip(String),
    /// It does not hold; what the case printed, and how it ended.
    Fail(String),
}

/// The reason why a case cannot be tried here, as an error to return from it.
pub fn skip(reason: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Skip(reason.into()))
}

/// Makes a table of [`Case`]s from functions: the name is the function's, with spaces.
#[macro_export]
macro_rules! cases {
    ($($path:path),* $(,)?) => {
        &[$($crate::tap::Case {
            name: stringify!($path),
            run: $path,
            limit: $crate::tap::LIMIT,
        }),*]
    };
}

/// The time limit of a case that has no other; emulation is slow, and more so on a busy host.
pub const LIMIT: Duration = Duration::from_secs(240);

/// Calls `run` if the kernel has the system calls and they may be used; else says why not, and fails.
pub fn with_calls(run: impl FnOnce() -> ExitCode) -> ExitCode {
    let status = sigcr::status();
    if status.is_available() {
        return run();
    }
    println!("Bail out! {status}");
    ExitCode::FAILURE
}

/// Runs the cases whose name holds `filter` and prints TAP; success only if none failed.
pub fn run(cases: &[Case], filter: Option<&str>) -> ExitCode {
    let mut out = io::stdout();
    match run_to(&mut out, cases, filter) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            println!("Bail out! {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_to(out: &mut impl Write, cases: &[Case], filter: Option<&str>) -> anyhow::Result<bool> {
    let chosen: Vec<&Case> = cases
        .iter()
        .filter(|case| filter.is_none_or(|text| sentence(case.name).contains(text)))
        .collect();
    anyhow::ensure!(!chosen.is_empty(), "no case has that text in its name");
    writeln!(out, "TAP version 13\n1..{}", chosen.len())?;
    let mut good = true;
    for (index, case) in chosen.iter().enumerate() {
        // The case's process must not inherit text that is still to be written.
        out.flush()?;
        let outcome = run_one(case)?;
        good &= !matches!(outcome, Outcome::Fail(_));
        report(out, index + 1, &sentence(case.name), &outcome)?;
    }
    out.flush()?;
    Ok(good)
}

/// Runs one case in a child process, and ends whatever it left behind.
pub fn run_one(case: &Case) -> anyhow::Result<Outcome> {
    let (read_end, write_end) = pipe2(OFlag::O_CLOEXEC)?;
    // SAFETY: a runner has one thread, so the child finds no lock held by another. (The unit tests
    // below have more; there the child takes no lock that they share, but for glibc's own, which
    // fork() itself leaves in order.)
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(read_end);
            // A process group, so that the runner can end everything that the case starts.
            let _ = setpgid(Pid::from_raw(0), Pid::from_raw(0));
            std::process::exit(in_child(case, write_end));
        }
        ForkResult::Parent { child } => {
            drop(write_end);
            // Made on both sides: whoever comes first.
            let _ = setpgid(child, child);
            let mut text = String::new();
            let status = wait_for(child, &read_end, case.limit, &mut text)?;
            // ESRCH: the case left nothing behind.
            let _ = killpg(child, Signal::SIGKILL);
            Ok(judge(status, text.trim_end(), case.limit))
        }
    }
}

/// What the exit status of a case means; `None` is a case that had to be killed.
fn judge(status: Option<ExitStatus>, text: &str, limit: Duration) -> Outcome {
    let end = match status.map(|status| (status, status.code())) {
        Some((_, Some(PASSED))) => {
            let notes = text.lines().filter_map(|line| line.strip_prefix("note: "));
            return Outcome::Pass(notes.map(str::to_owned).collect());
        }
        Some((_, Some(SKIPPED))) => {
            let reason = text.lines().last().unwrap_or("no reason given");
            return Outcome::Skip(reason.to_owned());
        }
        Some((_, Some(FAILED))) => None,
        Some((status, _)) => Some(format!("the case ended with {status}")),
        None => Some(format!("no end after {} s: killed", limit.as_secs())),
    };
    let lines: Vec<&str> = text.lines().chain(end.as_deref()).collect();
    Outcome::Fail(lines.join("\n"))
}

fn report(out: &mut impl Write, number: usize, name: &str, outcome: &Outcome) -> io::Result<()> {
    match outcome {
        Outcome::Pass(notes) => {
            notes
                .iter()
                .try_for_each(|note| writeln!(out, "# {note}"))?;
            writeln!(out, "ok {number} {name}")
        }
        Outcome::Skip(reason) => writeln!(out, "ok {number} {name} # SKIP {reason}"),
        Outcome::Fail(text) => {
            writeln!(out, "not ok {number} {name}")?;
            text.lines().try_for_each(|line| writeln!(out, "# {line}"))
        }
    }
}

const PASSED: i32 = 0;
const FAILED: i32 = 1;
/// As in automake; no other exit status here has this value.
const SKIPPED: i32 = 77;

fn in_child(case: &Case, output: OwnedFd) -> i32 {
    // Both streams into the pipe: the runner prints them if the case fails.
    for stream in [1, 2] {
        // SAFETY: both descriptors are open, and nothing in this process owns 1 and 2 as OwnedFd.
        if unsafe { libc::dup2(output.as_raw_fd(), stream) } < 0 {
            return FAILED;
        }
    }
    // Not by eprintln!, which libtest would catch when the runner itself is under test.
    std::panic::set_hook(Box::new(|info| say(info)));
    let code = match catch_unwind(case.run) {
        Ok(Ok(())) => PASSED,
        Ok(Err(e)) => {
            say(format_args!("{e:#}"));
            if e.is::<Skip>() {
                SKIPPED
            } else {
                FAILED
            }
        }
        // The panic hook has printed the message.
        Err(_) => FAILED,
    };
    let _ = io::stdout().flush();
    code
}

fn say(what: impl fmt::Display) {
    // There is no better place to report that this one does not take it.
    let _ = writeln!(io::stderr(), "{what}");
}

/// Collects the child's output until it ends (its status) or the time is over (`None`).
fn wait_for(
    child: Pid,
    pipe: &OwnedFd,
    limit: Duration,
    text: &mut String,
) -> anyhow::Result<Option<ExitStatus>> {
    fcntl(pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let deadline = Instant::now() + limit;
    loop {
        // The end of the pipe says nothing: a grandchild may hold it open. So look at the child.
        let status = wait(child, libc::WNOHANG)?;
        drain(pipe, text)?;
        if status.is_some() {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            let _ = killpg(child, Signal::SIGKILL);
            wait(child, 0)?;
            drain(pipe, text)?;
            return Ok(None);
        }
        let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(POLL_MS)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        if fds[0].revents() == Some(PollFlags::POLLHUP) {
            // Nobody can write any more, and poll() would not wait again.
            std::thread::sleep(Duration::from_millis(POLL_MS.into()));
        }
    }
}

const POLL_MS: u8 = 20;

/// waitpid(2). That of nix has no word for a child that a real-time signal has ended.
pub(crate) fn wait(child: Pid, flags: libc::c_int) -> anyhow::Result<Option<ExitStatus>> {
    loop {
        let mut status = 0;
        // SAFETY: the status is written to a local variable.
        let ret = unsafe { libc::waitpid(child.as_raw(), &mut status, flags) };
        match Errno::result(ret) {
            Ok(0) => return Ok(None),
            Ok(_) => return Ok(Some(ExitStatus::from_raw(status))),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

fn drain(pipe: &OwnedFd, text: &mut String) -> anyhow::Result<()> {
    let mut file = File::from(pipe.try_clone()?);
    let mut bytes = [0; 4096];
    loop {
        match file.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(len) => text.push_str(&String::from_utf8_lossy(&bytes[..len])),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// `module::a_name` as `a name`.
fn sentence(path: &str) -> String {
    path.rsplit("::").next().unwrap_or(path).replace('_', " ")
}

#[derive(Debug)]
struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(run: fn() -> anyhow::Result<()>, limit_ms: u64) -> Outcome {
        let case = Case {
            name: "case",
            run,
            limit: Duration::from_millis(limit_ms),
        };
        run_one(&case).unwrap()
    }

    #[test]
    fn a_case_that_returns_has_passed() {
        assert_eq!(outcome(|| Ok(()), 5000), Outcome::Pass(vec![]));
    }

    #[test]
    fn what_a_case_notes_is_told_though_it_has_passed() {
        let passed = outcome(
            || {
                say("nothing");
                say("note: 5 of them");
                Ok(())
            },
            5000,
        );
        assert_eq!(passed, Outcome::Pass(vec!["5 of them".into()]));
        let mut out = Vec::new();
        report(&mut out, 3, "it", &passed).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "# 5 of them\nok 3 it\n");
    }

    #[test]
    fn an_error_fails_with_its_whole_chain() {
        let failed = outcome(|| Err(anyhow::anyhow!("inner").context("outer")), 5000);
        assert_eq!(failed, Outcome::Fail("outer: inner".into()));
    }

    #[test]
    fn a_panic_fails_with_its_message() {
        let Outcome::Fail(text) = outcome(|| panic!("no such luck"), 5000) else {
            panic!("passed");
        };
        assert!(text.contains("no such luck"), "{text}");
    }

    #[test]
    fn a_crash_fails_and_is_named() {
        let crash = || -> anyhow::Result<()> {
            nix::sys::signal::raise(Signal::SIGKILL)?;
            Ok(())
        };
        let failed = outcome(crash, 5000);
        let words = "the case ended with signal: 9 (SIGKILL)";
        assert_eq!(failed, Outcome::Fail(words.into()));
    }

    #[test]
    fn the_end_by_a_realtime_signal_is_a_failure_like_any_other() {
        let crash = || -> anyhow::Result<()> {
            crate::sys::kill(Pid::this(), 40)?;
            Ok(())
        };
        let failed = outcome(crash, 5000);
        let words = "the case ended with signal: 40";
        assert!(
            matches!(&failed, Outcome::Fail(text) if text.starts_with(words)),
            "{failed:?}"
        );
    }

    #[test]
    fn an_exit_in_the_middle_of_a_case_fails() {
        let failed = outcome(|| std::process::exit(5), 5000);
        let words = "the case ended with exit status: 5";
        assert_eq!(failed, Outcome::Fail(words.into()));
    }

    #[test]
    fn a_hang_fails_after_its_limit_and_takes_its_children_along() {
        let hang = || -> anyhow::Result<()> {
            let child = std::process::Command::new("sleep").arg("1000").spawn()?;
            say(child.id());
            std::thread::sleep(Duration::from_secs(1000));
            Ok(())
        };
        let Outcome::Fail(text) = outcome(hang, 300) else {
            panic!("passed");
        };
        let pid = text.lines().next().unwrap();
        assert!(text.ends_with("no end after 0 s: killed"), "{text}");
        std::thread::sleep(Duration::from_millis(100));
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        assert!(
            status.is_empty() || status.contains("State:\tZ"),
            "the child still runs: {status}"
        );
    }

    #[test]
    fn a_skip_keeps_its_reason() {
        let skipped = outcome(|| Err(skip("no cgroup here")), 5000);
        assert_eq!(skipped, Outcome::Skip("no cgroup here".into()));
    }

    #[test]
    fn one_failure_among_successes_fails_the_program() {
        let cases: &[Case] = crate::cases![tests_pass, tests_fail, tests_pass];
        let mut out = Vec::new();
        assert!(!run_to(&mut out, cases, None).unwrap());
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "TAP version 13\n1..3\nok 1 tests pass\nnot ok 2 tests fail\n# because\nok 3 tests pass\n"
        );
        assert!(run_to(&mut Vec::new(), cases, Some("pass")).unwrap());
    }

    #[test]
    fn a_filter_that_chooses_nothing_is_an_error() {
        let cases: &[Case] = crate::cases![tests_pass];
        assert!(run_to(&mut Vec::new(), cases, Some("no such")).is_err());
    }

    fn tests_pass() -> anyhow::Result<()> {
        Ok(())
    }

    fn tests_fail() -> anyhow::Result<()> {
        Err(anyhow::anyhow!("because"))
    }
}
