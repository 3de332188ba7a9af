// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What of running a system call in another process depends on the architecture: x86-64.

use libc::user_regs_struct as Registers;

use crate::Errno;

/// The instruction that makes a system call.
pub(super) const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// Bytes below the stack pointer that the code may use without moving it.
pub(super) const RED_ZONE_LEN: u64 = 128;

/// `__USER32_CS`: the code segment of a thread that runs 32-bit code.
const CS_32: u64 = 0x23;

/// The trap flag, by which a program debugs itself.
const EFLAGS_TRAP: u64 = 0x100;

/// Whether the thread runs 32-bit code.
pub(super) fn is_32_bit(registers: &Registers) -> bool {
    registers.cs == CS_32
}

/// Where the thread's stack ends.
pub(super) fn stack_pointer(registers: &Registers) -> u64 {
    registers.rsp
}

/// The registers with which a thread makes the system call `number` by the instruction at
/// `instruction`; all others are as in `registers`.
pub(super) fn to_call(
    registers: &Registers,
    instruction: u64,
    number: u64,
    args: [u64; 6],
) -> Registers {
    let [rdi, rsi, rdx, r10, r8, r9] = args;
    Registers {
        rip: instruction,
        rax: number,
        // No system call is interrupted, so that none is restarted.
        orig_rax: u64::MAX,
        eflags: registers.eflags & !EFLAGS_TRAP,
        rdi,
        rsi,
        rdx,
        r10,
        r8,
        r9,
        ..*registers
    }
}

/// The registers with another stack pointer.
pub(super) fn with_stack_pointer(registers: &Registers, rsp: u64) -> Registers {
    Registers { rsp, ..*registers }
}

/// What a system call has returned.
pub(super) fn result(registers: &Registers) -> Result<u64, Errno> {
    // CAST: The kernel returns a signed number; the last 4095 before 0 are errnos.
    match registers.rax as i64 {
        negative @ -4095..=-1 => Err(Errno::from_raw(-negative as i32)),
        _ => Ok(registers.rax),
    }
}
