// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a subject can have besides its plan: timers, signalfds, signals of its parent's death.

use std::os::fd::IntoRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::unistd::Pid;

use crate::sys::{self, bit, Notify, Result};

/// The state that a subject is to have besides its plan.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// The timers of setitimer(2), REAL first: time left and period.
    pub itimers: [(Duration, Duration); 3],
    /// The timers of timer_create(2), by id.
    pub timers: Vec<TimerPlan>,
    /// Sigset of the signals that are taken, one each, when the timers have had time to expire.
    pub taken: u64,
    /// The masks of signalfds.
    pub signalfds: Vec<u64>,
    /// The signals of the parent's death, by thread; 0: none.
    pub pdeath_signos: Vec<u32>,
}

/// A timer of timer_create(2).
#[derive(Clone, Debug)]
pub struct TimerPlan {
    /// `CLOCK_*`.
    pub clock: i32,
    /// `SIGEV_*`.
    pub notify: i32,
    /// The thread that gets the signal with `SIGEV_THREAD_ID`.
    pub thread: usize,
    /// The signal.
    pub signo: u32,
    /// Its value.
    pub value: u64,
    /// How it is set, in this order: time left, period, and whether the time is one of the clock.
    pub sets: Vec<(Duration, Duration, bool)>,
    /// Whether it is deleted then.
    pub deleted: bool,
}

/// How long timers get to expire that do so at once, or when their signals have been taken.
const SOON: Duration = Duration::from_millis(2);
const SHORT: Duration = Duration::from_millis(20);

/// The number of the first signalfd: it is the same in each process.
const FIRST_SIGNALFD: i32 = 100;

impl Extras {
    /// Sets all but what belongs to single threads, in the calling process with these threads.
    pub fn set(&self, tids: &[Pid]) -> Result<()> {
        for (which, (left, period)) in (0..).zip(&self.itimers) {
            if !left.is_zero() {
                sys::set_itimer(which, *left, *period)?;
            }
        }
        for timer in &self.timers {
            let id = create_timer(timer, tids)?;
            for (left, period, absolute) in &timer.sets {
                let flags = if *absolute { libc::TIMER_ABSTIME } else { 0 };
                sys::timer_settime(id, flags, *left, *period)?;
                std::thread::sleep(SOON);
            }
            if timer.deleted {
                delete_timer(id)?;
            }
        }
        for signo in (1..=64).filter(|&signo| self.taken & bit(signo) != 0) {
            match sys::take_pending(bit(signo)) {
                Ok(_) | Err(Errno::EAGAIN) => {}
                Err(errno) => return Err(errno),
            }
        }
        if self.taken != 0 {
            std::thread::sleep(SHORT);
        }
        for (fd, mask) in (FIRST_SIGNALFD..).zip(&self.signalfds) {
            make_signalfd(fd, *mask)?;
        }
        Ok(())
    }
}

/// Sets the signal that the calling thread gets when its parent dies.
pub fn set_pdeath_signo(signo: u32) -> Result<()> {
    // SAFETY: takes two numbers.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, u64::from(signo)) }).map(drop)
}

fn create_timer(plan: &TimerPlan, tids: &[Pid]) -> Result<i32> {
    let notify = match plan.notify {
        libc::SIGEV_NONE => Notify::None,
        libc::SIGEV_THREAD => Notify::Callback,
        libc::SIGEV_THREAD_ID => Notify::Thread(tids[plan.thread].as_raw()),
        _ => Notify::Signal,
    };
    sys::timer_create(plan.clock, notify, plan.signo, plan.value)
}

fn delete_timer(id: i32) -> Result<()> {
    // SAFETY: takes a number.
    Errno::result(unsafe { libc::syscall(libc::SYS_timer_delete, id) }).map(drop)
}

fn make_signalfd(number: i32, mask: u64) -> Result<()> {
    let flags = if mask & 1 != 0 { libc::SFD_NONBLOCK } else { 0 };
    let fd = sys::signalfd(mask, flags)?.into_raw_fd();
    // SAFETY: nobody owns the one number any more, and nobody else has the other.
    unsafe {
        Errno::result(libc::dup3(fd, number, libc::O_CLOEXEC))?;
        Errno::result(libc::close(fd))?;
    }
    Ok(())
}
