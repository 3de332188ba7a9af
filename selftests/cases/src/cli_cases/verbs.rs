// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What each verb does when all is well.

use std::fs;

use anyhow::{ensure, Context};
use serde_json::Value;
use sigcr::Snapshot;

use super::{arg, plan, running, Dir};
use crate::compare::same_but_for_ids;
use crate::program::status_field;
use crate::subject::{Plan, Subject};
use crate::tap::Case;
use crate::tool::{run, run_well};

pub(super) const CASES: &[Case] = crate::cases![
    probe_says_that_the_calls_are_there,
    a_running_process_is_checkpointed_into_a_file_and_runs_on,
    the_standard_output_takes_a_record,
    show_names_handlers_queues_masks_and_stacks,
    show_as_json_holds_every_queued_signal,
    show_of_a_process_is_show_of_its_record,
    check_finds_a_good_record_good,
    a_record_is_restored_with_remapped_threads,
    threads_are_remapped_by_pairs,
    a_dry_run_of_restore_changes_nothing,
    only_the_chosen_kind_of_state_is_restored,
    diff_by_order_finds_a_restored_process_equal,
    one_thread_is_checkpointed_and_restored,
    a_live_checkpoint_is_marked_as_such,
];

fn probe_says_that_the_calls_are_there() -> anyhow::Result<()> {
    let text = run_well(&["probe"])?;
    ensure!(text.contains("version 1"), "{text}");
    let found: Value = serde_json::from_str(&run_well(&["probe", "--json"])?)?;
    ensure!(
        found["status"] == "available" && found["record_version"] == 1,
        "{found}"
    );
    ensure!(found["own_process"] == true, "{found}");
    Ok(())
}

fn a_running_process_is_checkpointed_into_a_file_and_runs_on() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let subject = running()?;
    let file = dir.file("record");
    run_well(&["checkpoint", &arg(&subject), "-o", &file])?;
    let mut model = Snapshot::read_from(&file)?.to_model();
    model.process = None;
    same_but_for_ids("the record", &plan().model(&[1, 2]), &model)?;
    let state = status_field(subject.pid(), "State")?;
    ensure!(state.starts_with(['S', 'R']), "the state is {state}");
    let traced = status_field(subject.pid(), "TracerPid")?;
    ensure!(traced == "0", "still traced by {traced}");
    let left: Vec<_> = fs::read_dir(&dir.0)?.collect();
    ensure!(left.len() == 1, "other files are left: {left:?}");
    Ok(())
}

fn the_standard_output_takes_a_record() -> anyhow::Result<()> {
    let subject = running()?;
    let output = crate::tool::command(&["checkpoint", &arg(&subject), "-o", "-"]).output()?;
    ensure!(output.status.success(), "{output:?}");
    let model = Snapshot::from_bytes(output.stdout)
        .map_err(|e| anyhow::anyhow!("{e}"))?
        .to_model();
    ensure!(model.tgid == subject.pid().as_raw(), "{}", model.tgid);
    Ok(())
}

fn show_names_handlers_queues_masks_and_stacks() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    run_well(&["checkpoint", &arg(&running()?), "-o", &file])?;
    let text = run_well(&["show", &file])?;
    for wanted in [
        "SIGUSR1",
        "0x402000",
        "SIGPIPE",
        "ignore",
        "SIGRTMIN+8",
        "SI_QUEUE",
        "0x700000000000",
        "300",
    ] {
        ensure!(text.contains(wanted), "no {wanted:?} in:\n{text}");
    }
    let longest = text.lines().map(str::len).max().unwrap_or(0);
    ensure!(longest <= 100, "a line has {longest} bytes:\n{text}");
    ensure!(text.lines().count() < 60, "nothing is folded:\n{text}");
    let all = run_well(&["show", "--all", &file])?;
    ensure!(all.lines().count() > 300, "something is folded:\n{all}");
    Ok(())
}

fn show_as_json_holds_every_queued_signal() -> anyhow::Result<()> {
    let text = run_well(&["show", "--json", &arg(&running()?)])?;
    let json: Value = serde_json::from_str(&text)?;
    let entries = find_array(&json, 301).context("no array of 301 queued signals")?;
    let last = entries.last().context("it is empty")?.to_string();
    // The last one sent: SIGUSR1 with 0xbeef.
    ensure!(
        last.contains("48879") || last.contains("beef"),
        "the last one is {last}"
    );
    Ok(())
}

/// The array with so many items, wherever it stands.
fn find_array(json: &Value, len: usize) -> Option<&Vec<Value>> {
    match json {
        Value::Array(items) if items.len() == len => Some(items),
        Value::Array(items) => items.iter().find_map(|item| find_array(item, len)),
        Value::Object(fields) => fields.values().find_map(|field| find_array(field, len)),
        _ => None,
    }
}

fn show_of_a_process_is_show_of_its_record() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let subject = running()?;
    subject.stop()?;
    let file = dir.file("record");
    run_well(&["checkpoint", "--waiters", &arg(&subject), "-o", &file])?;
    let of_file = run_well(&["show", &file])?;
    let of_process = run_well(&["show", &arg(&subject)])?;
    ensure!(of_file == of_process, "{of_file}\nis not\n{of_process}");
    Ok(())
}

fn check_finds_a_good_record_good() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    run_well(&["checkpoint", &arg(&running()?), "-o", &file])?;
    let text = run_well(&["check", &file])?;
    ensure!(text == format!("{file}: ok\n"), "{text}");
    Ok(())
}

