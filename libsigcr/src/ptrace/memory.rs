// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The memory of a process that is held: read and written, and the places in it that are needed.

use std::{
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt,
};

use super::arch;
use crate::{stop::Failure, Errno};

/// The memory of a process.
#[derive(Debug)]
pub(super) struct Memory {
    file: File,
    maps: Vec<Mapping>,
}

/// One line of `/proc/PID/maps`.
#[derive(Debug, PartialEq, Eq)]
struct Mapping {
    range: Range<u64>,
    /// As in `rw-p`.
    permissions: String,
    is_anonymous: bool,
    /// The path of the file, or a name in brackets.
    name: String,
}

/// Bytes that the results of system calls are written to.
pub(super) const SCRATCH_LEN: usize = 2048;

/// Bytes that are looked through at a time.
const CHUNK_LEN: usize = 64 * 1024;

impl Memory {
    /// Opens the memory of the process `pid` by its thread `tid`, which lives, and looks at what is
    /// mapped in it.
    pub(super) fn open(pid: i32, tid: i32) -> Result<Memory, Failure> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(format!("/proc/{pid}/task/{tid}/mem"));
        let maps = fs::read(format!("/proc/{pid}/task/{tid}/maps"));
        Ok(Memory {
            file: file.map_err(|error| failed(&error))?,
            maps: parse(&String::from_utf8_lossy(
                &maps.map_err(|error| failed(&error))?,
            )),
        })
    }

    /// Reads what is at `addr`.
    pub(super) fn read(&self, addr: u64, bytes: &mut [u8]) -> Result<(), Failure> {
        let done = self.file.read_exact_at(bytes, addr);
        done.map_err(|error| failed(&error))
    }

    /// Reads the number at `addr`.
    pub(super) fn read_u64(&self, addr: u64) -> Result<u64, Failure> {
        let mut bytes = [0; 8];
        self.read(addr, &mut bytes)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Writes to where `addr` is.
    pub(super) fn write(&self, addr: u64, bytes: &[u8]) -> Result<(), Failure> {
        let done = self.file.write_all_at(bytes, addr);
        done.map_err(|error| failed(&error))
    }

    /// Finds an instruction that makes a system call: in the kernel's vdso, or where there is none
    /// anywhere in the program.
    pub(super) fn find_syscall(&self) -> Result<u64, Failure> {
        let mut mappings: Vec<_> = self
            .maps
            .iter()
            .filter(|mapping| mapping.is_executable())
            .collect();
        mappings.sort_by_key(|mapping| mapping.name != "[vdso]");
        let mut bytes = vec![0; CHUNK_LEN];
        for mapping in mappings {
            let mut start = mapping.range.start;
            while start < mapping.range.end {
                let len = (mapping.range.end - start).min(CHUNK_LEN as u64);
                // CAST: At most the length of a chunk.
                let chunk = &mut bytes[..len as usize];
                if self.read(start, chunk).is_err() {
                    break;
                }
                let found = chunk.windows(2).position(|pair| pair == arch::SYSCALL);
                if let Some(off) = found {
                    return Ok(start + off as u64);
                }
                // The instruction may lie across the chunks.
                start += len.max(2) - 1;
                if len < CHUNK_LEN as u64 {
                    break;
                }
            }
        }
        Err(Failure::new(
            Errno::EOPNOTSUPP,
            "it has no instruction that makes a system call, so none can be run in it; use a kernel \
             with sigckpt(2)",
        ))
    }

    /// Finds room for [`SCRATCH_LEN`] bytes: below what the thread with this stack pointer uses of
    /// its stack, or where there is no room, anywhere that can be written.
    pub(super) fn find_scratch(&self, stack_pointer: u64) -> Result<u64, Failure> {
        const LEN: u64 = SCRATCH_LEN as u64;
        let below = stack_pointer.wrapping_sub(arch::RED_ZONE_LEN + LEN) & !63;
        let writable = || self.maps.iter().filter(|mapping| mapping.is_writable());
        let on_stack = writable()
            .any(|Mapping { range, .. }| range.start <= below && stack_pointer < range.end);
        if on_stack && below < stack_pointer {
            return Ok(below);
        }
        let elsewhere = writable().find(|mapping| mapping.is_anonymous);
        elsewhere
            .map(|mapping| mapping.range.start)
            .ok_or(Failure::new(
            Errno::EOPNOTSUPP,
            "it has no memory that the results of system calls could be written to; use a kernel \
             with sigckpt(2)",
        ))
    }
}

