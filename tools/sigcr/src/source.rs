// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Where a record comes from: a file, the standard input, or a process that is looked at.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sigcr::{CheckpointFlags, Error, Snapshot, RECORD_VERSION};

use crate::cli::Pid;
use crate::exit::Failure;
use crate::target::{require_calls, Target};

/// A file or a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Process(Pid),
}

impl Source {
    /// Gets the record. A process is not stopped for it; `more` says what else is taken of one.
    pub(crate) fn load(&self, more: CheckpointFlags) -> Result<Snapshot, Failure> {
        match self {
            Source::File(path) => read(path),
            Source::Process(pid) => {
                let target = Target::open(*pid, false)?;
                require_calls()?;
                target.checkpoint(CheckpointFlags::LIVE | more, RECORD_VERSION)
            }
        }
    }
}

/// Where an endless stream is cut off: far beyond any record, so that it is refused as too long.
const STREAM_LEN_MAX: u64 = 1 << 27;

/// Reads a record from a file, or from the standard input if that is `-`.
pub(crate) fn read(path: &Path) -> Result<Snapshot, Failure> {
    if !is_standard_stream(path) {
        return Ok(Snapshot::read_from(path)?);
    }
    let path = PathBuf::from("standard input");
    let mut bytes = Vec::new();
    if let Err(error) = io::stdin()
        .lock()
        .take(STREAM_LEN_MAX)
        .read_to_end(&mut bytes)
    {
        return Err(Failure::io("read", path, error));
    }
    Snapshot::from_bytes(bytes.clone()).map_err(|refusal| {
        Failure::Library(Error::RefusedFile {
            path,
            refusal,
            words: refusal.explain(&bytes),
        })
    })
}

/// Whether the path stands for the standard input or output.
pub(crate) fn is_standard_stream(path: &Path) -> bool {
    path == Path::new("-")
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.parse() {
            Ok(pid) => Source::Process(pid),
            Err(_) => Source::File(text.into()),
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::File(path) if is_standard_stream(path) => f.write_str("standard input"),
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Process(pid) => write!(f, "process {}", pid.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_process_and_anything_else_a_file() {
        let source = |text: &str| text.parse::<Source>().unwrap();
        assert_eq!(source("12"), Source::Process(Pid(12)));
        assert_eq!(source("./12"), Source::File("./12".into()));
        assert_eq!(source("12.sigcr"), Source::File("12.sigcr".into()));
        assert_eq!(source("-").to_string(), "standard input");
    }
}
