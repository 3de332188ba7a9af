// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tells the data races that are ours from those that the kernel has without us.
//!
//! A report of KCSAN names the two functions that raced in its first line, and then the stack of
//! each. It is ours if a function of sigcr is in either stack, at the top or further down: a race
//! in the kernel's own code that sigcr calls counts too, since who calls it has to hold the right
//! lock. (Where a stack goes through an interrupt, what was interrupted is not looked at.)
//!
//! One kind is left out: a marked read (`READ_ONCE()`, in Rust a volatile one) of sigcr's own code
//! beside a plain write of the kernel's. The kernel takes plain writes of a word for atomic unless it
//! is as strict as here (`CONFIG_KCSAN_ASSUME_PLAIN_WRITES_ATOMIC`), and writes so what it reads
//! without the lock itself, such as the number of threads. Who marks a read has thought of that.
//!
//! All other reports are of races between code that is there without the patch. The kernel has some,
//! most of them meant. What does not fail a run is counted and shown.

use std::collections::BTreeMap;

use super::console::Splat;

const BEGINNING: &str = "BUG: KCSAN: data-race in ";

/// Whether a report is of a race that is not ours.
pub(crate) fn is_of_others(splat: &Splat) -> bool {
    let Some(title) = splat.lines[0].strip_prefix(BEGINNING) else {
        return false;
    };
    // A report that was cut off is not believed.
    let is_whole = splat
        .lines
        .iter()
        .any(|line| line.starts_with("Reported by"));
    let accesses = splat.lines[1..].split(|line| line.is_empty());
    let ours: Vec<Access> = accesses.filter_map(Access::through_us).collect();
    match &ours[..] {
        [] => is_whole && !title.split(" / ").map(str::trim).any(is_ours),
        [only] => is_whole && only.is_marked_read && only.is_at_the_top,
        _ => false,
    }
}

/// One of the two accesses of a report, if a function of sigcr is in its stack.
struct Access {
    /// It is a marked read.
    is_marked_read: bool,
    /// A function of sigcr makes it, not one that it calls.
    is_at_the_top: bool,
}

impl Access {
    fn through_us(lines: &[String]) -> Option<Self> {
        // What an interrupt does is not done for the code that it interrupts.
        let frames = lines.iter().filter_map(|line| frame(line));
        let mut frames = frames.take_while(|function| !is_interrupt_entry(function));
        let at = frames.position(is_ours)?;
        Some(Self {
            is_marked_read: lines[0].starts_with("read (marked) to "),
            is_at_the_top: at == 0,
        })
    }
}

/// The races that are not ours, by the functions that raced, and how often each was reported.
pub(crate) fn of_others(splats: &[Splat]) -> BTreeMap<&str, usize> {
    let mut races = BTreeMap::new();
    for splat in splats.iter().filter(|splat| is_of_others(splat)) {
        let title = splat.lines[0].trim_start_matches(BEGINNING);
        *races.entry(title).or_default() += 1;
    }
    races
}

/// Whether a function is of sigcr: written in Rust (no other Rust code runs in the test kernels), a
/// C helper of that, or of our C files and hooks, which all have the name in theirs.
fn is_ours(function: &str) -> bool {
    function.starts_with("_R")
        || function.starts_with("rust_helper_")
        || ["sigcr_", "sigckpt", "sigrestore"]
            .iter()
            .any(|part| function.contains(part))
}

/// Whether a function is where the processor goes on an interrupt; what is below was interrupted.
fn is_interrupt_entry(function: &str) -> bool {
    function.starts_with("asm_sysvec_") || function == "asm_common_interrupt"
}

