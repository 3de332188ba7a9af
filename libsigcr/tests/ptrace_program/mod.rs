// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The C program that the tests of the ptrace backend take and restore, running.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
    thread::sleep,
    time::{Duration, Instant},
};

use sigcr::{
    ptrace::{self, Taken},
    stop::Stopped,
    Model, SigNo,
};

#[path = "../c_program/mod.rs"]
mod c_program;

/// The C program, running and ready.
pub(crate) struct Target {
    pub(crate) child: Child,
    output: BufReader<ChildStdout>,
}

/// The program, compiled once.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ptrace_target");
        c_program::compile("ptrace_target.c", &program);
        program
    })
}

impl Target {
    pub(crate) fn start(what: &str) -> Self {
        let mut command = Command::new(program());
        command
            .arg(what)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub(crate) fn send(&self, signo: i32) {
        // SAFETY: The call takes two numbers.
        assert_eq!(unsafe { libc::kill(self.pid(), signo) }, 0);
    }

    /// Waits until all threads have the state letter.
    pub(crate) fn wait_for_state(&self, wanted: char) {
        let has_it = |dir: fs::DirEntry| {
            let stat = fs::read_to_string(dir.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with(wanted))
        };
        self.wait_until(&format!("it is not in state {wanted}"), || {
            let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
            tasks.into_iter().all(|dir| has_it(dir.unwrap()))
        });
    }

    /// Waits until no signal is pending for the process.
    pub(crate) fn wait_for_empty_queue(&self) {
        self.wait_until("there are signals in its queue", || {
            let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
            let mut lines = status.lines();
            let pending = lines.find_map(|line| line.strip_prefix("ShdPnd:\t"));
            pending.unwrap().bytes().all(|digit| digit == b'0')
        });
    }

    fn wait_until(&self, or_else: &str, holds: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < deadline, "{or_else}");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn take(pid: i32) -> Taken {
    ptrace::checkpoint(&Stopped::by_ptrace(pid).unwrap()).unwrap()
}

pub(crate) fn signal(signo: u32) -> SigNo {
    SigNo::new(signo).unwrap()
}

/// The model without what changes as time passes.
pub(crate) fn without_times(mut model: Model) -> Model {
    if let Some(itimers) = &mut model.itimers {
        itimers.real.remaining_ns = 0;
        itimers.prof.remaining_ns = 0;
    }
    for timer in model.timers.iter_mut().flat_map(|list| &mut list.timers) {
        timer.remaining_ns = 0;
    }
    model
}
