// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A seccomp filter for the calling thread and what it starts: it answers some system calls.

use nix::errno::Errno;

/// What the filter does about a system call that it is made for.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// It fails with this.
    Fail(Errno),
    /// The process is killed.
    Kill,
}

/// Filters the system calls with these numbers from here on. Only makes system calls itself, so that
/// it may be called between fork and exec.
pub fn filter<const N: usize>(numbers: [i64; N], answer: Answer) -> nix::Result<()> {
    const fn step(code: u32, k: u32, jt: u8) -> libc::sock_filter {
        libc::sock_filter {
            // The codes are of 16 bits.
            code: code as u16,
            jt,
            jf: 0,
            k,
        }
    }
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let answer = match answer {
        Answer::Fail(errno) => libc::SECCOMP_RET_ERRNO | (errno as i32).unsigned_abs(),
        Answer::Kill => libc::SECCOMP_RET_KILL_PROCESS,
    };
    // Room for as many as anybody needs here: the number, a step for each, and two ends.
    let mut steps = [step(RETURN, libc::SECCOMP_RET_ALLOW, 0); 16];
    let len = N + 3;
    assert!(len <= steps.len(), "too many numbers");
    // The number of the call is the first word of struct seccomp_data.
    steps[0] = step(LOAD, 0, 0);
    for (index, number) in numbers.into_iter().enumerate() {
        // Over the other numbers and the first end; numbers of system calls are small.
        steps[index + 1] = step(EQUAL, number as u32, (N - index) as u8);
    }
    steps[len - 1] = step(RETURN, answer, 0);
    let program = libc::sock_fprog {
        len: len as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: a call without memory.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: the program and the steps that it points to live until the call returns.
    let ret = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program) };
    Errno::result(ret).map(drop)
}
