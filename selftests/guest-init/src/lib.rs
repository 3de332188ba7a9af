// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the host and PID 1 of the guest agree on: the job, the events, the reading of TAP.

pub mod figure;
pub mod protocol;
pub mod tap;
