// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `boot`: the patched kernel with one program in it, whose output and status come back.

use std::path::Path;

use anyhow::{bail, Context, Result};
use guest_init::protocol::{Job, Program};

use super::{Workshop, STATUS_GUEST};
use crate::cli::BootArgs;
use crate::guest::boot::{Report, Sink};
use crate::guest::elf::check_runs_in_guest;
use crate::guest::image::Image;
use crate::guest::programs;
use crate::guest::session::{Options, Session};
use crate::guest::terminal::Raw;
use crate::guest::verdict::{exit_code, guest_failures};
use crate::util::files::read;
use crate::util::paths::Paths;

/// Runs the verb.
pub(crate) fn run(paths: &Paths, args: &BootArgs) -> Result<u8> {
    if args.icount && args.smp.is_some_and(|count| count > 1) {
        bail!("--icount counts the instructions of one processor; leave --smp out");
    }
    let workshop = Workshop::open(paths, &args.tree)?;
    let kernel = workshop.kernel(args.flavour)?;
    let mut image = programs::build(paths, None)?.image;
    for pair in &args.file {
        let (host, guest) = pair
            .split_once(':')
            .with_context(|| format!("--file {pair}: give it as HOST:GUEST"))?;
        image.add(guest, read(Path::new(host))?);
    }
    let program = program(&mut image, args)?;
    let options = Options {
        flavour: args.flavour,
        cpus_count: args.smp.unwrap_or(if args.icount { 1 } else { 2 }),
        icount: args.icount,
        logs: "boot".to_owned(),
    };
    let session = Session::new(paths, workshop.tools.qemu.clone(), &kernel, image, &options)?;
    // The session has its own copies; others may build while the guest runs.
    drop(workshop);
    run_one(&session, program)
}

/// Boots for one program and returns the status that this process shall have.
pub(crate) fn run_one(session: &Session, program: Program) -> Result<u8> {
    let name = program.name.clone();
    let interactive = program.interactive;
    let job = Job {
        programs: vec![program],
        ..Job::default()
    };
    let report = if interactive {
        eprintln!("The shell ends with `exit`; Ctrl-] switches the guest off.");
        let _raw = Raw::begin();
        session.boot(&job, &Sink::Terminal)?
    } else {
        session.boot(&job, &Sink::Stdout)?
    };
    Ok(status(&name, &report))
}

/// Says what is wrong with the guest, and returns the program's status or else the guest's.
fn status(name: &str, report: &Report) -> u8 {
    let failures = guest_failures(report);
    for failure in &failures {
        eprintln!("error: {failure}");
    }
    if !failures.is_empty() {
        eprintln!(
            "the kernel's console is in {}",
            report.console_log.display()
        );
    }
    match exit_code(name, &report.events) {
        Some(code) if code != 0 => u8::try_from(code).unwrap_or(1),
        Some(_) if failures.is_empty() => 0,
        _ => STATUS_GUEST,
    }
}

fn program(image: &mut Image, args: &BootArgs) -> Result<Program> {
    let (path, rest) = match args.program.split_first() {
        None => ("sh".to_owned(), Vec::new()),
        Some((path, rest)) => (guest_path(image, path)?, rest.to_vec()),
    };
    let interactive = args.interactive || args.program.is_empty();
    Ok(Program {
        name: path.clone(),
        path,
        args: rest,
        env: Vec::new(),
        timeout_secs: args.timeout,
        interactive,
    })
}

/// Returns where the program is in the guest, and puts it there if it is the host's.
fn guest_path(image: &mut Image, program: &str) -> Result<String> {
    let host = Path::new(program);
    // A bare name is the guest's, and so is a path that the host does not have.
    if !program.contains('/') || !host.exists() {
        return Ok(program.to_owned());
    }
    let bytes = read(host)?;
    check_runs_in_guest(program, &bytes)?;
    let name = host.file_name().unwrap_or_default().to_string_lossy();
    let path = format!("/host/{name}");
    image.add(&path, bytes);
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::boot::End;
    use guest_init::protocol::Event;

    fn report(code: Option<i32>, end: bool) -> Report {
        let mut events = vec![Event::Boot];
        events.extend(code.map(|code| Event::Exit {
            program: "p".into(),
            code,
        }));
        events.extend(end.then_some(Event::End));
        Report {
            events,
            output: Vec::new(),
            splats: Vec::new(),
            end: End::Exited,
            console_log: "log".into(),
        }
    }

    #[test]
    fn the_status_is_the_program_s_or_else_the_guest_s() {
        assert_eq!(status("p", &report(Some(0), true)), 0);
        assert_eq!(status("p", &report(Some(3), true)), 3);
        assert_eq!(status("p", &report(Some(0), false)), STATUS_GUEST);
        assert_eq!(status("p", &report(None, false)), STATUS_GUEST);
        assert_eq!(status("p", &report(None, true)), STATUS_GUEST);
    }

    #[test]
    fn a_bare_name_is_the_guest_s_own_command() {
        let mut image = Image::default();
        assert_eq!(guest_path(&mut image, "ls").unwrap(), "ls");
        assert_eq!(
            guest_path(&mut image, "/no/such/program").unwrap(),
            "/no/such/program"
        );
    }
}
