// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Which acceleration works here: that is tried, not guessed from the presence of `/dev/kvm`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use guest_init::protocol::{Event, Job};

use super::boot::{boot, Sink};
use super::qemu::{Accel, Machine};
use crate::util::hash;
use crate::util::paths::Paths;

/// A boot with working acceleration sends its first event long before this.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Returns what to use for a kernel; remembers the answer per kernel image.
///
/// `machine` must hold an image whose job is empty.
pub(crate) fn choose(paths: &Paths, qemu: &Path, machine: &Machine) -> Result<Accel> {
    // Where it cannot even be opened there is nothing to try.
    if fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Ok(Accel::Tcg);
    }
    let key = hash::of_file(&machine.kernel)?;
    let memory = paths.cache_dir("accel")?.join(&key[..16]);
    match fs::read_to_string(&memory).as_deref() {
        Ok("kvm") => return Ok(Accel::Kvm),
        Ok("tcg") => return Ok(Accel::Tcg),
        _ => {}
    }
    let machine = Machine {
        accel: Accel::Kvm,
        ..machine.clone()
    };
    let report = boot(
        qemu,
        &machine,
        &Job::default(),
        &Sink::Quiet,
        Some(PROBE_LIMIT),
    )?;
    let (accel, name) = if report.events.last() == Some(&Event::End) {
        (Accel::Kvm, "kvm")
    } else {
        (Accel::Tcg, "tcg")
    };
    fs::write(&memory, name)?;
    Ok(accel)
}
