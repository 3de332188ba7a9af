// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runs other programs: either for what they print, or with a log file and progress.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{bail, Context, Result};

/// Runs a program and returns what it prints; what it prints to stderr is part of the error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    command.stdin(Stdio::null());
    let shown = shown(command);
    let output = command
        .output()
        .with_context(|| format!("cannot execute `{shown}`"))?;
    if !output.status.success() {
        bail!(
            "`{shown}` failed: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program that shares this one's terminal; true when it succeeded.
pub(crate) fn run_visibly(command: &mut Command) -> Result<bool> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("cannot execute `{shown}`"))?;
    Ok(status.success())
}

/// Runs a program with all that it prints going to `log`, and calls `on_line` with each line.
///
/// When it fails, the error shows its first errors, its last lines, and where the log is.
pub(crate) fn logged(
    command: &mut Command,
    log: &Path,
    mut on_line: impl FnMut(&str),
) -> Result<()> {
    let shown = shown(command);
    let (read_end, write_end) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    let mut log_file =
        File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    writeln!(log_file, "$ {shown}")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(write_end.try_clone()?)
        .stderr(write_end)
        .spawn()
        .with_context(|| format!("cannot execute `{shown}`"))?;
    // The command has the write ends; while one is open here, the pipe does not end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let mut excerpt = Excerpt::default();
    for line in BufReader::new(File::from(read_end)).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(log_file, "{line}")?;
        on_line(&line);
        excerpt.add(line);
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    bail!(
        "`{shown}` failed: {status}\n{}the whole log is {}",
        excerpt.text(),
        log.display()
    );
}

/// The part of a log that people want to see when something failed.
#[derive(Default)]
pub(crate) struct Excerpt {
    errors: Vec<String>,
    last: std::collections::VecDeque<String>,
}

const ERRORS_COUNT_MAX: usize = 5;
const LAST_COUNT_MAX: usize = 15;

impl Excerpt {
    /// Takes the next line of the log.
    pub(crate) fn add(&mut self, line: String) {
        // Messages for programs, as cargo prints them on request, help no reader.
        if line.starts_with("{\"") {
            return;
        }
        let is_error = line.contains("error:") || line.contains("error[") || line.contains("*** ");
        if is_error && self.errors.len() < ERRORS_COUNT_MAX {
            self.errors.push(line.clone());
        }
        if self.last.len() == LAST_COUNT_MAX {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// Returns the first errors and the last lines.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if !self.errors.is_empty() {
            text += "first errors:\n";
        }
        for line in &self.errors {
            text += &format!("  {line}\n");
        }
        text += "last lines:\n";
        for line in &self.last {
            text += &format!("  {line}\n");
        }
        text
    }
}

/// Returns the command as one would type it, without the environment.
pub(crate) fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|arg| {
        let arg = arg.to_string_lossy();
        if arg.contains(' ') {
            format!("'{arg}'")
        } else {
            arg.into_owned()
        }
    }));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_shows_its_first_error_and_where_the_log_is() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script =
            "echo 'x.c:1: error: first'; for i in $(seq 50); do echo line $i; done; exit 2";
        let mut count = 0;
        let error = logged(Command::new("sh").args(["-c", script]), &log, |_| {
            count += 1
        })
        .unwrap_err()
        .to_string();
        assert_eq!(count, 51);
        assert!(error.contains("x.c:1: error: first"), "{error}");
        assert!(
            error.contains("line 50") && !error.contains("line 30\n"),
            "{error}"
        );
        assert!(error.contains(&*log.to_string_lossy()), "{error}");
        assert!(std::fs::read_to_string(&log).unwrap().contains("line 30\n"));
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let error = capture(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("no-such-program-here"));
    }
}
