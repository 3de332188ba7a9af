// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The guest's file system: our own static programs, busybox, and the job.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use guest_init::protocol::{Job, JOB_PATH};

use super::cpio::Cpio;
use crate::setup::tools::BUSYBOX;
use crate::util::files::read;

/// The files of a guest, by path in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    files: BTreeMap<String, Vec<u8>>,
}

/// Folders that are there without any file in them.
const DIRS: &[&str] = &[
    "bin", "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "usr/bin", "usr/sbin",
];

impl Image {
    /// Begins with PID 1 and busybox.
    pub(crate) fn new(init: &Path) -> Result<Self> {
        let mut image = Self::default();
        image.add("init", read(init)?);
        image.add("bin/busybox", read(Path::new(BUSYBOX))?);
        image.add("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n".to_vec());
        image.add("etc/group", b"root:x:0:\n".to_vec());
        Ok(image)
    }

    /// Adds a file that may be executed.
    pub(crate) fn add(&mut self, path: &str, content: Vec<u8>) {
        self.files
            .insert(path.trim_start_matches('/').to_owned(), content);
    }

    /// Does the guest have a command of this name, apart from those of busybox?
    pub(crate) fn has_command(&self, name: &str) -> bool {
        ["bin", "selftests"]
            .iter()
            .any(|dir| self.files.contains_key(&format!("{dir}/{name}")))
    }

    /// Returns the archive for the kernel.
    pub(crate) fn pack(&self, job: &Job) -> Result<Vec<u8>> {
        let mut dirs: Vec<String> = DIRS.iter().map(|&dir| dir.to_owned()).collect();
        for path in self.files.keys() {
            let mut below = String::new();
            let parents = path.split('/').collect::<Vec<_>>();
            for part in &parents[..parents.len() - 1] {
                below = below + part;
                dirs.push(below.clone());
                below += "/";
            }
        }
        dirs.sort();
        dirs.dedup();
        let mut cpio = Cpio::default();
        for dir in dirs {
            cpio.dir(&dir, 0o755);
        }
        // The kernel opens it for PID 1 before that can mount anything.
        cpio.char_device("dev/console", 0o600, (5, 1));
        for (path, content) in &self.files {
            cpio.file(path, 0o755, content);
        }
        cpio.file(JOB_PATH, 0o644, &serde_json::to_vec(job)?);
        Ok(cpio.finish())
    }
}
