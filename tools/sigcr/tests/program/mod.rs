// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs the program under test, in the surroundings that a test wants.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use nix::pty::{openpty, OpenptyResult};
use sigcr::Model;
use tempfile::TempDir;

/// The program.
pub(crate) const PATH: &str = env!("CARGO_BIN_EXE_sigcr");

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What it printed, if it exited with `code` and had nothing to complain of.
    #[track_caller]
    pub(crate) fn out(&self, code: i32) -> String {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(code), ""),
            "{self:?}"
        );
        self.stdout.clone()
    }

    /// What it complained of, if it exited with `code` and printed nothing.
    #[track_caller]
    pub(crate) fn err(&self, code: i32) -> String {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{self:?}"
        );
        self.stderr.clone()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs the program.
pub(crate) fn sigcr(arguments: &[&str]) -> Ran {
    Command::new(PATH).args(arguments).output().unwrap().into()
}

/// Runs the program with this standard input.
pub(crate) fn with_input(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = Command::new(PATH)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().into()
}

/// Runs the program on a terminal. Returns its exit code and what was to be seen.
pub(crate) fn on_terminal(arguments: &[&str], no_color: &str) -> (Option<i32>, String) {
    let OpenptyResult { master, slave } = openpty(None, None).unwrap();
    let mut child = Command::new(PATH)
        .args(arguments)
        .env("NO_COLOR", no_color)
        .stdin(Stdio::null())
        .stdout(slave.try_clone().unwrap())
        .stderr(slave)
        .spawn()
        .unwrap();
    let code = child.wait().unwrap().code();
    let mut seen = Vec::new();
    // The end of a terminal that nobody has open any more is EIO.
    let _ = File::from(master).read_to_end(&mut seen);
    (code, String::from_utf8(seen).unwrap())
}

/// Runs the program under a seccomp filter that answers its calls with EPERM.
pub(crate) fn with_calls_denied(arguments: &[&str]) -> Ran {
    let mut command = Command::new(PATH);
    command.args(arguments);
    // SAFETY: `deny_calls` only makes the system call prctl(2), which is allowed after a fork.
    unsafe { command.pre_exec(deny_calls) };
    command.output().unwrap().into()
}

/// A directory for the records of one test.
pub(crate) struct Files {
    dir: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// The path of a file that need not exist.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// A file with the record of `model`.
    pub(crate) fn record(&self, name: &str, model: &Model) -> String {
        self.bytes(name, model.encode().unwrap().as_bytes())
    }

    /// A file with these bytes.
    pub(crate) fn bytes(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Lets calls 389 and 390 fail with EPERM from here on.
fn deny_calls() -> std::io::Result<()> {
    const fn step(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
        libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        }
    }
    let mut steps = [
        // The number of the call is the first word of struct seccomp_data.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 389, 1, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 390, 0, 1),
        step(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs(),
            0,
            0,
        ),
        step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: A call without memory.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    if done != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: `program` and the steps that it points to live until the call returns.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
