// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Writer of the archive format that the kernel unpacks at boot: cpio, "newc" variant.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst of the kernel.

/// An archive being written.
#[derive(Default)]
pub(crate) struct Cpio {
    bytes: Vec<u8>,
    entries_count: u32,
}

const S_IFDIR: u32 = 0o040_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFREG: u32 = 0o100_000;

impl Cpio {
    /// Adds a folder; its parents must have been added before.
    pub(crate) fn dir(&mut self, path: &str, mode: u32) {
        self.entry(path, S_IFDIR | mode, (0, 0), &[]);
    }

    /// Adds a file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.entry(path, S_IFREG | mode, (0, 0), content);
    }

    /// Adds a character device.
    pub(crate) fn char_device(&mut self, path: &str, mode: u32, major_minor: (u32, u32)) {
        self.entry(path, S_IFCHR | mode, major_minor, &[]);
    }

    /// Returns the complete archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) {
        self.entries_count += 1;
        let path = path.trim_start_matches('/');
        // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
        let fields = [
            self.entries_count,
            mode,
            0,
            0,
            1,
            0,
            // No program of ours comes near four gigabytes; the format cannot hold more.
            u32::try_from(content.len()).unwrap_or(u32::MAX),
            0,
            0,
            device.0,
            device.1,
            path.len() as u32 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        while self.bytes.len() % 4 != 0 {
            self.bytes.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_stored_as_the_kernel_reads_it() {
        let mut cpio = Cpio::default();
        cpio.file("/a", 0o755, b"xyz");
        let bytes = cpio.finish();
        let header = b"07070100000001000081ED0000000000000000000000010000000000000003\
                       0000000000000000000000000000000000000002000000\
                       00";
        assert_eq!(bytes[..110], header[..]);
        assert_eq!(&bytes[110..112], b"a\0");
        assert_eq!(&bytes[112..116], b"xyz\0");
        assert_eq!(&bytes[116..122], b"070701");
        assert!(bytes.windows(10).any(|w| w == b"TRAILER!!!"));
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn the_cpio_program_reads_the_same_names() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut cpio = Cpio::default();
        cpio.dir("bin", 0o755);
        cpio.file("bin/odd-length", 0o755, b"12345");
        cpio.char_device("console", 0o600, (5, 1));
        let Ok(mut program) = Command::new("cpio")
            .args(["--list", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
        else {
            // It is not needed otherwise on a host that only runs the unit tests.
            return;
        };
        program
            .stdin
            .take()
            .unwrap()
            .write_all(&cpio.finish())
            .unwrap();
        let output = program.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, b"bin\nbin/odd-length\nconsole\n");
    }
}
