// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Keeps a user's interrupt from ending the caller while it holds a process.

use std::marker::PhantomData;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// While it lives, interrupts are blocked for the calling thread.
#[derive(Debug)]
pub(super) struct BlockedInterrupts {
    before: SigSet,
    /// The mask is that of one thread.
    _not_send: PhantomData<*const ()>,
}

/// What a user or a supervisor sends to end or stop a program.
const INTERRUPTS: [Signal; 5] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGTSTP,
];

impl BlockedInterrupts {
    pub(super) fn new() -> Self {
        let interrupts: SigSet = INTERRUPTS.into_iter().collect();
        Self {
            // PANIC: The call fails only for an unknown `how`.
            before: interrupts
                .thread_swap_mask(SigmaskHow::SIG_BLOCK)
                .expect("a thread can block signals"),
            _not_send: PhantomData,
        }
    }
}

impl Drop for BlockedInterrupts {
    fn drop(&mut self) {
        // It fails only for an unknown `how`, and there is nobody to tell.
        let _ = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupts_are_blocked_while_it_lives_and_as_before_afterwards() {
        let mut usr1 = SigSet::empty();
        usr1.add(Signal::SIGUSR1);
        usr1.add(Signal::SIGHUP);
        usr1.thread_set_mask().unwrap();
        let guard = BlockedInterrupts::new();
        let during = SigSet::thread_get_mask().unwrap();
        for name in ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGTSTP"] {
            let signal = name.parse().unwrap();
            assert!(during.contains(signal), "{signal}");
        }
        assert!(!during.contains(Signal::SIGUSR2));
        assert!(during.contains(Signal::SIGUSR1) && !during.contains(Signal::SIGCHLD));
        drop(guard);
        assert_eq!(SigSet::thread_get_mask().unwrap(), usr1);
    }
}