/// The function of a line of a stack: ` name+0x12/0x34`.
fn frame(line: &str) -> Option<&str> {
    let (function, _) = line.strip_prefix(' ')?.trim_start().split_once("+0x")?;
    (!function.contains(' ')).then_some(function)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::console::splats;

    fn report(title: &str, first: &[&str], second: &[&str]) -> String {
        let stack = |functions: &[&str]| -> String {
            functions
                .iter()
                .map(|f| format!(" {f}+0x1c/0x80\n"))
                .collect()
        };
        format!(
            "{line}\nBUG: KCSAN: data-race in {title}\n\n\
             write to 0xffff888003f5b948 of 8 bytes by task 167 on cpu 0:\n{}\n\
             read to 0xffff888003f5b948 of 8 bytes by task 171 on cpu 1:\n{}\n\
             value changed: 0x0000000000000001 -> 0x0000000000000002\n\n\
             Reported by Kernel Concurrency Sanitizer on:\n\
             CPU: 1 UID: 0 PID: 171 Comm: soak-cases Not tainted 7.3.4-sigcr #1\n{line}\n\
             something harmless\n",
            stack(first),
            stack(second),
            line = "=".repeat(66),
        )
    }

    const RUST: &str = "_RNvMs_NtNtCs8Rcb_6kernel6signal7sighandNtB4_7Sighand4lock";

    fn is_of_others_in(log: &str) -> bool {
        let found = splats(log);
        assert_eq!(found.len(), 1, "{found:#?}");
        is_of_others(&found[0])
    }

    #[test]
    fn a_race_of_the_kernel_with_itself_is_of_others() {
        let log = report("do_exit / wait_consider_task", &["do_exit"], &["do_wait"]);
        assert!(is_of_others_in(&log));
        let found = splats(&log);
        assert_eq!(of_others(&found)["do_exit / wait_consider_task"], 1);
    }

    #[test]
    fn a_race_is_ours_whichever_side_we_are() {
        for ours in [
            RUST,
            "rust_helper_cgroup_task_frozen",
            "sigcr_timer_capture",
            "__do_sys_sigckpt",
        ] {
            for (first, second) in [(ours, "do_exit"), ("do_exit", ours)] {
                let title = format!("{first} / {second}");
                assert!(
                    !is_of_others_in(&report(&title, &[first], &[second])),
                    "{title}"
                );
                // Called by us.
                let log = report("a / b", &["a", first], &["b", second]);
                assert!(!is_of_others_in(&log), "{title}");
            }
        }
        let log = report("sigcr_timer_capture", &["sigcr_timer_capture"], &[]);
        assert!(!is_of_others_in(&log));
    }

    #[test]
    fn only_a_marked_read_of_our_own_is_meant() {
        let marked = |log: String| log.replace("read to", "read (marked) to");
        let log = report(
            "copy_process / sigcr_checkpoint",
            &["copy_process"],
            &[RUST],
        );
        assert!(!is_of_others_in(&log));
        assert!(is_of_others_in(&marked(log)));
        // One that we call, and one beside a write of our own.
        assert!(!is_of_others_in(&marked(report(
            "a / b",
            &["a"],
            &["b", RUST]
        ))));
        assert!(!is_of_others_in(&marked(report("a / b", &[RUST], &[RUST]))));
        // A write is none.
        let log = report("a / b", &[RUST], &["b"]).replace("write to", "write (marked) to");
        assert!(!is_of_others_in(&log));
    }

    #[test]
    fn what_an_interrupt_does_is_not_of_who_was_interrupted() {
        let stack = [
            "a",
            "asm_sysvec_apic_timer_interrupt",
            "_raw_spin_lock",
            RUST,
        ];
        assert!(is_of_others_in(&report("a / b", &stack, &["b"])));
        assert!(!is_of_others_in(&report("a / b", &stack, &["b", RUST])));
        let fault = ["a", "asm_exc_page_fault", RUST];
        assert!(!is_of_others_in(&report("a / b", &fault, &["b"])));
    }

    #[test]
    fn a_report_that_was_cut_off_and_any_other_report_are_not_of_others() {
        let log = report("a / b", &["a"], &["b"]);
        let cut = &log[..log.find("Reported").unwrap()];
        assert!(!is_of_others_in(cut));
        assert!(!is_of_others_in(
            "BUG: KASAN: use-after-free in a\n a+0x1/0x2\n"
        ));
    }
}
