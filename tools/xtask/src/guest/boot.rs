// SPDX-License-Identifier: GPL-2.0 OR MIT

//! One boot: starts the emulator, follows its ports, ends it when it stays silent.

use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use guest_init::protocol::{Event, Job};
use nix::sys::signal::Signal;

use super::console::{splats, Splat};
use super::qemu::{argv, Machine};

/// All that is known after a boot.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// What PID 1 said.
    pub(crate) events: Vec<Event>,
    /// What the programs wrote.
    pub(crate) output: Vec<u8>,
    /// What the kernel complained about.
    pub(crate) splats: Vec<Splat>,
    /// How the emulator ended.
    pub(crate) end: End,
    /// The kernel's console, for people.
    pub(crate) console_log: PathBuf,
}

/// How the emulator ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself.
    Exited,
    /// It was ended, since this was too long in coming.
    Silent(String),
    /// By the user.
    SwitchedOff,
    /// The emulator itself failed.
    Emulator(String),
}

/// Where the programs' output goes while it comes.
pub(crate) enum Sink<'a> {
    /// Nowhere: it is in the report.
    Quiet,
    /// Nowhere either, but this sees it come.
    Watch(&'a dyn Fn(&[u8])),
    /// To standard output.
    Stdout,
    /// To standard output, and standard input goes to the guest.
    Terminal,
}

/// Time from power-on to the first event: 11 s for an emulated debug kernel on an idle host, and
/// minutes on one that builds at the same time.
const BOOT_LIMIT: Duration = Duration::from_secs(600);
/// Time for whatever comes between and after the programs.
const BETWEEN_LIMIT: Duration = Duration::from_secs(300);

enum Message {
    Event(Event),
    Output(Vec<u8>),
    /// The guest sent something else, or its port was closed.
    BadEvent(String),
    PortClosed,
    /// The user wants no more of it.
    Quit,
}

/// Ctrl-], as in other programs that pass a terminal through.
const QUIT_KEY: u8 = 0x1d;

/// Boots a machine once. `first_limit` overrides how long the first event may take.
pub(crate) fn boot(
    qemu: &Path,
    machine: &Machine,
    job: &Job,
    sink: &Sink<'_>,
    first_limit: Option<Duration>,
) -> Result<Report> {
    let output_listener = listen(&machine.output_socket)?;
    let verdict_listener = listen(&machine.verdict_socket)?;
    let stderr_path = machine.console_log.with_extension("qemu");
    let mut command = Command::new(qemu);
    command
        .args(argv(machine))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(&stderr_path)?);
    // SAFETY: between fork and exec only prctl(2) is called, which is async-signal-safe and
    // touches no memory of the process.
    unsafe {
        // Should this process be killed, no emulator stays behind.
        command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?));
    }
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot execute {}", qemu.display()))?;

    let (sender, receiver) = channel();
    let followed = (|| -> Result<Option<Follower<'_>>> {
        let Some(output) = accept(&output_listener, &mut child)? else {
            return Ok(None);
        };
        let Some(verdict) = accept(&verdict_listener, &mut child)? else {
            return Ok(None);
        };
        read_output(output.try_clone()?, sender.clone());
        read_verdict(verdict, sender.clone());
        Ok(Some(Follower {
            machine,
            job,
            sink,
            to_guest: output,
            to_here: sender.clone(),
            report: Report {
                events: Vec::new(),
                output: Vec::new(),
                splats: Vec::new(),
                end: End::Exited,
                console_log: machine.console_log.clone(),
            },
        }))
    })();
    let followed = followed.map(|follower| {
        follower.map(|follower| follower.follow(&receiver, first_limit.unwrap_or(BOOT_LIMIT)))
    });
    // Whatever happened, no emulator stays behind. One that has exited is not harmed.
    let _ = child.kill();
    let status = child.wait()?;

    let mut report = match followed? {
        Some(report) => report,
        None => Report {
            events: Vec::new(),
            output: Vec::new(),
            splats: Vec::new(),
            end: End::Emulator(format!(
                "{status}: {}",
                fs::read_to_string(&stderr_path).unwrap_or_default().trim()
            )),
            console_log: machine.console_log.clone(),
        },
    };
    let console = fs::read(&machine.console_log).unwrap_or_default();
    report.splats = splats(&String::from_utf8_lossy(&console));
    Ok(report)
}

struct Follower<'a> {
    machine: &'a Machine,
    job: &'a Job,
    sink: &'a Sink<'a>,
    to_guest: UnixStream,
    to_here: Sender<Message>,
    report: Report,
}

