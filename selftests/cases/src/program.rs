// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A program under test: started at fixed addresses, spoken to by lines, stopped, killed.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::personality::{self, Persona};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag, WaitStatus};
use nix::unistd::Pid;

/// A running program with its input and output; killed when it is dropped.
pub struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<ChildStdout>,
    ended: bool,
}

/// How long a program may take to say or do something; emulation is slow.
pub const PATIENCE: Duration = Duration::from_secs(30);

impl Program {
    /// Starts the command with both pipes, without address space randomisation: an address in
    /// one instance means the same in the next.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        // SAFETY: between fork and exec only personality(2) is called, which takes no lock and
        // does not allocate.
        unsafe {
            command.pre_exec(|| {
                let persona = personality::get()?;
                personality::set(persona | Persona::ADDR_NO_RANDOMIZE)?;
                Ok(())
            });
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let lines = Lines::new(output.context("no pipe to the program's output")?);
        Ok(Self {
            child,
            input,
            lines,
            ended: false,
        })
    }

    /// The program's process id.
    pub fn pid(&self) -> Pid {
        // Process ids are at most 2^22.
        Pid::from_raw(self.child.id() as i32)
    }

    /// The next line that it writes.
    pub fn line(&mut self) -> anyhow::Result<String> {
        self.lines
            .next(PATIENCE)?
            .context("the program ended without another line")
    }

    /// All lines to the end of its output.
    pub fn remaining_lines(&mut self) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        while let Some(line) = self.lines.next(PATIENCE)? {
            lines.push(line);
        }
        Ok(lines)
    }

    /// Writes a line to its input.
    pub fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let input = self.input.as_mut().context("the input is closed")?;
        writeln!(input, "{line}").context("the program does not read its input")
    }

    /// Stops it by `SIGSTOP`; all its threads stand still when this returns.
    pub fn stop(&self) -> anyhow::Result<()> {
        stop(self.pid())
    }

    /// Lets it go on by `SIGCONT`.
    pub fn go_on(&self) -> anyhow::Result<()> {
        Ok(kill(self.pid(), Signal::SIGCONT)?)
    }

    /// Kills it by `SIGKILL`; it is gone when this returns.
    pub fn kill(mut self) -> anyhow::Result<Vec<String>> {
        self.child.kill()?;
        self.child.wait()?;
        self.ended = true;
        self.remaining_lines()
    }

    /// Waits for its end, which must be a success.
    pub fn wait(mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                self.ended = true;
                ensure!(status.success(), "the program ended with {status}");
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Stops a child by `SIGSTOP` and waits until it stands still.
pub fn stop(pid: Pid) -> anyhow::Result<()> {
    kill(pid, Signal::SIGSTOP)?;
    match waitpid(pid, Some(WaitPidFlag::WUNTRACED))? {
        WaitStatus::Stopped(..) => Ok(()),
        other => bail!("the program did not stop: {other:?}"),
    }
}

/// The value of a line of `/proc/PID/status`; of a thread of it by `/proc/TID/status`.
pub fn status_field(pid: Pid, name: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| path.clone())?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(|value| value.trim().to_owned())
        .with_context(|| format!("{path} has no line {name}"))
}

/// The thread ids of the process, in ascending order.
pub fn tids(pid: Pid) -> anyhow::Result<Vec<i32>> {
    let path = format!("/proc/{pid}/task");
    let mut tids = Vec::new();
    for entry in std::fs::read_dir(&path).with_context(|| path.clone())? {
        let name = entry?.file_name();
        tids.push(name.to_string_lossy().parse()?);
    }
    tids.sort_unstable();
    Ok(tids)
}

/// Lines from a descriptor, with a time limit for each.
pub struct Lines<T> {
    source: T,
    buffer: Vec<u8>,
}

impl<T: AsFd + Read> Lines<T> {
    /// Reads lines from `source`.
    pub fn new(source: T) -> Self {
        Self {
            source,
            buffer: Vec::new(),
        }
    }

    /// The next line without its newline, or `None` at the end.
    pub fn next(&mut self, limit: Duration) -> anyhow::Result<Option<String>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(len) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line = self.buffer.drain(..=len).take(len).collect();
                return Ok(Some(String::from_utf8(line)?));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            ensure!(
                wait_readable(&self.source, left)?,
                "no line within {} s",
                limit.as_secs()
            );
            let mut bytes = [0; 4096];
            match self.source.read(&mut bytes)? {
                0 if self.buffer.is_empty() => return Ok(None),
                // The last line may lack its newline.
                0 => self.buffer.push(b'\n'),
                len => self.buffer.extend_from_slice(&bytes[..len]),
            }
        }
    }
}

/// Whether the descriptor becomes readable, or its other end closed, within the time.
pub fn wait_readable(fd: impl AsFd, limit: Duration) -> anyhow::Result<bool> {
    let deadline = Instant::now() + limit;
    loop {
        let left_ms = deadline
            .saturating_duration_since(Instant::now())
            .as_millis();
        let timeout = PollTimeout::try_from(left_ms).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_program_is_spoken_to_by_lines_and_killed() {
        let mut cat = Program::start(&mut Command::new("cat")).unwrap();
        cat.tell("hello").unwrap();
        assert_eq!(cat.line().unwrap(), "hello");
        cat.stop().unwrap();
        assert!(status_field(cat.pid(), "State").unwrap().starts_with('T'));
        assert_eq!(tids(cat.pid()).unwrap(), [cat.pid().as_raw()]);
        cat.go_on().unwrap();
        assert_eq!(cat.kill().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_program_that_fails_is_no_success() {
        let program = Program::start(&mut Command::new("false")).unwrap();
        assert!(program.wait().is_err());
    }

    #[test]
    fn silence_is_an_error_when_the_time_is_over() {
        let (reader, _writer) = nix::unistd::pipe().unwrap();
        let mut lines = Lines::new(File::from(reader));
        assert!(lines.next(Duration::from_millis(20)).is_err());
    }

    #[test]
    fn the_last_line_may_lack_its_newline() {
        let mut echo = Program::start(Command::new("printf").arg("a\\nb")).unwrap();
        assert_eq!(echo.remaining_lines().unwrap(), ["a", "b"]);
        echo.wait().unwrap();
    }
}
