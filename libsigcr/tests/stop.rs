// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The stop guard on a process that is hard to stop: no thread escapes, and no signal is lost.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{ChildStdout, Command, Stdio},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use sigcr::stop::{How, Stopped};

mod c_program;

/// The C program, running and ready.
struct Target {
    child: std::process::Child,
    output: BufReader<ChildStdout>,
    _dir: tempfile::TempDir,
}

impl Target {
    fn start() -> Self {
        Self::start_with(&[])
    }

    fn start_with(args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("target");
        c_program::compile("stop_target.c", &program);
        let mut command = Command::new(&program);
        let mut child = command.args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self {
            child,
            output,
            _dir: dir,
        }
    }

    fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// Ends the process. Returns how many signals it has taken.
    fn end(mut self) -> u32 {
        send(self.pid(), libc::SIGTERM);
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(self.child.wait().unwrap().success());
        line.trim().parse().unwrap()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Queues a signal, and waits for room in the queue.
fn send(pid: i32, signo: i32) {
    let value = libc::sigval {
        sival_ptr: ptr::null_mut(),
    };
    // SAFETY: The call takes numbers, and a value that only the receiver looks at.
    while unsafe { libc::sigqueue(pid, signo, value) } != 0 {
        let error = std::io::Error::last_os_error();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
        thread::sleep(Duration::from_micros(100));
    }
}

/// The threads with their state letters, dead ones left out.
fn states(pid: i32) -> Vec<(String, char)> {
    let mut states = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let dir = entry.unwrap().path();
        let Ok(stat) = fs::read_to_string(dir.join("stat")) else {
            continue;
        };
        let state = stat.rsplit_once(") ").unwrap().1.chars().next().unwrap();
        if state != 'Z' && state != 'X' {
            let tid = dir.file_name().unwrap().to_string_lossy().into_owned();
            states.push((tid, state));
        }
    }
    states.sort();
    states
}

#[test]
fn no_thread_escapes_and_no_signal_is_lost() {
    const HOLD_COUNT: u32 = 300;
    let target = Target::start();
    let pid = target.pid();
    let done = AtomicBool::new(false);
    let mut held_count = 0;
    let sent_count = thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut sent_count = 0_u32;
            while !done.load(Ordering::Relaxed) {
                send(pid, libc::SIGRTMIN() + 1);
                sent_count += 1;
                if sent_count % 8 == 0 {
                    thread::sleep(Duration::from_micros(50));
                }
            }
            sent_count
        });
        for _ in 0..HOLD_COUNT {
            let Ok(stopped) = Stopped::by_ptrace(pid) else {
                break;
            };
            let before = states(pid);
            if stopped.how() == How::Ptrace && before.iter().all(|(_, state)| *state == 't') {
                held_count += 1;
            }
            if states(pid) != before {
                held_count = 0;
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    assert_eq!(held_count, HOLD_COUNT);
    assert!(sent_count > HOLD_COUNT, "only {sent_count} signals sent");
    assert_eq!(target.end(), sent_count);
}

#[test]
fn the_process_goes_on_after_it_was_held() {
    let target = Target::start();
    let stopped = Stopped::stop(target.pid()).unwrap();
    send(target.pid(), libc::SIGRTMIN() + 1);
    let held_since = Instant::now();
    while held_since.elapsed() < Duration::from_millis(50) {
        assert!(states(target.pid()).iter().all(|(_, state)| *state == 't'));
    }
    drop(stopped);
    assert_eq!(target.end(), 1);
}

/// A thread that is dying when it is let go has to be waited for by who traced it: else the process
/// stays a zombie that nobody can take.
#[test]
fn a_process_that_is_killed_as_it_is_let_go_can_be_waited_for() {
    for _ in 0..20 {
        let mut target = Target::start();
        let stopped = Stopped::by_ptrace(target.pid()).unwrap();
        target.child.kill().unwrap();
        drop(stopped);
        let deadline = Instant::now() + Duration::from_secs(30);
        while target.child.try_wait().unwrap().is_none() {
            if Instant::now() > deadline {
                // Nor could it be when it is dropped.
                std::mem::forget(target);
                panic!("it cannot be waited for");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The thread that executes a new program waits for the others to be reaped by their tracer, which
/// waits for that thread as long as it seizes another one.
#[test]
fn a_process_that_executes_new_programs_all_the_time_holds_nobody_up() {
    let target = Target::start_with(&["first"]);
    let pid = target.pid();
    let (told, tells) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for _ in 0..3000 {
            let stopped = Stopped::by_ptrace(pid).is_ok();
            told.send(stopped).unwrap();
        }
    });
    let mut stopped_count = 0;
    for round in 0..3000 {
        let stopped = tells.recv_timeout(Duration::from_secs(30));
        stopped_count += usize::from(stopped.unwrap_or_else(|_| panic!("hangs in round {round}")));
    }
    // Else it changes too fast, which is an error that says so.
    assert!(stopped_count > 0);
}
