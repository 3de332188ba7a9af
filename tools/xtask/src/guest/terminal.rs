// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The user's terminal, passed through to the guest byte for byte.

use std::io::{stdin, IsTerminal};

use nix::sys::termios::{cfmakeraw, tcgetattr, tcsetattr, SetArg, Termios};

/// While this lives, the terminal is raw: the guest's terminal does echo and line editing.
pub(crate) struct Raw {
    before: Option<Termios>,
}

impl Raw {
    /// Makes standard input raw if it is a terminal.
    pub(crate) fn begin() -> Self {
        let before = stdin()
            .is_terminal()
            .then(|| tcgetattr(stdin()).ok())
            .flatten();
        if let Some(settings) = &before {
            let mut raw = settings.clone();
            cfmakeraw(&mut raw);
            // A terminal that cannot be made raw is still usable, line by line.
            let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, &raw);
        }
        Self { before }
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(settings) = &self.before {
            let _ = tcsetattr(stdin(), SetArg::TCSADRAIN, settings);
        }
    }
}
