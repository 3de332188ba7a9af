// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The boot harness against a real kernel: what must count as failure does.
//!
//! Any kernel with this project's configuration will do, patched or not; its image is named by
//! `SIGCR_TEST_KERNEL`. `cargo xtask test` runs these with the product kernel.

use std::env;
use std::sync::OnceLock;

use guest_init::protocol::{Event, Job, Program};

use super::boot::{End, Report, Sink};
use super::image::Image;
use super::programs;
use super::session::{Options, Session};
use super::verdict::{exit_code, guest_failures, judge};
use crate::kernel::build::Kernel;
use crate::kernel::Flavour;
use crate::setup::tools::on_path;
use crate::util::paths::Paths;

fn image() -> Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    let build = || {
        programs::build(&Paths::find().unwrap(), None)
            .unwrap()
            .image
    };
    IMAGE.get_or_init(build).clone()
}

fn session(image: Image) -> Session {
    let kernel = env::var_os("SIGCR_TEST_KERNEL").expect("SIGCR_TEST_KERNEL names no kernel image");
    let kernel = Kernel {
        image: kernel.into(),
    };
    let options = Options {
        flavour: Flavour::Product,
        cpus_count: 2,
        icount: false,
        logs: "harness".to_owned(),
    };
    let qemu = on_path("qemu-system-x86_64").unwrap();
    Session::new(&Paths::find().unwrap(), qemu, &kernel, image, &options).unwrap()
}

fn shell(name: &str, script: &str) -> Program {
    Program {
        name: name.to_owned(),
        path: "sh".to_owned(),
        args: vec!["-c".to_owned(), script.to_owned()],
        env: Vec::new(),
        timeout_secs: 30,
        interactive: false,
    }
}

fn job(programs: &[Program]) -> Job {
    Job {
        programs: programs.to_vec(),
        ..Job::default()
    }
}

fn boot(programs: &[Program]) -> Report {
    let report = session(image()).boot(&job(programs), &Sink::Quiet).unwrap();
    println!("{report:#?}");
    report
}

#[test]
#[ignore = "needs SIGCR_TEST_KERNEL"]
fn output_and_status_of_a_program_come_back_unchanged() {
    let report = boot(&[shell(
        "a",
        "printf 'a\\r\\tb\\n'; printf 'err\\n' >&2; exit 3",
    )]);
    assert_eq!(exit_code("a", &report.events), Some(3));
    assert_eq!(report.output, b"a\r\tb\nerr\n");
    assert_eq!(guest_failures(&report), [""; 0]);
    assert_eq!(report.end, End::Exited);
}

#[test]
#[ignore = "needs SIGCR_TEST_KERNEL"]
fn a_program_with_a_terminal_ends_like_any_other() {
    let mut program = shell("a", "test -t 0 && tty; exit 5");
    program.interactive = true;
    let report = boot(&[program, shell("b", "echo raw")]);
    assert_eq!(exit_code("a", &report.events), Some(5));
    assert_eq!(exit_code("b", &report.events), Some(0));
    assert_eq!(report.output, b"/dev/ttyS1\r\nraw\n");
    assert_eq!(guest_failures(&report), [""; 0]);
}

#[test]
#[ignore = "needs SIGCR_TEST_KERNEL"]
fn a_crash_of_the_kernel_is_failure_and_the_next_program_still_runs() {
    let crash = shell(
        "crash",
        "echo ok 1 before; sleep 1; echo c > /proc/sysrq-trigger; sleep 20",
    );
    let next = shell("next", "echo ok 1 after");
    let programs = [crash, next];
    let reports = session(image())
        .run_all(&job(&programs), &Sink::Quiet)
        .unwrap();
    assert_eq!(reports.len(), 2);
    let verdict = judge(&programs, &[], &reports);
    println!("{verdict:#?}");
    assert_eq!(verdict.passed_count, 2);
    let failed = |what: &str| verdict.failures.iter().any(|f| f.contains(what));
    assert!(failed("went down while crash ran"));
    assert!(failed("sysrq triggered crash"));
    assert!(failed("crash: did not run to its end"));
    assert!(!failed("next"));
}

#[test]
#[ignore = "needs SIGCR_TEST_KERNEL"]
fn a_warning_of_the_kernel_is_failure_though_the_program_succeeds() {
    let warn = "echo '<4>WARNING: kernel/signal.c:1 at f+0x1/0x2' > /dev/kmsg; echo ok 1 x";
    let programs = [shell("warn", warn)];
    let report = boot(&programs);
    assert_eq!(exit_code("warn", &report.events), Some(0));
    let verdict = judge(&programs, &[], &[report]);
    assert_eq!(verdict.line(), "1 passed, 1 failed");
    assert!(verdict.failures[0].contains("kernel/signal.c:1"));
}

#[test]
#[ignore = "needs SIGCR_TEST_KERNEL"]
fn a_guest_that_says_nothing_has_failed() {
    let mut image = image();
    let mute = b"#!/bin/busybox sh\nexec /bin/busybox reboot -f\n";
    image.add("init", mute.to_vec());
    let report = session(image).boot(&Job::default(), &Sink::Quiet).unwrap();
    assert_eq!(report.events, []);
    let failures = guest_failures(&report);
    assert!(failures[0].contains("without a word"), "{failures:?}");
}

#[test]
#[ignore = "needs SIGCR_TEST_KERNEL"]
fn a_program_that_hangs_is_killed_and_its_processes_with_it() {
    let mut hang = shell("hang", "sleep 1000 & echo ok 1 x; kill -STOP $$");
    hang.timeout_secs = 2;
    let left_behind = shell("left-behind", "sleep 1000 & echo ok 1 x");
    let last = shell("last", "pidof sleep || echo ok 1 none");
    let programs = [hang, left_behind, last];
    let report = boot(&programs);
    let timeout = Event::Timeout {
        program: "hang".to_owned(),
        seconds: 2,
    };
    assert!(report.events.contains(&timeout));
    assert_eq!(exit_code("hang", &report.events), Some(128 + 9));
    assert_eq!(exit_code("left-behind", &report.events), Some(0));
    let verdict = judge(&programs, &[], &[report]);
    assert_eq!(verdict.passed_count, 3, "{verdict:?}");
    assert!(
        verdict.failures.iter().all(|f| f.starts_with("hang: ")),
        "{verdict:?}"
    );
}

#[test]
#[ignore = "needs SIGCR_TEST_KERNEL"]
fn a_program_that_does_not_exist_has_status_127() {
    let mut missing = shell("missing", "");
    missing.path = "/bin/no-such-program".to_owned();
    let report = boot(&[missing]);
    assert_eq!(exit_code("missing", &report.events), Some(127));
    let output = String::from_utf8_lossy(&report.output);
    assert!(
        output.contains("cannot execute /bin/no-such-program"),
        "{output}"
    );
}
