// SPDX-License-Identifier: GPL-2.0 OR MIT

//! By which means a process is taken and restored: the calls where they are, ptrace where not.

#[allow(dead_code, reason = "other tests use the rest of it")]
mod program;
#[allow(dead_code, reason = "other tests use the rest of it")]
mod records;

use std::fs;
use std::path::Path;
use std::process::Command;

use sigcr::{Snapshot, Status};

use program::{sigcr, Files};

/// The exit code of what needs the calls, and the words that must go with it.
fn without_calls() -> Option<(i32, &'static str)> {
    match sigcr::status() {
        Status::Available { .. } => None,
        Status::Denied(_) => Some((4, "sigckpt(2) is denied")),
        _ => Some((3, "boot")),
    }
}

#[test]
fn a_kernel_without_the_calls_is_told_as_such_and_no_file_is_left() {
    let Some((code, words)) = without_calls() else {
        // What the calls do is tested where they are: in the guest.
        return;
    };
    let files = Files::new();
    let own = std::process::id().to_string();
    let record = files.record("record", &records::idle(5));
    let output = files.path("output");
    for arguments in [
        &["checkpoint", "--backend", "kernel", "-o", &output, &own][..],
        &["checkpoint", "--live", "-o", &output, &own],
        &["checkpoint", "--no-stop", "-o", &output, &own],
        &["restore", "--backend", "kernel", &own, &record],
        &["restore", "--no-stop", &own, &record],
        &["show", &own],
        &["diff", &own, &record],
    ] {
        let ran = sigcr(arguments);
        assert!(ran.err(code).contains(words), "{ran:?}");
    }
    assert!(!Path::new(&output).exists());
}

