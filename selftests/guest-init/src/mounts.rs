// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The file systems of the guest, as a table.

use std::fs;

use nix::errno::Errno;
use nix::mount::{mount, MsFlags};

struct Mount {
    kind: &'static str,
    target: &'static str,
    flags: MsFlags,
    data: Option<&'static str>,
    /// A kernel without it is no error: only the debug flavour has a debugfs, for one.
    optional: bool,
}

const SAFE: MsFlags = MsFlags::MS_NOSUID
    .union(MsFlags::MS_NODEV)
    .union(MsFlags::MS_NOEXEC);

#[rustfmt::skip] // A table is read by columns.
const MOUNTS: &[Mount] = &[
    Mount { kind: "proc",       target: "/proc",                flags: SAFE, data: None, optional: false },
    Mount { kind: "sysfs",      target: "/sys",                 flags: SAFE, data: None, optional: false },
    Mount { kind: "devtmpfs",   target: "/dev",                 flags: MsFlags::MS_NOSUID, data: None, optional: false },
    Mount { kind: "devpts",     target: "/dev/pts",             flags: MsFlags::MS_NOSUID, data: Some("mode=620,ptmxmode=666"), optional: true },
    Mount { kind: "tmpfs",      target: "/dev/shm",             flags: MsFlags::MS_NODEV, data: Some("mode=1777"), optional: false },
    Mount { kind: "tmpfs",      target: "/tmp",                 flags: MsFlags::MS_NODEV, data: Some("mode=1777"), optional: false },
    Mount { kind: "tmpfs",      target: "/run",                 flags: MsFlags::MS_NODEV, data: Some("mode=755"), optional: false },
    Mount { kind: "cgroup2",    target: "/sys/fs/cgroup",       flags: SAFE, data: None, optional: true },
    Mount { kind: "securityfs", target: "/sys/kernel/security", flags: SAFE, data: None, optional: true },
    Mount { kind: "debugfs",    target: "/sys/kernel/debug",    flags: SAFE, data: None, optional: true },
];

/// Mounts all of the table that this kernel has.
pub(crate) fn mount_all() -> Result<(), String> {
    for entry in MOUNTS {
        // The mount points below /sys exist only in kernels that have the file system.
        if let Err(e) = fs::create_dir_all(entry.target) {
            if entry.optional {
                continue;
            }
            return Err(format!("cannot make {}: {e}", entry.target));
        }
        match mount(
            Some(entry.kind),
            entry.target,
            Some(entry.kind),
            entry.flags,
            entry.data,
        ) {
            Ok(()) => {}
            // The kernel mounts devtmpfs itself when it is configured to.
            Err(Errno::EBUSY) => {}
            Err(Errno::ENODEV) if entry.optional => {}
            Err(e) => return Err(format!("cannot mount {}: {e}", entry.target)),
        }
    }
    Ok(())
}
