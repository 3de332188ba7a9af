// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `sigcr show`: a record, or the present state of a process, for people or for programs.

use std::io::Write;

use sigcr::CheckpointFlags;

use crate::cli::ShowArgs;
use crate::exit::{Exit, Failure};
use crate::paint::Paint;
use crate::render_json;
use crate::render_proc;
use crate::render_text::{self, Look};

pub(crate) fn run(args: &ShowArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let snapshot = args.source.load(CheckpointFlags::WAITERS)?;
    if args.json {
        render_json::write(out, &snapshot)?;
    } else if args.as_proc {
        render_proc::write(out, &snapshot.to_model())?;
    } else {
        let look = Look {
            all: args.all,
            paint: Paint::new(args.color),
        };
        render_text::write(out, &snapshot, &look)?;
    }
    Ok(Exit::Success)
}
