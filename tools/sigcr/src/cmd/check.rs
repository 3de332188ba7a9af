// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `sigcr check`: whether files hold records that can be restored, and if not, what is wrong.

use std::io::Write;
use std::path::Path;

use sigcr::Error;

use crate::cli::CheckArgs;
use crate::exit::{Exit, Failure};
use crate::source;

/// Says of each file whether it is good; of several failures the one with the highest exit code
/// decides.
pub(crate) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut exit = Exit::Success;
    for path in &args.files {
        match check(path) {
            Ok(()) => writeln!(out, "{}: ok", path.display())?,
            Err(failure) => {
                writeln!(out, "{failure}")?;
                exit = exit.max(failure.exit());
            }
        }
    }
    Ok(exit)
}

fn check(path: &Path) -> Result<(), Failure> {
    let snapshot = source::read(path)?;
    let restorable = snapshot.record().check_restorable();
    restorable.map_err(|refusal| {
        Failure::Library(Error::RefusedFile {
            path: path.to_owned(),
            refusal,
            words: refusal.explain(snapshot.as_bytes()),
        })
    })
}
