// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Boots as often as it takes to run all programs: one that takes the guest down with it must not
//! hide what the others would have said.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use guest_init::protocol::{Event, Job, Program};

use super::accel;
use super::boot::{boot, Report, Sink};
use super::image::Image;
use super::qemu::{Accel, Machine};
use crate::kernel::build::Kernel;
use crate::kernel::Flavour;
use crate::util::paths::Paths;

/// How a guest is to be booted.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Which kernel it is.
    pub(crate) flavour: Flavour,
    /// Number of processors.
    pub(crate) cpus_count: u32,
    /// Count instructions instead of time.
    pub(crate) icount: bool,
    /// Names the log files.
    pub(crate) logs: String,
}

/// A kernel and an image, ready to be booted.
pub(crate) struct Session {
    paths: Paths,
    qemu: PathBuf,
    machine: Machine,
    image: Image,
    logs: String,
    /// Holds the sockets and copies of kernel and image, so that a build that is started in the
    /// meantime changes nothing here.
    dir: tempfile::TempDir,
}

impl Session {
    /// Prepares the machine and finds out how to run it.
    pub(crate) fn new(
        paths: &Paths,
        qemu: PathBuf,
        kernel: &Kernel,
        image: Image,
        options: &Options,
    ) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("sigcr-").tempdir()?;
        let at = |name: &str| dir.path().join(name);
        fs::copy(&kernel.image, at("kernel"))?;
        let mut machine = Machine {
            kernel: at("kernel"),
            initrd: at("initrd"),
            console_log: at("console.log"),
            output_socket: at("output"),
            verdict_socket: at("verdict"),
            cpus_count: options.cpus_count,
            memory_mib: match options.flavour {
                Flavour::Product | Flavour::Kcsan => 1024,
                Flavour::Debug => 2048,
            },
            accel: Accel::Tcg,
            icount: options.icount,
        };
        if !options.icount {
            fs::write(&machine.initrd, image.pack(&Job::default())?)?;
            machine.accel = accel::choose(paths, &qemu, &machine)?;
        }
        Ok(Self {
            paths: paths.clone(),
            qemu,
            machine,
            image,
            logs: options.logs.clone(),
            dir,
        })
    }

    /// Boots once; the console and the output stay in the cache's logs.
    pub(crate) fn boot(&self, job: &Job, sink: &Sink<'_>) -> Result<Report> {
        fs::write(&self.machine.initrd, self.image.pack(job)?)?;
        let mut report = boot(&self.qemu, &self.machine, job, sink, None)?;
        report.console_log = self.paths.log(&format!("console-{}", self.logs))?;
        fs::copy(self.dir.path().join("console.log"), &report.console_log)?;
        fs::write(
            self.paths.log(&format!("output-{}", self.logs))?,
            &report.output,
        )?;
        Ok(report)
    }

    /// Runs all programs of a job, with another boot after each that did not let the guest go on.
    pub(crate) fn run_all(&self, job: &Job, sink: &Sink<'_>) -> Result<Vec<Report>> {
        let mut reports = Vec::new();
        let mut job = job.clone();
        loop {
            let report = self.boot(&job, sink)?;
            let left = left_over(&job.programs, &report.events);
            // Without any progress, more boots will not bring any.
            let stuck = left.len() == job.programs.len();
            // The unit tests of the kernel have run; they say the same at each boot.
            job.kunit &= !report.events.contains(&Event::Boot);
            job.programs = left;
            reports.push(report);
            if job.programs.is_empty() || stuck {
                return Ok(reports);
            }
        }
    }
}

/// Returns the programs that were not started.
fn left_over(programs: &[Program], events: &[Event]) -> Vec<Program> {
    let started = |name: &str| {
        events
            .iter()
            .any(|event| matches!(event, Event::Start { program } if program == name))
    };
    programs
        .iter()
        .filter(|p| !started(&p.name))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::verdict::tests::{program, start};

    #[test]
    fn programs_behind_the_one_that_crashed_the_guest_are_left_over() {
        let programs = [program("a"), program("b"), program("c")];
        let events = [Event::Boot, start("a"), start("b")];
        let left = left_over(&programs, &events);
        assert_eq!(left, [program("c")]);
        assert_eq!(left_over(&programs, &[]).len(), 3);
    }
}
