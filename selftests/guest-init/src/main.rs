// SPDX-License-Identifier: GPL-2.0 OR MIT

//! PID 1 of the test guest: mounts, runs the job, reports, resets the machine.

mod end;
mod kernel;
mod mounts;
mod ports;
mod run;

use std::convert::Infallible;
use std::fs;

use guest_init::protocol::{Event, Job, JOB_PATH};

use crate::ports::Ports;

/// Where programs are looked for.
const SEARCH_PATH: &str = "/bin:/sbin:/usr/bin:/usr/sbin:/selftests";

fn main() {
    if std::process::id() != 1 {
        eprintln!("guest-init resets the machine when it is done, so it only runs as PID 1.");
        std::process::exit(2);
    }
    match serve() {
        Ok(never) => match never {},
        Err(reason) => end::fatal(&reason),
    }
}

fn serve() -> Result<Infallible, String> {
    mounts::mount_all()?;
    // The programs are run in groups of a session that has PID 1 in it.
    nix::unistd::setsid().map_err(|e| format!("setsid: {e}"))?;
    let mut ports = Ports::open()?;
    let job = fs::read_to_string(JOB_PATH).map_err(|e| format!("cannot read {JOB_PATH}: {e}"))?;
    let job: Job = serde_json::from_str(&job).map_err(|e| format!("{JOB_PATH}: {e}"))?;
    ports.send(&Event::Boot)?;

    run::install_busybox()?;
    if job.kunit {
        for event in kernel::kunit_events()? {
            ports.send(&event)?;
        }
    }
    for program in &job.programs {
        run::run(program, job.titles, &mut ports)?;
    }
    if job.kmemleak {
        if let Some(leak) = kernel::leak_event()? {
            ports.send(&leak)?;
        }
    }
    ports.send(&Event::End)?;
    end::reset()
}
