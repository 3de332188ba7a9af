// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A record as a table that people like to read.

mod pending;
mod timers;

use std::collections::BTreeMap;
use std::io::{self, Write};

use sigcr::record::{Record, Section};
use sigcr::{
    Action, AltStack, AltStackFlags, FrameAbi, Handler, Model, RecordFlags, Snapshot, ThreadModel,
};

use crate::paint::Paint;
use crate::text;

/// How to show a record.
pub(crate) struct Look {
    /// Fold nothing.
    pub(crate) all: bool,
    pub(crate) paint: Paint,
}

/// Writes the record as a table.
pub(crate) fn write(out: &mut dyn Write, snapshot: &Snapshot, look: &Look) -> io::Result<()> {
    let model = snapshot.to_model();
    write_head(out, snapshot, &model, look)?;
    writeln!(out)?;
    if !model.flags.contains(RecordFlags::ONE_THREAD) {
        write_actions(out, model.actions.as_deref(), look)?;
        writeln!(out)?;
    }
    write_threads(out, "BLOCKED", &model, blocked_words, look)?;
    writeln!(out)?;
    pending::table(out, &model, look)?;
    writeln!(out)?;
    write_threads(out, "ALTERNATE STACKS", &model, altstack_words, look)?;
    timers::tables(out, &model, look)
}

fn write_head(
    out: &mut dyn Write,
    snapshot: &Snapshot,
    model: &Model,
    look: &Look,
) -> io::Result<()> {
    let record = snapshot.record();
    let header = record.header();
    let what = match (
        model.flags.contains(RecordFlags::ONE_THREAD),
        &model.threads[..],
    ) {
        (true, [thread, ..]) => format!("THREAD {} of process {}", thread.tid, model.tgid),
        (true, []) => format!("ONE THREAD of process {}", model.tgid),
        (false, _) => format!("PROCESS {}", model.tgid),
    };
    writeln!(
        out,
        "{}  {}, {}, record version {}, {} bytes",
        look.paint.title(what),
        text::count(model.thread_count as usize, "thread"),
        text::arch(header.arch),
        header.version,
        header.total_len,
    )?;
    for line in notes(model).into_iter().chain(unknown_sections(&record)) {
        writeln!(out, "  {}", look.paint.warning(line))?;
    }
    if let Some(process) = &model.process {
        let seconds = process.start_boottime_ns / 1_000_000_000;
        let milliseconds = process.start_boottime_ns / 1_000_000 % 1000;
        let limit = match process.rlimit_sigpending_count {
            u64::MAX => "any number of".to_owned(),
            count => count.to_string(),
        };
        writeln!(
            out,
            "  started {seconds}.{milliseconds:03} s after boot, may queue {limit} signals",
        )?;
    }
    Ok(())
}

/// What a reader of the record must know of the moment when it was taken.
fn notes(model: &Model) -> Vec<String> {
    let mut notes = Vec::new();
    if model.flags.contains(RecordFlags::LIVE) {
        notes.push("taken while the process ran: one instant of it".to_owned());
    }
    if model.flags.contains(RecordFlags::SHARED_SIGHAND) {
        notes.push("shares its actions with another process".to_owned());
    }
    if let Some(process) = &model.process {
        if let Some(signo) = process.stop_signo {
            notes.push(format!("stopped by {signo}"));
        } else if process.stopped {
            notes.push("stopped".to_owned());
        }
        if process.unkillable {
            notes.push("init of its pid namespace".to_owned());
        }
        if process.autoreap {
            notes.push("reaped by itself when it exits".to_owned());
        }
        if process.timer_ids {
            notes.push("creates timers with the ids that it asks for".to_owned());
        }
        match process.exit_signo {
            // What fork(2) gives.
            Some(signo) if signo.get() == 17 => {}
            Some(signo) => notes.push(format!("its parent gets {signo} when it exits")),
            None => {}
        }
    }
    notes
}

/// What the record holds and this version cannot read.
fn unknown_sections<'a>(record: &Record<'a>) -> impl Iterator<Item = String> + 'a {
    record
        .sections()
        .filter_map(|(off, section)| match section {
            Section::Unknown {
                section_type,
                bytes,
            } => Some(format!(
                "holds a section of the unknown type {section_type:#x} at offset {off}, {} bytes",
                bytes.len()
            )),
            _ => None,
        })
}

fn write_actions(out: &mut dyn Write, actions: Option<&[Action]>, look: &Look) -> io::Result<()> {
    let title = look.paint.title("ACTIONS");
    let actions = match actions {
        None => return writeln!(out, "{title}  not in the record"),
        Some([]) => return writeln!(out, "{title}  all default"),
        Some(actions) => actions,
    };
    writeln!(out, "{title}  {} not the default", actions.len())?;
    let handlers: Vec<_> = actions
        .iter()
        .map(|action| handler(action.handler))
        .collect();
    let width = handlers.iter().map(String::len).max().unwrap_or(0);
    for (action, handler) in actions.iter().zip(&handlers) {
        // Number, name, handler, with the space around them.
        let indent = 2 + 2 + 1 + 11 + 2 + width + 2;
        let flags = text::wrap(&flag_words(action), indent);
        let line = format!(
            "  {:2} {}{:pad$}  {handler:width$}  {flags}",
            action.signo.get(),
            look.paint.signal(action.signo),
            "",
            pad = 11usize.saturating_sub(action.signo.to_string().len()),
        );
        writeln!(out, "{}", line.trim_end())?;
        if !action.mask.is_empty() {
            let mut words = vec!["blocks".to_owned()];
            words.extend(text::sigset_words(action.mask));
            writeln!(out, "{:18}{}", "", text::wrap(&words, 18))?;
        }
    }
    write_restorers(out, actions, look)
}