impl Mapping {
    fn is_executable(&self) -> bool {
        self.permissions.starts_with('r') && self.permissions.contains('x')
    }

    /// Whether it can be written, and nobody else sees it.
    fn is_writable(&self) -> bool {
        self.permissions.starts_with("rw") && self.permissions.ends_with('p')
    }
}

fn parse(maps: &str) -> Vec<Mapping> {
    maps.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mapping> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let range = u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?;
    let permissions = fields.next()?.to_owned();
    // After the offset and the device.
    let inode = fields.nth(2)?;
    Some(Mapping {
        range,
        permissions,
        is_anonymous: inode == "0",
        name: fields.next().unwrap_or("").to_owned(),
    })
}

fn failed(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => Failure::GONE,
        _ => Failure::new(
            error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
            "its memory cannot be read or written through /proc/PID/mem; check that /proc is \
             mounted and that it is of the process's pid namespace or one above",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-00401000 r-xp 00000000 fd:01 1234                               /bin/a b
00600000-00601000 rw-p 00000000 fd:01 1234                               /bin/a b
01000000-01021000 rw-p 00000000 00:00 0                                  [heap]
7f0000000000-7f0000001000 rw-s 00000000 00:01 99                         /dev/zero
7ffd00000000-7ffd00021000 rw-p 00000000 00:00 0                          [stack]
7ffd00100000-7ffd00102000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
";

    fn memory() -> Memory {
        Memory {
            file: File::open("/proc/self/mem").unwrap(),
            maps: parse(MAPS),
        }
    }

    #[test]
    fn the_lines_of_maps_are_read() {
        let maps = parse(MAPS);
        assert_eq!(maps.len(), 7);
        assert_eq!(maps[0].range, 0x40_0000..0x40_1000);
        assert!(maps[0].is_executable() && !maps[0].is_writable() && !maps[0].is_anonymous);
        assert!(maps[2].is_writable() && maps[2].is_anonymous);
        // Others may see what is written there.
        assert!(!maps[3].is_writable());
        assert_eq!(maps[5].name, "[vdso]");
        // That page cannot be read.
        assert!(!maps[6].is_executable());
    }

    #[test]
    fn room_is_below_the_stack_or_else_in_anonymous_memory() {
        let memory = memory();
        let on_stack = memory.find_scratch(0x7ffd_0001_0000).unwrap();
        assert_eq!(on_stack % 64, 0);
        assert!(on_stack + SCRATCH_LEN as u64 + arch::RED_ZONE_LEN <= 0x7ffd_0001_0000);
        // Too near to the end of the stack, in memory that others see, and nowhere.
        for stack_pointer in [0x7ffd_0000_0100, 0x7f00_0000_0f00, 0x10] {
            assert_eq!(memory.find_scratch(stack_pointer).unwrap(), 0x0100_0000);
        }
        let nothing = Memory {
            maps: Vec::new(),
            ..memory
        };
        assert_eq!(
            nothing.find_scratch(0).unwrap_err().errno,
            Errno::EOPNOTSUPP
        );
    }

    #[test]
    fn this_program_has_a_system_call() {
        let pid = std::process::id().try_into().unwrap();
        let memory = Memory::open(pid, pid).unwrap();
        let addr = memory.find_syscall().unwrap();
        let mut bytes = [0; 2];
        memory.read(addr, &mut bytes).unwrap();
        assert_eq!(bytes, arch::SYSCALL);
        let vdso = memory.maps.iter().find(|map| map.name == "[vdso]").unwrap();
        assert!(vdso.range.contains(&addr));
    }

    #[test]
    fn without_a_vdso_the_program_itself_is_searched() {
        let pid = std::process::id().try_into().unwrap();
        let mut memory = Memory::open(pid, pid).unwrap();
        memory.maps.retain(|map| map.name != "[vdso]");
        let addr = memory.find_syscall().unwrap();
        assert_eq!(memory.read_u64(addr).unwrap() as u16, 0x050f);
        memory.maps.clear();
        assert_eq!(memory.find_syscall().unwrap_err().errno, Errno::EOPNOTSUPP);
    }
}