fn a_record_is_restored_with_remapped_threads() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let (file, again) = (dir.file("record"), dir.file("again"));
    run_well(&["checkpoint", &arg(&running()?), "-o", &file])?;
    // The target runs: it is stopped for it and let go.
    let fresh = Subject::start(&Plan::empty(2))?;
    run_well(&["restore", &arg(&fresh), &file, "--remap", "in-order"])?;
    let state = status_field(fresh.pid(), "State")?;
    ensure!(state.starts_with(['S', 'R']), "the state is {state}");
    run_well(&["checkpoint", &arg(&fresh), "-o", &again])?;
    let (first, second) = (Snapshot::read_from(&file)?, Snapshot::read_from(&again)?);
    same_but_for_ids("the state", &first.to_model(), &second.to_model())
}

fn threads_are_remapped_by_pairs() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let (file, again) = (dir.file("record"), dir.file("again"));
    let first = running()?;
    run_well(&["checkpoint", &arg(&first), "-o", &file])?;
    let fresh = Subject::start(&Plan::empty(2))?;
    // Crosswise: the first thread's state goes to the second one.
    let [old0, old1] = [first.tids()[0], first.tids()[1]];
    let [new0, new1] = [fresh.tids()[0], fresh.tids()[1]];
    let pairs = format!("{old0}={new1},{old1}={new0}");
    run_well(&["restore", &arg(&fresh), &file, "--remap", &pairs])?;
    run_well(&["checkpoint", &arg(&fresh), "-o", &again])?;
    let before = Snapshot::read_from(&file)?.to_model();
    let after = Snapshot::read_from(&again)?.to_model();
    ensure!(
        before.threads[0].altstack == after.threads[1].altstack
            && before.threads[1].pending == after.threads[0].pending,
        "not crosswise: {:#?}",
        after.threads
    );
    Ok(())
}

fn a_dry_run_of_restore_changes_nothing() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    run_well(&["checkpoint", &arg(&running()?), "-o", &file])?;
    let fresh = Subject::start(&Plan::empty(2))?;
    let pid = arg(&fresh);
    run_well(&["restore", &pid, &file, "--remap", "in-order", "--dry-run"])?;
    for name in ["ShdPnd", "SigPnd", "SigBlk", "SigIgn", "SigCgt"] {
        let set = u64::from_str_radix(&status_field(fresh.pid(), name)?, 16)?;
        ensure!(set == 0, "{name} is {set:#x}");
    }
    Ok(())
}

fn only_the_chosen_kind_of_state_is_restored() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    run_well(&["checkpoint", &arg(&running()?), "-o", &file])?;
    let fresh = Subject::start(&Plan::empty(1))?;
    // Actions belong to the process, so the number of threads does not matter.
    run_well(&["restore", &arg(&fresh), &file, "--only", "actions"])?;
    for (name, wanted) in [
        ("ShdPnd", 0),
        ("SigBlk", 0),
        ("SigIgn", 1 << 12),
        ("SigCgt", 1 << 9),
    ] {
        let set = u64::from_str_radix(&status_field(fresh.pid(), name)?, 16)?;
        ensure!(set == wanted, "{name} is {set:#x}, not {wanted:#x}");
    }
    Ok(())
}

fn diff_by_order_finds_a_restored_process_equal() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    run_well(&["checkpoint", &arg(&running()?), "-o", &file])?;
    let fresh = Subject::start(&Plan::empty(2))?;
    let pid = arg(&fresh);
    let before = run(&["diff", "--by-order", &file, &pid])?;
    ensure!(before.code == 1, "before: {before:?}");
    ensure!(
        before.stdout.contains("SIGUSR1"),
        "the differences do not name SIGUSR1: {}",
        before.stdout
    );
    run_well(&["restore", &pid, &file, "--remap", "in-order"])?;
    let after = run(&["diff", "--by-order", &file, &pid])?;
    ensure!(after.code == 0, "after: {after:?}");
    Ok(())
}

fn one_thread_is_checkpointed_and_restored() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("thread");
    let subject = running()?;
    let tid = subject.tids()[1].to_string();
    run_well(&["checkpoint", "--thread", &tid, "-o", &file])?;
    let model = Snapshot::read_from(&file)?.to_model();
    ensure!(
        model.threads.len() == 1 && model.actions.is_none(),
        "{model:#?}"
    );
    let fresh = Subject::start(&Plan::empty(2))?;
    let tid = fresh.tids()[1].to_string();
    run_well(&["restore", "--thread", &tid, &file, "--remap", "in-order"])?;
    let pending = status_field(nix::unistd::Pid::from_raw(fresh.tids()[1]), "SigPnd")?;
    ensure!(
        u64::from_str_radix(&pending, 16)? == 1 << 11,
        "SigPnd is {pending}"
    );
    Ok(())
}

fn a_live_checkpoint_is_marked_as_such() -> anyhow::Result<()> {
    let dir = Dir::new()?;
    let file = dir.file("record");
    run_well(&["checkpoint", "--live", &arg(&running()?), "-o", &file])?;
    let model = Snapshot::read_from(&file)?.to_model();
    ensure!(
        model.flags.contains(sigcr::RecordFlags::LIVE),
        "{:?}",
        model.flags
    );
    let text = run_well(&["show", &file])?;
    ensure!(
        text.to_lowercase().contains("running") || text.to_lowercase().contains("live"),
        "show does not say so:\n{text}"
    );
    Ok(())
}
