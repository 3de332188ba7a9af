// SPDX-License-Identifier: GPL-2.0 OR MIT

//! One guest program that runs for long, says how far it is, and is judged like a test.

use std::cell::RefCell;

use anyhow::{bail, Result};
use guest_init::protocol::{Job, Program};

use super::Workshop;
use crate::guest::boot::{Report, Sink};
use crate::guest::programs;
use crate::guest::session::{Options, Session};
use crate::guest::verdict::judge;
use crate::kernel::Flavour;
use crate::util::paths::Paths;
use crate::util::progress::Progress;

/// Builds kernel and program, and prepares the guest; the log files are called `verb-flavour`.
pub(super) fn session(
    paths: &Paths,
    workshop: &Workshop,
    program: &str,
    verb: &str,
    flavour: Flavour,
) -> Result<Session> {
    let kernel = workshop.kernel(flavour)?;
    let image = programs::build(paths, None)?.image;
    if !image.has_command(program) {
        bail!("the workspace builds no program {program} (a crate in selftests should)");
    }
    let options = Options {
        flavour,
        cpus_count: 2,
        icount: false,
        logs: format!("{verb}-{}", flavour.name()),
    };
    let qemu = workshop.tools.qemu.clone();
    Session::new(paths, qemu, &kernel, image, &options)
}

/// What a run gave.
pub(super) struct Ran {
    /// What the program wrote.
    pub(super) output: String,
    /// What went wrong, in words.
    pub(super) failures: Vec<String>,
    /// All that is known of the boot.
    pub(super) report: Report,
}

/// Runs the program, follows it by its lines `# done NUMBER`, and shows its results and comments.
pub(super) fn run(
    session: &Session,
    program: Program,
    flavour: Flavour,
    what: &str,
    progress: Progress,
) -> Result<Ran> {
    let job = Job {
        programs: vec![program],
        kunit: false,
        kmemleak: flavour == Flavour::Debug,
        titles: false,
    };
    let progress = RefCell::new(progress);
    let look = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        let done = text.lines().rev().find_map(|line| number(line, "# done "));
        if let Some(done) = done {
            progress.borrow_mut().set(done);
        }
    };
    let report = session.boot(&job, &Sink::Watch(&look))?;
    progress.into_inner().done();
    let output = String::from_utf8_lossy(&report.output).into_owned();
    println!("{what}:");
    for line in output.lines() {
        let told = line
            .strip_prefix("# ")
            .filter(|line| !line.starts_with("done "));
        match told {
            Some(line) => println!("  {line}"),
            None if line.starts_with("ok ") || line.starts_with("not ok ") => println!("  {line}"),
            None => {}
        }
    }
    let verdict = judge(&job.programs, &[], std::slice::from_ref(&report));
    if !verdict.failures.is_empty() {
        let console_log = report.console_log.display();
        println!("the kernel's console is in {console_log}");
    }
    let failures = verdict.failures.iter();
    Ok(Ran {
        failures: failures
            .map(|failure| format!("{} kernel: {failure}", flavour.name()))
            .collect(),
        output,
        report,
    })
}

/// The number behind a prefix.
pub(super) fn number(line: &str, prefix: &str) -> Option<u64> {
    let rest = line.strip_prefix(prefix)?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_from_what_the_program_prints() {
        assert_eq!(number("# done 17", "# done "), Some(17));
        assert_eq!(number("# thrown 17 seed 1", "# thrown "), Some(17));
        assert_eq!(number("# done", "# done "), None);
        assert_eq!(number("done 17", "# done "), None);
    }
}
