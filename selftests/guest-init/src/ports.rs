// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The serial ports that lead to the host.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use guest_init::protocol::{Event, OUTPUT_PORT, VERDICT_PORT};
use nix::sys::termios::{cfmakeraw, tcdrain, tcgetattr, tcsetattr, SetArg, Termios};

/// Both ports to the host that PID 1 uses.
pub(crate) struct Ports {
    verdict: File,
    output: File,
    /// Settings of the output port as the kernel made it: a terminal for people.
    cooked: Termios,
}

impl Ports {
    /// Opens both ports and makes them pass bytes unchanged.
    pub(crate) fn open() -> Result<Self, String> {
        let verdict = open_port(VERDICT_PORT)?;
        let output = open_port(OUTPUT_PORT)?;
        let cooked = tcgetattr(&output).map_err(|e| format!("{OUTPUT_PORT}: {e}"))?;
        make_raw(&verdict, VERDICT_PORT)?;
        make_raw(&output, OUTPUT_PORT)?;
        Ok(Self {
            verdict,
            output,
            cooked,
        })
    }

    /// Sends an event, and returns when the host has it.
    pub(crate) fn send(&mut self, event: &Event) -> Result<(), String> {
        self.verdict
            .write_all(event.to_line().as_bytes())
            .map_err(|e| format!("cannot write to {VERDICT_PORT}: {e}"))?;
        tcdrain(&self.verdict).map_err(|e| format!("cannot drain {VERDICT_PORT}: {e}"))
    }

    /// Forwards bytes of a program.
    pub(crate) fn output(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.output
            .write_all(bytes)
            .map_err(|e| format!("cannot write to {OUTPUT_PORT}: {e}"))
    }

    /// Waits until the host has all output, so that no event overtakes it.
    pub(crate) fn drain_output(&self) -> Result<(), String> {
        tcdrain(&self.output).map_err(|e| format!("cannot drain {OUTPUT_PORT}: {e}"))
    }

    /// Makes the output port a terminal with echo and line editing, and returns it.
    pub(crate) fn terminal(&self) -> Result<File, String> {
        tcsetattr(&self.output, SetArg::TCSADRAIN, &self.cooked)
            .map_err(|e| format!("{OUTPUT_PORT}: {e}"))?;
        self.output
            .try_clone()
            .map_err(|e| format!("{OUTPUT_PORT}: {e}"))
    }

    /// Undoes [`Self::terminal`], after the session that had the terminal is gone.
    pub(crate) fn raw_again(&mut self) -> Result<(), String> {
        // The end of its session hangs a terminal up, for everyone who had it open.
        self.output = open_port(OUTPUT_PORT)?;
        make_raw(&self.output, OUTPUT_PORT)
    }
}

fn open_port(name: &str) -> Result<File, String> {
    OpenOptions::new()
        .read(true)
        .write(true)
        // PID 1 leads a session; it must not get a controlling terminal by accident.
        .custom_flags(libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(format!("/dev/{name}"))
        .map_err(|e| format!("cannot open /dev/{name}: {e}"))
}

fn make_raw(port: &File, name: &str) -> Result<(), String> {
    let mut settings = tcgetattr(port).map_err(|e| format!("{name}: {e}"))?;
    cfmakeraw(&mut settings);
    tcsetattr(port, SetArg::TCSANOW, &settings).map_err(|e| format!("{name}: {e}"))
}
