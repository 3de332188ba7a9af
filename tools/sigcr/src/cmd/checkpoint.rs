// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `sigcr checkpoint`: the signal state of a process, into a file.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sigcr::ptrace::NotCaptured;
use sigcr::{CheckpointFlags, Snapshot, RECORD_VERSION};

use crate::backend::{self, Backend};
use crate::cli::CheckpointArgs;
use crate::exit::{Exit, Failure};
use crate::source::is_standard_stream;
use crate::target::Target;

/// What `--json` says of a record that was taken.
#[derive(Serialize)]
struct Report<'r> {
    backend: Backend,
    file: &'r Path,
    record_len: usize,
    not_captured: &'r [NotCaptured],
}

pub(crate) fn run(args: &CheckpointArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let path = match &args.output {
        Some(path) => path.clone(),
        None => PathBuf::from(format!("{}.sigcr", args.pid.0)),
    };
    if is_standard_stream(&path) && io::stdout().is_terminal() {
        return Err(Failure::Usage(
            "a record is not for a terminal; send it to a file or a pipe, or see it with `sigcr \
             show`"
                .to_owned(),
        ));
    }
    if args.json && is_standard_stream(&path) {
        return Err(Failure::Usage(
            "the standard output takes the record or the JSON; give a file with --output"
                .to_owned(),
        ));
    }
    let target = Target::open(args.pid, args.thread)?;
    let needs_calls = match args {
        _ if args.live => Some("--live"),
        _ if args.no_stop => Some("--no-stop"),
        _ if args.record_version.is_some_and(|it| it != RECORD_VERSION) => {
            Some("--record-version of another version")
        }
        _ => None,
    };
    let chosen = backend::choose(args.backend, needs_calls)?;
    let (snapshot, not_captured) = match chosen.backend {
        Backend::Kernel => (take(&target, args)?, Vec::new()),
        Backend::Ptrace => take_by_ptrace(&target, args)?,
    };
    write(&snapshot, &path, out)?;
    if args.json {
        let report = Report {
            backend: chosen.backend,
            file: &path,
            record_len: snapshot.as_bytes().len(),
            not_captured: &not_captured,
        };
        serde_json::to_writer_pretty(&mut *out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        chosen.tell();
        for lost in not_captured {
            eprintln!("sigcr: not captured: {lost}");
        }
    }
    Ok(Exit::Success)
}

fn take_by_ptrace(
    target: &Target,
    args: &CheckpointArgs,
) -> Result<(Snapshot, Vec<NotCaptured>), Failure> {
    let mut taken = target.checkpoint_by_ptrace()?;
    if args.waiters {
        taken.not_captured.push(NotCaptured::Waiters);
    }
    Ok((taken.snapshot, taken.not_captured))
}

fn take(target: &Target, args: &CheckpointArgs) -> Result<Snapshot, Failure> {
    let mut flags = CheckpointFlags::empty();
    flags.set(CheckpointFlags::LIVE, args.live);
    flags.set(CheckpointFlags::WAITERS, args.waiters);
    let version = args.record_version.unwrap_or(RECORD_VERSION);
    if args.live {
        return target.checkpoint(flags, version);
    }
    let stopped = match args.no_stop {
        true => None,
        false => Some(target.stop()?),
    };
    let snapshot = target.checkpoint(flags, version)?;
    drop(stopped);
    Ok(snapshot)
}

/// Writes the record: a file as a whole or not at all.
fn write(snapshot: &Snapshot, path: &Path, out: &mut dyn Write) -> Result<(), Failure> {
    if is_standard_stream(path) {
        return Ok(out.write_all(snapshot.as_bytes())?);
    }
    match fs::metadata(path) {
        // A device or a pipe is written to; putting a file in its place would take it away.
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() => File::options()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(snapshot.as_bytes()))
            .map_err(|error| Failure::io("write", path, error)),
        // The file that a symbolic link leads to is replaced, and not the link.
        Ok(_) => {
            let path = fs::canonicalize(path).map_err(|error| Failure::io("write", path, error))?;
            Ok(snapshot.write_to(path)?)
        }
        Err(_) => Ok(snapshot.write_to(path)?),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::FileTypeExt;
    use std::process::Command;

    use sigcr::Model;

    use super::*;

    fn snapshot() -> Snapshot {
        Model::new(7).encode().unwrap()
    }

    #[test]
    fn a_pipe_stays_a_pipe_and_gets_the_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pipe");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        // Opened for both, it waits for nobody.
        let mut pipe = File::options().read(true).write(true).open(&path).unwrap();
        write(&snapshot(), &path, &mut io::sink()).unwrap();
        assert!(fs::metadata(&path).unwrap().file_type().is_fifo());
        let mut bytes = vec![0; snapshot().as_bytes().len()];
        pipe.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, snapshot().as_bytes());
    }

    #[test]
    fn the_file_behind_a_link_is_replaced_and_the_link_stays() {
        let dir = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| dir.path().join(name));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&snapshot(), &link, &mut io::sink()).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(Snapshot::read_from(&file).unwrap(), snapshot());
    }

    #[test]
    fn the_standard_output_gets_the_bytes_and_nothing_else() {
        let mut out = Vec::new();
        write(&snapshot(), Path::new("-"), &mut out).unwrap();
        assert_eq!(out, snapshot().as_bytes());
    }
}
