// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ticker: a program with POSIX timers and an interval timer, which tells how they go on.
//!
//! It creates its timers and says `ready`. As `Role::First` it also starts them, as `Role::Fresh`
//! it starts none, so whatever ticks was set by a restore. Told `take`, it takes the pending signal
//! of the periodic timer and two more, and says what it got; told `left`, what is left of the
//! timers that have not expired; told `quit`, it ends.

use std::io::BufRead;
use std::time::Duration;

use anyhow::bail;
use nix::errno::Errno;
use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

use super::worker::Role;
use crate::sys;

/// The period of the periodic timer; while nobody takes its signal, its expiries are counted.
pub const PERIOD: Duration = Duration::from_millis(20);
/// What the timer that expires once is set to.
pub const ONE_SHOT: Duration = Duration::from_secs(3600);
/// What the interval timer is set to.
pub const ALARM: Duration = Duration::from_secs(7200);
/// The signal of the periodic timer, blocked.
pub const TICK: Signal = Signal::SIGUSR2;
/// The value that comes with it.
pub const TICK_VALUE: u64 = 0x71c4;
/// How many ticks are taken when it is told to.
pub const TAKEN_COUNT: usize = 3;

/// Runs the ticker until it is told to end.
pub fn run(role: Role) -> anyhow::Result<()> {
    sys::set_blocked(sys::bit(TICK as u32))?;
    let mut tick = timer(TICK, TICK_VALUE)?;
    let mut once = timer(Signal::SIGUSR1, 1)?;
    if role == Role::First {
        let flags = TimerSetTimeFlags::empty();
        tick.set(Expiration::Interval(PERIOD.into()), flags)?;
        once.set(Expiration::OneShot(ONE_SHOT.into()), flags)?;
        sys::set_real_itimer(ALARM)?;
    }
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        match line?.as_str() {
            "take" => {
                for _ in 0..TAKEN_COUNT {
                    take_tick(&tick)?;
                }
                println!("taken");
            }
            "left" => {
                let once_ns = match once.get()? {
                    Some(Expiration::OneShot(left)) => Duration::from(left).as_nanos(),
                    _ => 0,
                };
                let alarm_ns = sys::real_itimer()?.as_nanos();
                println!("left {once_ns} {alarm_ns}");
            }
            "quit" => return Ok(()),
            other => bail!("told {other:?}"),
        }
    }
    Ok(())
}

fn timer(signal: Signal, value: u64) -> anyhow::Result<Timer> {
    let notify = SigevNotify::SigevSignal {
        signal,
        si_value: value as libc::intptr_t,
    };
    Ok(Timer::new(ClockId::CLOCK_MONOTONIC, SigEvent::new(notify))?)
}

/// Waits for the next tick and says what came with it.
fn take_tick(timer: &Timer) -> anyhow::Result<()> {
    loop {
        match sys::take_pending(sys::bit(TICK as u32)) {
            Ok((_, _, _, value)) => {
                println!("tick {value} {}", timer.overruns());
                return Ok(());
            }
            Err(Errno::EAGAIN) => std::thread::sleep(PERIOD / 4),
            Err(e) => return Err(e.into()),
        }
    }
}
