// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Colours of the terminal output, or none.

use std::fmt::Display;
use std::io::IsTerminal;

use clap::ValueEnum;

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// In any case
    Always,
    /// Not at all
    Never,
}

/// Paints words by what they are, not by a colour.
#[derive(Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Decides for the standard output.
    pub(crate) fn new(when: When) -> Self {
        // As https://no-color.org has it: set and not empty.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let on = match when {
            When::Auto => !unwanted && std::io::stdout().is_terminal(),
            When::Always => true,
            When::Never => false,
        };
        Self { on }
    }

    /// No colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { on: false };

    /// The title of a part.
    pub(crate) fn title(self, text: impl Display) -> String {
        self.wrap("1", text)
    }

    /// The name of a signal.
    pub(crate) fn signal(self, text: impl Display) -> String {
        self.wrap("36", text)
    }

    /// Something to be wary of.
    pub(crate) fn warning(self, text: impl Display) -> String {
        self.wrap("33", text)
    }

    /// Something of little weight.
    pub(crate) fn faint(self, text: impl Display) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: impl Display) -> String {
        match self.on {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_leaves_the_words_alone_and_always_paints_them() {
        assert_eq!(Paint::new(When::Never).title("x"), "x");
        assert_eq!(Paint::new(When::Always).title("x"), "\x1b[1mx\x1b[0m");
    }
}
