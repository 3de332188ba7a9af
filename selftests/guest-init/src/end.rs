// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ways in which PID 1 ends: it resets the machine, after having said why if it must.

use std::convert::Infallible;

use guest_init::protocol::Event;
use nix::sys::reboot::{reboot, RebootMode};

use crate::ports::Ports;

/// The one way out when something is wrong: says what on the console and to the host, and resets.
pub(crate) fn fatal(reason: &str) -> ! {
    eprintln!("guest-init: fatal: {reason}");
    if let Ok(mut ports) = Ports::open() {
        let _ = ports.send(&Event::Fatal {
            reason: reason.to_owned(),
        });
    }
    match reset() {
        Ok(never) => match never {},
        // PID 1 must not return; the kernel panics, and the host sees that there was no end.
        Err(e) => panic!("{e}"),
    }
}

/// Resets the machine, which the emulator turns into its exit.
pub(crate) fn reset() -> Result<Infallible, String> {
    reboot(RebootMode::RB_AUTOBOOT).map_err(|e| format!("reboot: {e}"))
}