impl Follower<'_> {
    fn follow(mut self, receiver: &Receiver<Message>, first_limit: Duration) -> Report {
        let mut waiting = (
            Some(Instant::now() + first_limit),
            "the first event".to_owned(),
        );
        let mut open_count = 2;
        while open_count > 0 {
            let message = match waiting.0 {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            match message {
                Ok(Message::Event(event)) => {
                    waiting = self.next_limit(&event, waiting);
                    self.report.events.push(event);
                }
                Ok(Message::Output(bytes)) => self.forward(bytes),
                Ok(Message::BadEvent(line)) => self.report.events.push(Event::Fatal {
                    reason: format!("the guest sent a line that is no event: {line}"),
                }),
                Ok(Message::PortClosed) => open_count -= 1,
                Ok(Message::Quit) => {
                    self.report.end = End::SwitchedOff;
                    break;
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.report.end = End::Silent(format!("timed out waiting for {}", waiting.1));
                    break;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.report
    }

    /// Returns until when the next event is due, and what that will be.
    fn next_limit(
        &self,
        event: &Event,
        current: (Option<Instant>, String),
    ) -> (Option<Instant>, String) {
        let within = |limit: Duration| Some(Instant::now() + limit);
        match event {
            Event::Start { program } => {
                let program = self.job.programs.iter().find(|p| p.name == *program);
                let Some(program) = program else {
                    return current;
                };
                if program.interactive {
                    if matches!(self.sink, Sink::Terminal) {
                        self.forward_stdin();
                    }
                    return (None, String::new());
                }
                // PID 1 ends the program when its time is over; this is for when it cannot. A
                // clock that counts instructions may run ten times slower than the host's.
                let factor = if self.machine.icount { 20 } else { 2 };
                let limit = Duration::from_secs(program.timeout_secs * factor) + BETWEEN_LIMIT;
                match program.timeout_secs {
                    0 => (None, String::new()),
                    _ => (within(limit), format!("the end of {}", program.name)),
                }
            }
            Event::Plan { .. } | Event::Case { .. } | Event::Timeout { .. } => {
                // Results while a program runs do not give it more time.
                match current.0 {
                    Some(_) if self.runs_program() => current,
                    None => current,
                    Some(_) => (within(BETWEEN_LIMIT), "the next event".to_owned()),
                }
            }
            Event::End => (within(BETWEEN_LIMIT), "the guest's reset".to_owned()),
            _ => (within(BETWEEN_LIMIT), "the next event".to_owned()),
        }
    }

    fn runs_program(&self) -> bool {
        self.report
            .events
            .iter()
            .rev()
            .find(|event| matches!(event, Event::Start { .. } | Event::Exit { .. }))
            .is_some_and(|event| matches!(event, Event::Start { .. }))
    }

    fn forward(&mut self, bytes: Vec<u8>) {
        match self.sink {
            Sink::Quiet => {}
            Sink::Watch(watch) => watch(&bytes),
            Sink::Stdout | Sink::Terminal => {
                let mut stdout = std::io::stdout().lock();
                // A reader that went away ends the display, not the run.
                let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
            }
        }
        self.report.output.extend(bytes);
    }

    fn forward_stdin(&self) {
        let Ok(mut to_guest) = self.to_guest.try_clone() else {
            return;
        };
        let to_here = self.to_here.clone();
        let is_terminal = std::io::stdin().is_terminal();
        // Not joined: it ends with the process, blocked in a read that nothing else interrupts.
        thread::spawn(move || {
            let mut bytes = [0; 256];
            loop {
                match std::io::stdin().read(&mut bytes) {
                    Ok(0) | Err(_) => {
                        // The guest's terminal takes this for the end of the input.
                        let _ = to_guest.write_all(b"\x04");
                        return;
                    }
                    Ok(len) => {
                        if is_terminal && bytes[..len].contains(&QUIT_KEY) {
                            let _ = to_here.send(Message::Quit);
                            return;
                        }
                        if to_guest.write_all(&bytes[..len]).is_err() {
                            return;
                        }
                    }
                }
            }
        });
    }
}

fn listen(path: &Path) -> Result<UnixListener> {
    let _ = fs::remove_file(path);
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Waits for the emulator to connect; `None` when it has exited instead.
fn accept(listener: &UnixListener, child: &mut Child) -> Result<Option<UnixStream>> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(Some(stream));
            }
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => return Err(e.into()),
        }
        if child.try_wait()?.is_some() {
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn read_output(mut port: UnixStream, sender: Sender<Message>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(len @ 1..) = port.read(&mut bytes) {
            if sender.send(Message::Output(bytes[..len].to_vec())).is_err() {
                return;
            }
        }
        let _ = sender.send(Message::PortClosed);
    });
}

fn read_verdict(port: UnixStream, sender: Sender<Message>) {
    thread::spawn(move || {
        for line in BufReader::new(port).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line).into_owned();
            let message = match Event::from_line(&line) {
                Ok(event) => Message::Event(event),
                Err(_) => Message::BadEvent(line),
            };
            if sender.send(message).is_err() {
                return;
            }
        }
        let _ = sender.send(Message::PortClosed);
    });
}
