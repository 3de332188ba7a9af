// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs one program of the job: starts it, forwards its output, ends it, cleans up behind it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use guest_init::protocol::{Event, Outcome, Program};
use guest_init::tap::{parse_line, Item};
use nix::errno::Errno;
use nix::poll::{poll, PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{kill, Signal};
use nix::sys::wait::{waitpid, WaitPidFlag};
use nix::unistd::Pid;

use crate::ports::Ports;

/// Status that shells use for a program that could not be executed.
const NOT_EXECUTED: i32 = 127;

/// Runs `program` to its end and reports all of it, the end included.
pub(crate) fn run(program: &Program, titles: bool, ports: &mut Ports) -> Result<(), String> {
    ports.send(&Event::Start {
        program: program.name.clone(),
    })?;
    if titles {
        ports.output(format!("# program: {}\n", program.name).as_bytes())?;
    }
    let code = if program.interactive {
        run_interactive(program, ports)?
    } else {
        run_captured(program, ports)?
    };
    ports.drain_output()?;
    ports.send(&Event::Exit {
        program: program.name.clone(),
        code,
    })
}

/// Makes the symbolic links of busybox's commands.
pub(crate) fn install_busybox() -> Result<(), String> {
    let status = Command::new("/bin/busybox")
        .args(["--install", "-s"])
        .stdin(Stdio::null())
        .status()
        .map_err(|e| format!("cannot execute /bin/busybox: {e}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("busybox --install: {status}"))
    }
}

/// Gives the program the output port as its terminal; nobody reads along.
fn run_interactive(program: &Program, ports: &mut Ports) -> Result<i32, String> {
    let terminal = ports.terminal()?;
    let mut command = command(program);
    for stream in 0..3 {
        let end = Stdio::from(terminal.try_clone().map_err(|e| e.to_string())?);
        match stream {
            0 => command.stdin(end),
            1 => command.stdout(end),
            _ => command.stderr(end),
        };
    }
    // SAFETY: between fork and exec only setsid(2) and ioctl(2) are called: both are
    // async-signal-safe and neither allocates nor takes a lock.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            Ok(())
        });
    }
    let code = match command.spawn() {
        Ok(mut child) => status_code(child.wait().map_err(|e| e.to_string())?),
        Err(e) => not_executed(program, &e, ports)?,
    };
    kill_the_rest();
    ports.raw_again()?;
    Ok(code)
}

/// Reads what the program writes, looks for test results in it, and forwards it.
fn run_captured(program: &Program, ports: &mut Ports) -> Result<i32, String> {
    let (read_end, write_end) =
        nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|e| e.to_string())?;
    let mut command = command(program);
    command
        // A group of its own in the session of PID 1, so that it is not orphaned: in an orphaned
        // group the stop signals of the terminal have no effect.
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(write_end.try_clone().map_err(|e| e.to_string())?)
        .stderr(write_end);
    let spawned = command.spawn();
    // The command holds the write ends; with them open, the pipe would never end.
    drop(command);
    let mut child = match spawned {
        Ok(child) => child,
        Err(e) => return not_executed(program, &e, ports),
    };

    let mut forward = Forward {
        program,
        ports,
        pipe: File::from(read_end),
        line: Vec::new(),
    };
    let deadline = (program.timeout_secs > 0)
        .then(|| Instant::now() + Duration::from_secs(program.timeout_secs));
    if !forward.until_exit(&child, deadline)? {
        forward.ports.send(&Event::Timeout {
            program: program.name.clone(),
            seconds: program.timeout_secs,
        })?;
        child.kill().map_err(|e| e.to_string())?;
    }
    let status = child.wait().map_err(|e| e.to_string())?;
    kill_the_rest();
    forward.until_end_of_file()?;
    Ok(status_code(status))
}

fn command(program: &Program) -> Command {
    let mut command = Command::new(&program.path);
    command
        .args(&program.args)
        .env_clear()
        .env("PATH", crate::SEARCH_PATH)
        .env("HOME", "/root")
        .env("TERM", "linux")
        .env("RUST_BACKTRACE", "1")
        .envs(program.env.iter().map(|(key, value)| (key, value)))
        .current_dir("/tmp");
    command
}

