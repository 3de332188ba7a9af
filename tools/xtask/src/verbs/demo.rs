// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `demo`: what the patch is for, seen working.

use anyhow::{bail, Result};
use guest_init::protocol::Program;

use super::boot::run_one;
use super::Workshop;
use crate::cli::TreeArgs;
use crate::guest::programs;
use crate::guest::session::{Options, Session};
use crate::kernel::Flavour;
use crate::util::paths::Paths;

/// The guest program that does the showing.
const DEMO: &str = "sigcr-demo";

/// Runs the verb.
pub(crate) fn run(paths: &Paths, args: &TreeArgs) -> Result<u8> {
    let workshop = Workshop::open(paths, args)?;
    let kernel = workshop.kernel(Flavour::Product)?;
    let image = programs::build(paths, None)?.image;
    if !image.has_command(DEMO) {
        bail!("the workspace builds no program {DEMO} (selftests/cases should)");
    }
    let options = Options {
        flavour: Flavour::Product,
        cpus_count: 2,
        icount: false,
        logs: "demo".to_owned(),
    };
    let session = Session::new(paths, workshop.tools.qemu.clone(), &kernel, image, &options)?;
    drop(workshop);
    let status = run_one(
        &session,
        Program {
            name: DEMO.to_owned(),
            path: format!("/bin/{DEMO}"),
            args: Vec::new(),
            env: Vec::new(),
            timeout_secs: 120,
            interactive: false,
        },
    )?;
    match status {
        0 => println!("demo: passed"),
        _ => println!("demo: failed with status {status}"),
    }
    Ok(status)
}
