// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What demo and worker agree on: the worker's threads, handlers, masks, stacks and its log.

use crate::sys::{bit, SS_AUTODISARM};

/// Threads besides the first one.
pub const THREAD_COUNT: usize = 4;

/// Real-time signals that are queued to the process.
pub const SHARED_SIGNOS: [u32; 6] = [40, 41, 42, 43, 44, 45];

/// The real-time signal of which only the pending bit is left.
pub const BARE_SIGNO: u32 = 46;

/// Legacy signals that go to the process.
pub const SHARED_LEGACY: u32 = libc::SIGUSR1 as u32;

/// The real-time signal that each thread gets in its own queue.
pub const THREAD_SIGNO: u32 = 50;

/// The legacy signal that one thread gets in its own queue.
pub const THREAD_LEGACY: u32 = libc::SIGUSR2 as u32;

/// Bytes of each alternate stack.
pub const STACK_LEN: usize = 64 * 1024;

/// Where the alternate stack of a thread is: the same place in every instance.
pub const fn stack_address(thread: usize) -> usize {
    0x2000_0000_0000 + thread * 0x10_0000
}

/// The flags of a thread's alternate stack.
pub const fn stack_flags(thread: usize) -> u32 {
    if thread == THREAD_COUNT {
        SS_AUTODISARM
    } else {
        0
    }
}

/// Everything that the first thread takes.
pub const fn shared_set() -> u64 {
    let mut set = bit(SHARED_LEGACY) | bit(BARE_SIGNO);
    let mut index = 0;
    while index < SHARED_SIGNOS.len() {
        set |= bit(SHARED_SIGNOS[index]);
        index += 1;
    }
    set
}

/// Everything that each other thread takes from its own queue.
pub const fn thread_set() -> u64 {
    bit(THREAD_SIGNO) | bit(THREAD_LEGACY)
}

/// What a thread blocks until it is told to go on: its own, the process's, and one to tell it by.
pub const fn blocked(thread: usize) -> u64 {
    shared_set() | thread_set() | bit(55 + thread as u32)
}

/// Whether the handler of `signo` asks for the alternate stack.
pub const fn on_altstack(signo: u32) -> bool {
    matches!(signo, 40..=42 | THREAD_SIGNO | BARE_SIGNO)
}

/// One signal that a handler got, as it stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// The thread whose handler ran: 0 is the first, then in order of creation.
    pub thread: u32,
    /// Signal number.
    pub signo: u32,
    /// `si_code`.
    pub code: i32,
    /// `si_pid`.
    pub pid: i32,
    /// `si_value`.
    pub value: u64,
    /// Whether the handler ran on the thread's alternate stack.
    pub on_altstack: bool,
}

/// Bytes of an arrival in the log.
pub const ARRIVAL_LEN: usize = 32;

impl Arrival {
    /// The bytes for the log. Async-signal-safe.
    pub fn to_bytes(self) -> [u8; ARRIVAL_LEN] {
        let words = [
            u64::from(self.thread) << 32 | u64::from(self.signo),
            u64::from(self.code as u32) << 32 | u64::from(self.pid as u32),
            self.value,
            u64::from(self.on_altstack),
        ];
        let mut bytes = [0; ARRIVAL_LEN];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// Reads a log; an incomplete last arrival is an error that names its length.
    pub fn read_log(bytes: &[u8]) -> anyhow::Result<Vec<Self>> {
        let chunks = bytes.chunks_exact(ARRIVAL_LEN);
        let rest_len = chunks.remainder().len();
        anyhow::ensure!(rest_len == 0, "the log ends with {rest_len} stray bytes");
        Ok(chunks.map(Self::from_bytes).collect())
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[index * 8..index * 8 + 8]);
            u64::from_ne_bytes(word)
        };
        Self {
            thread: (word(0) >> 32) as u32,
            signo: word(0) as u32,
            code: (word(1) >> 32) as i32,
            pid: word(1) as i32,
            value: word(2),
            on_altstack: word(3) != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_survive_the_log() {
        let arrivals = [
            Arrival {
                thread: 4,
                signo: 64,
                code: -6,
                pid: 4_194_303,
                value: u64::MAX,
                on_altstack: true,
            },
            Arrival {
                thread: 0,
                signo: 1,
                code: 0x80,
                pid: 0,
                value: 7,
                on_altstack: false,
            },
        ];
        let mut log: Vec<u8> = arrivals.iter().flat_map(|a| a.to_bytes()).collect();
        assert_eq!(Arrival::read_log(&log).unwrap(), arrivals);
        log.pop();
        assert!(Arrival::read_log(&log).is_err());
    }

    #[test]
    fn no_alternate_stack_reaches_into_the_next() {
        assert!(stack_address(0) + STACK_LEN <= stack_address(1));
    }
}
