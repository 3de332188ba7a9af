// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Can a program of the host run in the guest, which has no shared libraries?

use anyhow::{bail, Result};

const PT_INTERP: u32 = 3;
const EM_386: u16 = 3;
const EM_X86_64: u16 = 62;

/// Refuses what the guest could not execute, with the remedy.
pub(crate) fn check_runs_in_guest(name: &str, bytes: &[u8]) -> Result<()> {
    if bytes.starts_with(b"#!") {
        return Ok(());
    }
    let Some(program) = parse(bytes) else {
        bail!("{name} is neither an x86 program nor a script");
    };
    if let Some(interpreter) = program {
        bail!(
            "{name} is dynamically linked (it wants {interpreter}), and the guest has no shared \
             libraries. Link it statically (cc -static; RUSTFLAGS=\"-C target-feature=+crt-static\" \
             with an explicit --target), or give the bare name of a command that the guest has."
        );
    }
    Ok(())
}

/// Returns the dynamic loader that an ELF program asks for; the outer `None` is no x86 ELF at all.
fn parse(bytes: &[u8]) -> Option<Option<String>> {
    if !bytes.starts_with(b"\x7fELF") {
        return None;
    }
    let wide = *bytes.get(4)? == 2;
    if ![EM_386, EM_X86_64].contains(&u16_at(bytes, 18)?) {
        return None;
    }
    let (table_off, entry_len, count) = if wide {
        (u64_at(bytes, 32)?, u16_at(bytes, 54)?, u16_at(bytes, 56)?)
    } else {
        (
            u64::from(u32_at(bytes, 28)?),
            u16_at(bytes, 42)?,
            u16_at(bytes, 44)?,
        )
    };
    for index in 0..u64::from(count) {
        let entry_off = usize::try_from(table_off + index * u64::from(entry_len)).ok()?;
        if u32_at(bytes, entry_off)? != PT_INTERP {
            continue;
        }
        let (off, len) = if wide {
            (
                u64_at(bytes, entry_off + 8)?,
                u64_at(bytes, entry_off + 32)?,
            )
        } else {
            (
                u64::from(u32_at(bytes, entry_off + 4)?),
                u64::from(u32_at(bytes, entry_off + 16)?),
            )
        };
        let name = bytes.get(usize::try_from(off).ok()?..usize::try_from(off + len).ok()?)?;
        let name = String::from_utf8_lossy(name);
        return Some(Some(name.trim_end_matches('\0').to_owned()));
    }
    Some(None)
}

fn u16_at(bytes: &[u8], off: usize) -> Option<u16> {
    Some(u16::from_le_bytes(
        bytes.get(off..off + 2)?.try_into().ok()?,
    ))
}

fn u32_at(bytes: &[u8], off: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(off..off + 4)?.try_into().ok()?,
    ))
}

fn u64_at(bytes: &[u8], off: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(off..off + 8)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 64-bit program with one program header, whose type is given.
    fn program(kind: u32, machine: u16) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..5].copy_from_slice(b"\x7fELF\x02");
        bytes[18..20].copy_from_slice(&machine.to_le_bytes());
        bytes[32..40].copy_from_slice(&64_u64.to_le_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_le_bytes());
        bytes[56..58].copy_from_slice(&1_u16.to_le_bytes());
        bytes[64..68].copy_from_slice(&kind.to_le_bytes());
        bytes[72..80].copy_from_slice(&120_u64.to_le_bytes());
        bytes[96..104].copy_from_slice(&9_u64.to_le_bytes());
        bytes.extend_from_slice(b"/lib/ld.\0");
        bytes
    }

    #[test]
    fn a_dynamic_program_is_refused_with_its_loader_and_the_remedy() {
        let error = check_runs_in_guest("prog", &program(PT_INTERP, EM_X86_64)).unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("prog") && error.contains("/lib/ld.,") || error.contains("/lib/ld.)")
        );
        assert!(error.contains("crt-static"));
    }

    #[test]
    fn static_programs_and_scripts_are_accepted() {
        assert!(check_runs_in_guest("prog", &program(1, EM_X86_64)).is_ok());
        assert!(check_runs_in_guest("script", b"#!/bin/sh\n").is_ok());
    }

    #[test]
    fn other_machines_and_other_files_are_refused() {
        assert!(check_runs_in_guest("arm", &program(1, 183)).is_err());
        assert!(check_runs_in_guest("text", b"hello").is_err());
        assert!(check_runs_in_guest("cut", &program(PT_INTERP, EM_X86_64)[..70]).is_err());
    }
}