fn not_executed(program: &Program, e: &io::Error, ports: &mut Ports) -> Result<i32, String> {
    ports.output(format!("guest-init: cannot execute {}: {e}\n", program.path).as_bytes())?;
    Ok(NOT_EXECUTED)
}

fn status_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or(status.signal().map(|signo| 128 + signo))
        .unwrap_or(NOT_EXECUTED)
}

/// Ends all processes that the program left behind, frozen and stopped ones included.
fn kill_the_rest() {
    // For PID 1, -1 is everybody else; ESRCH says that there was nobody.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    // ECHILD ends the loop: nobody is left. Those killed above exit soon, so waiting is short. One
    // that a real-time signal had ended before is EINVAL to nix, and reaped all the same.
    while waitpid(None, Some(WaitPidFlag::__WALL)) != Err(Errno::ECHILD) {}
}

struct Forward<'a> {
    program: &'a Program,
    ports: &'a mut Ports,
    pipe: File,
    line: Vec<u8>,
}

impl Forward<'_> {
    /// Forwards until the child exits; false when the deadline came first.
    fn until_exit(&mut self, child: &Child, deadline: Option<Instant>) -> Result<bool, String> {
        let pidfd = pidfd_open(child).map_err(|e| format!("pidfd_open: {e}"))?;
        let mut pipe_open = true;
        loop {
            let timeout = match deadline {
                None => PollTimeout::NONE,
                Some(at) => {
                    let left_ms = at.saturating_duration_since(Instant::now()).as_millis() + 1;
                    PollTimeout::try_from(left_ms).unwrap_or(PollTimeout::MAX)
                }
            };
            let (exited, readable) = {
                let pipe_events = if pipe_open {
                    PollFlags::POLLIN
                } else {
                    PollFlags::empty()
                };
                let mut fds = [
                    PollFd::new(pidfd.as_fd(), PollFlags::POLLIN),
                    PollFd::new(self.pipe.as_fd(), pipe_events),
                ];
                let watched = if pipe_open { 2 } else { 1 };
                match poll(&mut fds[..watched], timeout) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(e) => return Err(format!("poll: {e}")),
                }
                (
                    fds[0].any().unwrap_or(false),
                    pipe_open && fds[1].any().unwrap_or(false),
                )
            };
            if readable {
                pipe_open = self.read_some()?;
            }
            if exited {
                return Ok(true);
            }
            if deadline.is_some_and(|at| Instant::now() >= at) {
                return Ok(false);
            }
        }
    }

    fn until_end_of_file(&mut self) -> Result<(), String> {
        while self.read_some()? {}
        if !self.line.is_empty() {
            self.end_of_line()?;
        }
        Ok(())
    }

    /// Forwards what one read returns; false at the end of the file.
    fn read_some(&mut self) -> Result<bool, String> {
        let mut bytes = [0; 4096];
        let len = match self.pipe.read(&mut bytes) {
            Ok(len) => len,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(e) => return Err(format!("cannot read output of {}: {e}", self.program.name)),
        };
        self.ports.output(&bytes[..len])?;
        for &byte in &bytes[..len] {
            if byte == b'\n' {
                self.end_of_line()?;
            } else {
                self.line.push(byte);
            }
        }
        Ok(len > 0)
    }

    fn end_of_line(&mut self) -> Result<(), String> {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        let program = self.program.name.clone();
        let event = match parse_line(&line) {
            None => return Ok(()),
            Some(Item::Plan(count)) => Event::Plan { program, count },
            Some(Item::Case { name, result }) => Event::Case {
                program,
                name,
                result,
            },
            Some(Item::BailOut(reason)) => Event::Case {
                program,
                name: format!("Bail out! {reason}"),
                result: Outcome::Fail,
            },
        };
        self.ports.send(&event)
    }
}

/// Returns a descriptor that becomes readable when the child exits.
fn pidfd_open(child: &Child) -> Result<OwnedFd, Errno> {
    let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|_| Errno::ESRCH)?);
    // SAFETY: pidfd_open(2) takes two integers and touches no memory of this process.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) })?;
    let fd = i32::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the call succeeded, so `fd` is open, and nothing else in this process knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(fd)
}
