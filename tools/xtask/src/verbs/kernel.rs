// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `kernel`: one step of a kernel build at a time.

use anyhow::Result;

use super::Workshop;
use crate::cli::KernelVerb;
use crate::kernel::build::build_dir;
use crate::kernel::config;
use crate::kernel::make::Make;
use crate::util::paths::Paths;

/// Runs the verb.
pub(crate) fn run(paths: &Paths, verb: &KernelVerb) -> Result<u8> {
    match verb {
        KernelVerb::Fetch(args) => {
            let workshop = Workshop::open(paths, args)?;
            println!("{}", workshop.tree.id);
        }
        KernelVerb::Patch(args) => {
            let workshop = Workshop::open(paths, args)?;
            println!("{}", workshop.tree.dir.display());
        }
        KernelVerb::Config(args) => {
            let workshop = Workshop::open(paths, &args.tree)?;
            for &flavour in &args.flavour {
                let out = build_dir(paths, &workshop.tree, flavour.name());
                let make = Make::new(&workshop.tools, &workshop.tree.dir, out)?;
                config::configure(paths, &make, &workshop.tree, flavour)?;
                println!("{}", make.out.join(".config").display());
            }
        }
        KernelVerb::Build(args) => {
            let workshop = Workshop::open(paths, &args.tree)?;
            for &flavour in &args.flavour {
                println!("{}", workshop.kernel(flavour)?.image.display());
            }
        }
    }
    Ok(0)
}
