// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Progress of whatever takes long: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// One long step.
pub(crate) struct Progress {
    bar: ProgressBar,
    what: String,
    /// Without a terminal, bars are not drawn; then a line is printed when this much has passed.
    plain: Option<Plain>,
    started: Instant,
}

struct Plain {
    last_printed: Instant,
}

/// How often a line is printed where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(30);

impl Progress {
    /// A step of which `total` items are expected.
    pub(crate) fn items(what: &str, total: u64) -> Self {
        Self::new(
            what,
            ProgressBar::new(total),
            "{pos}/{len} files {wide_msg}",
        )
    }

    /// A step of which `total` inputs are expected.
    pub(crate) fn inputs(what: &str, total: u64) -> Self {
        Self::new(
            what,
            ProgressBar::new(total),
            "{human_pos}/{human_len} inputs {eta}",
        )
    }

    /// A step that takes about `total` seconds.
    pub(crate) fn seconds(what: &str, total: u64) -> Self {
        Self::new(what, ProgressBar::new(total), "{pos}/{len} s")
    }

    /// A step of which `total_len` bytes are expected.
    pub(crate) fn bytes(what: &str, total_len: u64) -> Self {
        Self::new(
            what,
            ProgressBar::new(total_len),
            "{bytes}/{total_bytes} {wide_msg}",
        )
    }

    /// A step of unknown size.
    pub(crate) fn spinner(what: &str) -> Self {
        let progress = Self::new(what, ProgressBar::new_spinner(), "");
        progress
            .bar
            .set_style(style("{spinner} {prefix} {elapsed} {wide_msg}"));
        progress
    }

    fn new(what: &str, bar: ProgressBar, counts: &str) -> Self {
        bar.set_style(style(&format!("{{prefix}} [{{bar:30}}] {counts}")));
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        let plain = (!std::io::stderr().is_terminal()).then(|| {
            eprintln!("{what} ...");
            Plain {
                last_printed: Instant::now(),
            }
        });
        Self {
            bar,
            what: what.to_owned(),
            plain,
            started: Instant::now(),
        }
    }

    /// Sets how much is done; the bar grows when there is more to do than expected.
    pub(crate) fn set(&mut self, done: u64) {
        if self.bar.length().is_some_and(|total| done > total) {
            self.bar.set_length(done);
        }
        self.bar.set_position(done);
        self.print_now_and_then();
    }

    /// Says what is being worked on.
    pub(crate) fn message(&mut self, message: &str) {
        self.bar.set_message(message.to_owned());
        self.print_now_and_then();
    }

    /// Ends the step: the bar goes, and a line with what it took stays.
    pub(crate) fn done(self) {
        self.bar.finish_and_clear();
        let took = self.started.elapsed();
        // What took no time is not worth a line.
        if took >= Duration::from_secs(1) || self.plain.is_some() {
            eprintln!("{}: done in {}", self.what, HumanDuration(took));
        }
    }

    fn print_now_and_then(&mut self) {
        let Some(plain) = &mut self.plain else {
            return;
        };
        if plain.last_printed.elapsed() < PLAIN_INTERVAL {
            return;
        }
        plain.last_printed = Instant::now();
        match self.bar.length() {
            Some(total) if total > 0 => {
                let percent = self.bar.position() * 100 / total;
                eprintln!("{} ... {percent} %", self.what);
            }
            _ => eprintln!(
                "{} ... {}",
                self.what,
                HumanDuration(self.started.elapsed())
            ),
        }
    }
}

impl Drop for Progress {
    /// When a step fails its bar must not stay above the error message.
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
