// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Third act: a program with timers, which go on in a fresh instance where they were.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{ensure, Context};
use sigcr::Snapshot;

use super::tell;
use super::ticker::{ALARM, ONE_SHOT, PERIOD, TAKEN_COUNT, TICK_VALUE};
use super::worker_act::path_text;
use crate::program::Program;

/// How long the first instance ticks before it is stopped.
const TICKING: Duration = Duration::from_millis(500);
/// How long the record lies before it is restored: this time must not count.
const LYING: Duration = Duration::from_secs(2);

/// Runs the act in `dir`; the result is the verdict's part, an error is what went wrong.
pub fn run(dir: &Path) -> anyhow::Result<String> {
    tell::heading(
        "3. A program with timers: a periodic one, one of an hour, an alarm of two hours",
    );
    let record = dir.join("ticker.sigcr");
    let record_path = path_text(&record)?;

    let first = start("first")?;
    let first_pid = first.pid().to_string();
    tell::step(&format!(
        "process {first_pid} ticks every {} ms for {} ms, with the signal blocked",
        PERIOD.as_millis(),
        TICKING.as_millis()
    ));
    std::thread::sleep(TICKING);
    first.stop()?;
    tell::kernel_view(first.pid())?;
    tell::sigcr(&["checkpoint", &first_pid, "-o", record_path])?;
    tell::sigcr(&["show", record_path])?;
    let before = State::of(&record)?;
    // Some of the expiries may have been late in an emulated machine.
    let few = TICKING.as_millis() / PERIOD.as_millis() / 2;
    ensure!(
        before.overrun as u128 >= few,
        "only {} expiries were missed",
        before.overrun
    );
    tell::step("it is killed by SIGKILL, and its record lies for a while");
    first.kill()?;
    std::thread::sleep(LYING);

    let mut fresh = start("fresh")?;
    let fresh_pid = fresh.pid().to_string();
    tell::step(&format!(
        "fresh instance: process {fresh_pid}, whose timers do not run"
    ));
    fresh.stop()?;
    tell::sigcr(&["restore", &fresh_pid, record_path, "--remap", "in-order"])?;
    fresh.go_on()?;
    let after = tell_left(&mut fresh)?;
    let ticks = tell_ticks(&mut fresh)?;
    fresh.tell("quit")?;
    fresh.wait()?;

    let [first_tick, later @ ..] = &ticks[..] else {
        anyhow::bail!("no tick");
    };
    ensure!(
        ticks.iter().all(|tick| tick.value == TICK_VALUE),
        "a tick has another value than the timer"
    );
    ensure!(
        first_tick.overrun >= before.overrun,
        "{} missed expiries were recorded, and {} came",
        before.overrun,
        first_tick.overrun
    );
    for (what, before, after) in [
        ("timer", before.once, after.once),
        ("alarm", before.alarm, after.alarm),
    ] {
        println!("    the {what} had {before:?} left, and now {after:?}");
        ensure!(
            after <= before && before - after < LYING,
            "the {what} has not gone on where it was"
        );
    }
    println!(
        "    the pending tick came once, with {} missed expiries, and {} more after it",
        first_tick.overrun,
        later.len()
    );
    Ok("3 timers".to_owned())
}

struct State {
    overrun: i64,
    once: Duration,
    alarm: Duration,
}

struct Left {
    once: Duration,
    alarm: Duration,
}

struct Tick {
    value: u64,
    overrun: i64,
}

impl State {
    fn of(record: &Path) -> anyhow::Result<Self> {
        let model = Snapshot::read_from(record)?.to_model();
        let timers = model.timers.context("the record has no timers")?;
        let pending: Vec<_> = model
            .shared_pending
            .iter()
            .flat_map(|queue| &queue.entries)
            .filter(|entry| entry.timer_id.is_some())
            .collect();
        ensure!(
            pending.len() == 1,
            "{} signals of timers are pending, not 1",
            pending.len()
        );
        let [tick, once] = &timers.timers[..] else {
            anyhow::bail!("{} timers instead of 2", timers.timers.len());
        };
        let itimers = model.itimers.context("the record has no interval timers")?;
        let state = Self {
            overrun: tick.overrun,
            once: Duration::from_nanos(once.remaining_ns),
            alarm: Duration::from_nanos(itimers.real.remaining_ns),
        };
        ensure!(
            state.once < ONE_SHOT && state.alarm < ALARM,
            "the timers have not run"
        );
        Ok(state)
    }
}

fn start(role: &str) -> anyhow::Result<Program> {
    let ticker = std::env::current_exe()?.with_file_name("sigcr-demo-ticker");
    let mut program = Program::start(Command::new(ticker).arg(role))?;
    let line = program.line()?;
    ensure!(line == "ready", "the ticker said {line:?} instead of ready");
    Ok(program)
}

fn tell_left(ticker: &mut Program) -> anyhow::Result<Left> {
    ticker.tell("left")?;
    let line = ticker.line()?;
    let [once, alarm] = numbers(&line, "left")?;
    Ok(Left {
        once: Duration::from_nanos(once),
        alarm: Duration::from_nanos(alarm),
    })
}

fn tell_ticks(ticker: &mut Program) -> anyhow::Result<Vec<Tick>> {
    ticker.tell("take")?;
    let mut ticks = Vec::new();
    for _ in 0..TAKEN_COUNT {
        let line = ticker.line()?;
        println!("    it says: {line}");
        let [value, overrun] = numbers(&line, "tick")?;
        ticks.push(Tick {
            value,
            overrun: i64::try_from(overrun)?,
        });
    }
    let line = ticker.line()?;
    ensure!(line == "taken", "the ticker said {line:?} instead of taken");
    Ok(ticks)
}

/// The two numbers of a line that starts with `word`.
fn numbers(line: &str, word: &str) -> anyhow::Result<[u64; 2]> {
    let parts: Vec<&str> = line.split(' ').collect();
    match parts[..] {
        [first, a, b] if first == word => Ok([a.parse()?, b.parse()?]),
        _ => anyhow::bail!("the ticker said {line:?} instead of {word:?} and two numbers"),
    }
}
