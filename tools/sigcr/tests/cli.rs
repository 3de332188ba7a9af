// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The command line from outside: what it prints, how it exits, which files it writes.

#[allow(dead_code, reason = "other tests use the rest of it")]
mod program;
mod records;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use sigcr::{Model, Snapshot};

use program::{sigcr, Files, Ran};

fn expected(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/expected")
        .join(name);
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_process_is_shown_as_a_table() {
    let files = Files::new();
    let shown = sigcr(&["show", &files.record("server", &records::server())]);
    assert_eq!(shown.out(0), expected("server.txt"));
    let widest = shown.out(0).lines().map(str::len).max();
    assert!(widest <= Some(80), "{widest:?} columns");
}

#[test]
fn a_thread_is_shown_as_a_table() {
    let files = Files::new();
    let shown = sigcr(&["show", &files.record("thread", &records::live_thread())]);
    assert_eq!(shown.out(0), expected("thread.txt"));
}

#[test]
fn timers_signalfds_and_waiters_are_shown_as_tables() {
    let files = Files::new();
    let record = files.record("timers", &records::timers());
    let shown = sigcr(&["show", &record]).out(0);
    assert_eq!(shown, expected("timers.txt"));
    let widest = shown.lines().map(str::len).max();
    assert!(widest <= Some(80), "{widest:?} columns");
}

#[test]
fn a_process_without_timers_is_told_from_a_record_without_them() {
    let files = Files::new();
    let mut model = records::idle(5);
    let lines = |model: &Model| {
        let shown = sigcr(&["show", &files.record("record", model)]).out(0);
        let lines = shown.lines().filter(|line| line.contains("TIMERS"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let told = |what: &str| {
        [
            format!("INTERVAL TIMERS  {what}"),
            format!("TIMERS  {what}"),
        ]
    };
    assert_eq!(lines(&model), told("not in the record"));
    model.itimers = Some(sigcr::Itimers::default());
    model.timers = Some(sigcr::Timers::default());
    assert_eq!(lines(&model), told("none"));
}

#[test]
fn the_six_files_of_proc_are_shown() {
    let files = Files::new();
    let shown = |model: &Model| sigcr(&["show", "--proc", &files.record("record", model)]).out(0);
    assert_eq!(shown(&records::timers()), expected("timers-proc.txt"));
    let server = shown(&records::server());
    let names = [
        "action",
        "altstack",
        "blocked",
        "pending",
        "shared_pending",
        "waiters",
    ];
    let files: Vec<_> = server
        .lines()
        .filter(|line| !line.starts_with(' '))
        .collect();
    assert_eq!(files, names);
    assert_eq!(
        server
            .lines()
            .filter(|line| line.starts_with("  35 0 -1 "))
            .count(),
        1000
    );
}

#[test]
fn what_a_ptracer_held_is_refused_and_told_with_its_remedies() {
    let files = Files::new();
    let words = sigcr(&["check", &files.record("timers", &records::timers())]).out(1);
    assert!(
        words.contains("thread 5") && words.contains("queue it again"),
        "{words}"
    );
}

#[test]
fn timers_that_differ_are_told_and_time_that_passes_is_not() {
    let files = Files::new();
    let model = records::timers();
    let mut later = model.clone();
    let timers = later.timers.as_mut().unwrap();
    timers.timers[0].remaining_ns -= 1;
    later.itimers.as_mut().unwrap().prof.remaining_ns -= 1;
    let diff = |later: &Model| {
        sigcr(&[
            "diff",
            &files.record("a", &model),
            &files.record("b", later),
        ])
    };
    diff(&later).out(0);
    let mut changed = later.clone();
    changed.timers.as_mut().unwrap().timers[0].interval_ns = 5;
    changed.itimers = None;
    changed.signalfds = Some(Vec::new());
    changed.threads[0].state.as_mut().unwrap().pdeath_signo = None;
    changed.threads[0].inflight = None;
    let words = diff(&changed).out(1);
    for what in [
        "interval timers: in the record -> not in the record",
        "period of timer 0: 20 ms -> 5 ns",
        "signalfd 70: SIGUSR1 SIGTERM -> none",
        "parent's death to thread 5: SIGKILL -> none",
        "held by a ptracer of thread 5: SIGINT",
    ] {
        assert!(words.contains(what), "{what} not in {words}");
    }
    assert_eq!(words.lines().count(), 5, "{words}");
}

#[test]
fn json_of_a_record_stays_as_it_is() {
    let files = Files::new();
    let shown = sigcr(&[
        "show",
        "--json",
        &files.record("thread", &records::live_thread()),
    ]);
    assert_eq!(shown.out(0), expected("thread.json"));
}

#[test]
fn json_holds_every_field_of_a_record() {
    let files = Files::new();
    for model in [
        records::server(),
        records::live_thread(),
        records::idle(5),
        records::timers(),
    ] {
        let shown = sigcr(&["show", "--json", &files.record("record", &model)]);
        let read_back: Model = serde_json::from_str(&shown.out(0)).unwrap();
        assert_eq!(read_back, model);
    }
}

#[test]
fn nothing_is_folded_with_all() {
    let files = Files::new();
    let server = files.record("server", &records::server());
    let line_counts = |options: &[&str]| {
        let shown = sigcr(&[&["show", &server], options].concat()).out(0);
        let lines_with = |words| shown.lines().filter(|line| line.contains(words)).count();
        // 4713 is neither the first nor the last of several threads of which the same is told.
        ["values 0..999", "value 500", "4713"].map(lines_with)
    };
    assert_eq!(line_counts(&[]), [1, 0, 0]);
    assert_eq!(line_counts(&["--all"]), [0, 1, 2]);
}

#[test]
fn a_record_is_read_from_the_standard_input() {
    let snapshot = records::live_thread().encode().unwrap();
    let shown = program::with_input(&["show", "-"], snapshot.as_bytes());
    assert_eq!(shown.out(0), expected("thread.txt"));
    let refused = program::with_input(&["show", "-"], &snapshot.as_bytes()[..100]);
    let words = refused.err(1);
    assert!(
        words.starts_with("sigcr: standard input: ") && words.contains("192"),
        "{words}"
    );
}

#[test]
fn a_section_that_cannot_be_read_is_told_with_its_place() {
    let files = Files::new();
    let mut bytes = records::idle(5).encode().unwrap().into_bytes();
    let off = bytes.len();
    // A section of an optional type with 8 bytes in it, one section and 24 bytes more in the header.
    bytes.extend([0x20, 0, 0, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([7; 8]);
    let total_len = u64::try_from(bytes.len()).unwrap();
    bytes[16..24].copy_from_slice(&total_len.to_ne_bytes());
    bytes[32] += 1;
    sigcr::record::encode::seal(&mut bytes);
    let path = files.bytes("newer", &bytes);
    let words = format!("holds a section of the unknown type 0x20 at offset {off}, 24 bytes");
    assert!(sigcr(&["show", &path]).out(0).contains(&words));
    let json = sigcr(&["show", "--json", &path]).out(0);
    let fields: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(fields["unknown_sections"][0]["type"], 0x20);
    assert_eq!(fields["unknown_sections"][0]["len"], 24);
}

#[test]
fn colours_are_used_when_asked_for_and_only_then() {
    let files = Files::new();
    let idle = files.record("idle", &records::idle(5));
    let has_colour = |ran: Ran| ran.out(0).contains('\x1b');
    assert!(has_colour(sigcr(&["show", "--color", "always", &idle])));
    assert!(!has_colour(sigcr(&["show", "--color", "never", &idle])));
    assert!(!has_colour(sigcr(&["show", &idle])));
}

#[test]
fn what_may_be_out_of_date_has_the_colour_of_a_warning() {
    let files = Files::new();
    let thread = files.record("thread", &records::live_thread());
    let shown = sigcr(&["show", "--color", "always", &thread]).out(0);
    assert!(shown.contains("\x1b[33mSIGINT (was running"), "{shown}");
}

#[test]
fn colours_of_a_terminal_are_turned_off_by_no_color() {
    let files = Files::new();
    let idle = files.record("idle", &records::idle(5));
    let shown = |no_color: &str| program::on_terminal(&["show", &idle], no_color).1;
    assert!(shown("").contains('\x1b'));
    assert!(!shown("1").contains('\x1b'));
    assert!(shown("1").contains("PROCESS 5"));
}

#[test]
fn a_record_is_not_written_to_a_terminal() {
    let (code, text) = program::on_terminal(&["checkpoint", "-o", "-", "1"], "");
    assert_eq!(code, Some(2));
    assert!(text.contains("a record is not for a terminal"), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let files = Files::new();
    let server = files.record("server", &records::server());
    let mut child = Command::new(program::PATH)
        .args(["show", "--all", &server])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More than a pipe takes, so that the program meets its closed end.
    drop(child.stdout.take());
    let mut words = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert_eq!(
        (child.wait().unwrap().code(), words.as_str()),
        (Some(0), "")
    );
}

#[test]
fn check_says_ok_of_good_records() {
    let files = Files::new();
    let [a, b] = [records::server(), records::idle(5)]
        .map(|model| files.record(&model.tgid.to_string(), &model));
    assert_eq!(
        sigcr(&["check", &a, &b]).out(0),
        format!("{a}: ok\n{b}: ok\n")
    );
}

#[test]
fn check_says_what_is_wrong_and_where() {
    let files = Files::new();
    let mut bytes = records::idle(5).encode().unwrap().as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let changed = files.bytes("changed", &bytes);
    let words = sigcr(&["check", &changed]).out(1);
    assert!(
        words.starts_with(&format!("{changed}: the checksum is ")),
        "{words}"
    );

    let timer = files.record("timer", &records::live_thread());
    let words = sigcr(&["check", &timer]).out(1);
    assert!(
        words.contains("at byte 136") && words.contains("timer 3"),
        "{words}"
    );
    assert!(words.contains("PENDING of thread 92"), "{words}");
}

#[test]
fn the_worst_of_several_files_decides_how_check_exits() {
    let files = Files::new();
    let good = files.record("good", &records::idle(5));
    let bad = files.bytes("bad", &[0; 200]);
    let missing = files.path("missing");
    assert_eq!(sigcr(&["check", &bad, &good]).code, Some(1));
    let words = sigcr(&["check", &missing, &bad, &good]).out(6);
    assert_eq!(words.lines().count(), 3, "{words}");
    assert!(words.contains("No such file"), "{words}");
}

#[test]
fn diff_tells_no_difference_from_differences() {
    let files = Files::new();
    let a = files.record("a", &records::server());
    let mut changed = records::server();
    changed.threads[1]
        .state
        .as_mut()
        .unwrap()
        .blocked
        .insert(records::signo("SIGINT"));
    changed.actions.as_mut().unwrap().remove(0);
    let b = files.record("b", &changed);
    assert_eq!(
        sigcr(&["diff", &a, &a]).out(0),
        "no difference in signal state\n"
    );
    assert_eq!(
        sigcr(&["diff", &a, &b]).out(1),
        "action of SIGHUP: SIG_IGN -> default\nthread 4712 blocks in addition: SIGINT\n"
    );
}

#[test]
fn threads_are_compared_by_their_order_where_that_is_asked_for() {
    let files = Files::new();
    let a = files.record("a", &records::server());
    let mut renumbered = records::server();
    renumbered.remap_in_order(&[90, 81, 82, 83, 84]).unwrap();
    let b = files.record("b", &renumbered);
    assert!(sigcr(&["diff", &a, &b])
        .out(1)
        .contains("thread 81: only in the second"));
    assert_eq!(
        sigcr(&["diff", "--by-order", &a, &b]).out(0),
        "note: the records are of two processes, 4711 and 90\nno difference in signal state\n"
    );
}

#[test]
fn a_bad_record_is_not_mistaken_for_a_difference() {
    let files = Files::new();
    let good = files.record("good", &records::idle(5));
    let bad = files.bytes("bad", &[0; 200]);
    let ran = sigcr(&["diff", &good, &bad]);
    assert!(ran.err(6).contains("magic"), "{ran:?}");
    assert_eq!(sigcr(&["diff", "-", "-"]).code, Some(2));
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_with_the_reason() {
    for (arguments, words) in [
        (&["checkpoint", "0"][..], "not the number of a process"),
        (
            &["checkpoint", "--live", "--no-stop", "1"],
            "cannot be used with",
        ),
        (&["restore", "--only", "masks", "1", "x"], "shared-pending"),
        (
            &[
                "restore",
                "--only",
                "blocked",
                "--without",
                "blocked",
                "1",
                "x",
            ],
            "cannot be used",
        ),
        (&["restore", "--remap", "1:2", "1", "x"], "OLD=NEW"),
        (&["show"], "FILE|PID"),
        (&["frobnicate"], "unrecognized subcommand"),
    ] {
        let ran = sigcr(arguments);
        assert!(ran.err(2).contains(words), "{ran:?}");
    }
}

#[test]
fn a_process_that_is_gone_is_told_as_such() {
    let files = Files::new();
    let record = files.record("record", &records::idle(5));
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let pid = child.id().to_string();
    for arguments in [
        &["checkpoint", &pid][..],
        &["checkpoint", "--thread", &pid],
        &["restore", &pid, &record],
        &["show", &pid],
    ] {
        let ran = sigcr(arguments);
        let words = format!("sigcr: pidfd_open of {pid}: there is no process");
        assert!(ran.err(5).starts_with(&words), "{ran:?}");
    }
}

#[test]
fn a_record_that_cannot_be_restored_is_refused_before_the_target_is_touched() {
    let files = Files::new();
    let own = std::process::id().to_string();
    let mut model = records::idle(5);
    model.actions = None;
    let record = files.record("record", &model);
    let ran = sigcr(&["restore", "--only", "actions", &own, &record]);
    assert!(
        ran.err(1)
            .contains("holds nothing of what is to be restored"),
        "{ran:?}"
    );
    let bad = files.bytes("bad", b"no record");
    assert_eq!(sigcr(&["restore", &own, &bad]).code, Some(1));
    // One that can be read and not restored is told with the options that help.
    let timers = files.record("timers", &records::timers());
    let words = sigcr(&["restore", &own, &timers]).err(1);
    assert!(
        words.contains("--requeue-in-flight") && words.contains("--without in-flight"),
        "{words}"
    );
    let mut model = records::timers();
    model.timers.as_mut().unwrap().timers.clear();
    let lost = files.record("lost", &model);
    let ran = sigcr(&["restore", "--requeue-in-flight", &own, &lost]);
    assert!(ran.err(1).contains("--without timers"), "{ran:?}");
    assert_eq!(
        sigcr(&["restore", &own, &files.path("missing")]).code,
        Some(6)
    );
}

#[test]
fn signals_that_go_with_their_timers_are_told() {
    let files = Files::new();
    let record = files.record("timers", &records::timers());
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let pid = child.id().to_string();
    let ran = |options: &[&str]| {
        let target = [&pid[..], &record];
        sigcr(&[&["restore", "--requeue-in-flight"], options, &target].concat()).err(5)
    };
    let told = "left out 1 signal of timers";
    assert!(ran(&["--without", "timers"]).contains(told));
    assert!(!ran(&["--without", "shared-pending,timers"]).contains(told));
    assert!(!ran(&[]).contains(told));
}

#[test]
fn golden_records_are_good_and_faulty_ones_are_refused_with_a_remedy() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../libsigcr/testdata");
    let (mut good_count, mut bad_count) = (0, 0);
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let path = path.to_str().unwrap();
        if path.contains("/v1-bad-") {
            let words = sigcr(&["check", path]).out(1);
            // The file, what is wrong, and what to do about it.
            assert!(words.starts_with(path) && words.contains("; "), "{words}");
            bad_count += 1;
        } else if path.ends_with(".bin") {
            assert_eq!(sigcr(&["check", path]).out(0), format!("{path}: ok\n"));
            assert!(sigcr(&["show", path]).out(0).contains("record version 1"));
            let json = sigcr(&["show", "--json", path]).out(0);
            let read_back: Model = serde_json::from_str(&json).unwrap();
            assert_eq!(read_back, Snapshot::read_from(path).unwrap().to_model());
            good_count += 1;
        }
    }
    assert!(good_count > 0 && bad_count > 0);
}

#[test]
fn the_manual_page_has_every_verb_option_and_exit_code() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man/sigcr.1");
    let page = fs::read_to_string(page).unwrap();
    for verb in ["checkpoint", "restore", "show", "check", "diff", "probe"] {
        assert!(page.contains(&format!(".Ss sigcr {verb}\n")), "{verb}");
        let help = sigcr(&[verb, "--help"]).out(0);
        let options = help
            .lines()
            .filter_map(|line| line.trim_start().split("--").nth(1));
        for option in options {
            let name = option.split([' ', ',', '.', ';']).next().unwrap();
            if !["help", ""].contains(&name) {
                assert!(page.contains(&format!("Fl -{name}")), "{verb} --{name}");
            }
        }
    }
    for code in 0..=7 {
        assert!(page.contains(&format!(".It {code}\n")), "exit code {code}");
    }
}