#[test]
fn a_process_is_taken_and_compared_with_itself() {
    if without_calls().is_some() {
        return;
    }
    let files = Files::new();
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    let pid = child.id().to_string();
    let output = files.path("output");
    let taken = sigcr(&["checkpoint", "-o", &output, &pid]);
    let same = sigcr(&["diff", &output, &pid]);
    let restored = sigcr(&["restore", &pid, &output]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(taken.out(0), "");
    assert!(same.out(0).ends_with("no difference in signal state\n"));
    assert_eq!(restored.out(0), "");
    assert!(Snapshot::read_from(&output).is_ok());
}

#[test]
fn a_process_is_taken_by_ptrace_and_what_is_lost_is_told() {
    let files = Files::new();
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    let pid = child.id().to_string();
    let [output, json_output, one] = ["output", "json", "one"].map(|name| files.path(name));
    let by_ptrace = |options: &[&str], output: &str| {
        let arguments = ["checkpoint", "--backend", "ptrace", "-o", output, &pid];
        sigcr(&[&arguments, options].concat())
    };
    let taken = by_ptrace(&["--waiters"], &output);
    let json = by_ptrace(&["--json"], &json_output);
    let thread = by_ptrace(&["--thread"], &one);
    let auto = sigcr(&["checkpoint", "-o", &files.path("auto"), &pid]);
    child.kill().unwrap();
    child.wait().unwrap();

    let words = taken.err(0);
    let lost = |what: &str| words.contains(&format!("sigcr: not captured: {what}"));
    assert!(lost("which kind of signal frame"), "{words}");
    assert!(lost("the threads that wait"), "{words}");
    let snapshot = Snapshot::read_from(&output).unwrap();
    assert_eq!(snapshot.to_model().tgid.to_string(), pid);
    let report: serde_json::Value = serde_json::from_str(&json.out(0)).unwrap();
    assert_eq!(report["backend"], "ptrace");
    assert_eq!(report["record_len"], snapshot.as_bytes().len());
    assert_eq!(report["not_captured"][0]["name"], "frame_abi");
    // Of one thread nothing is lost.
    assert_eq!(thread.out(0), "");
    let one = Snapshot::read_from(&one).unwrap().to_model();
    assert_eq!((one.threads.len(), one.actions), (1, None));
    match without_calls() {
        None => assert_eq!(auto.out(0), ""),
        Some((_, words)) => {
            let told = auto.err(0);
            assert!(told.contains("by ptrace(2), because"), "{told}");
            assert!(told.contains(words), "{told}");
        }
    }
}

#[test]
fn a_record_is_restored_by_ptrace_and_what_is_lost_is_told() {
    let files = Files::new();
    let mut child = Command::new("sleep").arg("100").spawn().unwrap();
    let pid = child.id().to_string();
    let output = files.path("output");
    let by_ptrace = |verb: &str, arguments: &[&str]| {
        sigcr(&[&[verb, "--backend", "ptrace"], arguments].concat())
    };
    by_ptrace("checkpoint", &["-o", &output, &pid]).err(0);
    let mut model = Snapshot::read_from(&output).unwrap().to_model();
    let mut queue = sigcr::Queue::default();
    queue.set.insert(records::signo("SIGUSR1"));
    model.threads[0].pending = Some(queue);
    let state = model.threads[0].state.as_mut().unwrap();
    state.blocked.insert(records::signo("SIGUSR1"));
    let good = files.record("good", &model);
    let queue = model.threads[0].pending.as_mut().unwrap();
    queue.set.insert(records::signo("SIGRTMIN+3"));
    model.actions = None;
    let bad = files.record("bad", &model);
    let status = || fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let pending = |line: &str| status().contains(line);

    let tried = by_ptrace("restore", &["--dry-run", &pid, &good]);
    assert_eq!(tried.out(0), "");
    assert!(pending("SigPnd:\t0000000000000000"));
    let refused = by_ptrace("restore", &[&pid, &bad]).err(1);
    assert!(refused.contains("SIGRTMIN+3 is pending"), "{refused}");
    assert!(refused.contains("--partial"), "{refused}");
    assert!(pending("SigPnd:\t0000000000000000"));
    let restored = by_ptrace("restore", &[&pid, &good]);
    assert_eq!(restored.out(0), "");
    assert!(pending("SigPnd:\t0000000000000200"));
    assert!(pending("SigBlk:\t0000000000000200"));
    let partial = by_ptrace("restore", &["--partial", &pid, &bad]).err(0);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(partial.contains("not restored: SIGRTMIN+3"), "{partial}");
    let gone = by_ptrace("restore", &[&pid, &good]);
    assert_eq!(gone.code, Some(5), "{gone:?}");
}

#[test]
fn what_ptrace_cannot_do_is_refused() {
    let own = std::process::id().to_string();
    for option in ["--live", "--no-stop"] {
        let ran = sigcr(&["checkpoint", "--backend", "ptrace", option, &own]);
        assert!(ran.err(2).contains(option), "{ran:?}");
    }
    let files = Files::new();
    let record = files.record("record", &records::idle(5));
    let ran = sigcr(&["restore", "--backend", "ptrace", "--no-stop", &own, &record]);
    assert!(ran.err(2).contains("--no-stop"), "{ran:?}");
    let ran = sigcr(&["checkpoint", "--json", "-o", "-", &own]);
    assert!(ran.err(2).contains("--output"), "{ran:?}");
}

#[test]
fn probe_says_whether_the_calls_are_there() {
    let text = sigcr(&["probe"]);
    let json = sigcr(&["probe", "--json"]);
    let code = without_calls().map_or(0, |(code, _)| code);
    let fields: serde_json::Value = serde_json::from_str(&json.out(code)).unwrap();
    let message = fields["message"].as_str().unwrap();
    assert_eq!(message, sigcr::status().to_string());
    assert!(text.out(code).contains(message));
    assert_eq!(fields["errno"].is_null(), code == 0);
    let backend = if code == 0 { "kernel" } else { "ptrace" };
    assert_eq!(fields["backend"], backend);
    let line = format!("backend          {backend}: ");
    assert!(text.out(code).contains(&line));
}

#[test]
fn a_filter_that_denies_the_calls_is_told_from_a_kernel_that_lacks_them() {
    let own = std::process::id().to_string();
    for arguments in [&["probe"][..], &["show", &own]] {
        let ran = program::with_calls_denied(arguments);
        assert_eq!(ran.code, Some(4), "{ran:?}");
        let words = format!("{}{}", ran.stdout, ran.stderr);
        assert!(
            words.contains("EPERM") && words.contains("seccomp"),
            "{words}"
        );
    }
}