fn handler(handler: Handler) -> String {
    match handler {
        Handler::DEFAULT => "default".to_owned(),
        Handler::IGNORE => "ignored".to_owned(),
        Handler(address) => format!("{address:#x}"),
    }
}

fn flag_words(action: &Action) -> Vec<String> {
    let mut words = text::action_flags(action.flags);
    match action.abi {
        FrameAbi::Native => {}
        FrameAbi::Ia32 => words.push("(32-bit frame)".to_owned()),
        FrameAbi::X32 => words.push("(x32 frame)".to_owned()),
    }
    words
}

/// The restorers, of which most processes have one.
fn write_restorers(out: &mut dyn Write, actions: &[Action], look: &Look) -> io::Result<()> {
    let mut restorers: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for action in actions.iter().filter(|action| action.restorer != 0) {
        let users = restorers.entry(action.restorer).or_default();
        users.push(action.signo.to_string());
    }
    let one = restorers.len() == 1;
    for (restorer, users) in restorers {
        let mut words = vec![format!("restorer {restorer:#x}")];
        match one {
            true => words.push(format!("({})", text::count(users.len(), "action"))),
            false => words.extend(users),
        }
        writeln!(out, "  {}", look.paint.faint(text::wrap(&words, 2)))?;
    }
    Ok(())
}

/// Words on one thread, and whether they are a warning.
type Told = (Vec<String>, bool);

/// Writes a line for each thread; threads in a row of which the same is told share one.
fn write_threads(
    out: &mut dyn Write,
    title: &str,
    model: &Model,
    words: fn(&ThreadModel) -> Told,
    look: &Look,
) -> io::Result<()> {
    writeln!(out, "{}", look.paint.title(title))?;
    let told: Vec<_> = model
        .threads
        .iter()
        .map(|thread| (thread.tid, words(thread)))
        .collect();
    let groups: Vec<_> = told
        .chunk_by(|(_, a), (_, b)| a == b && !look.all)
        .map(|group| (label(group), &group[0].1))
        .collect();
    let width = groups
        .iter()
        .map(|(label, _)| label.len())
        .max()
        .unwrap_or(0);
    for (label, (words, is_warning)) in &groups {
        let text = text::wrap(words, 2 + width + 2);
        let text = match is_warning {
            true => look.paint.warning(text),
            false => text,
        };
        writeln!(out, "  {label:width$}  {text}")?;
    }
    if groups.is_empty() {
        writeln!(out, "  not in the record")?;
    }
    Ok(())
}

fn label(group: &[(i32, Told)]) -> String {
    match group {
        [(first, _), .., (last, _)] => format!("{first}..{last} ({} threads)", group.len()),
        [(tid, _)] => tid.to_string(),
        [] => String::new(),
    }
}

fn blocked_words(thread: &ThreadModel) -> Told {
    let note = |text: &str, is_warning| (vec![text.to_owned()], is_warning);
    match &thread.state {
        None => note("not in the record", true),
        Some(state) if state.dead => note("has exited", false),
        Some(state) if state.worker => note("is a kernel worker", false),
        Some(state) => {
            let mut words = text::sigset_words(state.blocked);
            if let Some(signo) = state.pdeath_signo {
                words.push(format!("(gets {signo} when its parent dies)"));
            }
            for (is_so, what) in [
                (state.trace_stop, "(in a ptrace stop)"),
                (state.traced && !state.trace_stop, "(ptraced)"),
                (state.group_stop, "(stopped)"),
                (state.frozen, "(frozen)"),
            ] {
                if is_so {
                    words.push(what.to_owned());
                }
            }
            if state.unstable {
                words.push("(was running: may be out of date)".to_owned());
            }
            (words, state.unstable)
        }
    }
}

fn altstack_words(thread: &ThreadModel) -> Told {
    match &thread.altstack {
        None if thread.is_listed_only() => (vec!["none".to_owned()], false),
        None => (vec!["not in the record".to_owned()], true),
        Some(altstack) => (altstack_parts(altstack), false),
    }
}

/// An alternate stack in words.
pub(crate) fn altstack_text(altstack: &AltStack) -> String {
    altstack_parts(altstack).join(" ")
}

/// The same in parts that a line can be broken between.
fn altstack_parts(altstack: &AltStack) -> Vec<String> {
    let AltStack { sp, size, flags } = *altstack;
    let mut parts = match flags.contains(AltStackFlags::DISABLE) {
        true => vec!["none".to_owned()],
        false => vec![
            format!("{sp:#x}..{:#x}", sp.wrapping_add(size)),
            format!("({})", text::size(size)),
        ],
    };
    if flags.contains(AltStackFlags::AUTODISARM) {
        parts.push("disarmed while in use".to_owned());
    }
    parts
}
