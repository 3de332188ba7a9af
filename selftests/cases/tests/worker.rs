// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The demo's worker and ledger on any kernel, without a checkpoint in between.

use std::path::Path;

use cases::demo::plan::Arrival;
use cases::demo::worker_act::{send_all, Instance};

const WORKER: &str = env!("CARGO_BIN_EXE_sigcr-demo-worker");

#[test]
fn a_worker_that_is_left_alone_logs_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let worker = Instance::start(Path::new(WORKER), "first", &log).unwrap();
    let ledger = send_all(&worker).unwrap();
    worker.finish().unwrap();
    let arrived = Arrival::read_log(&std::fs::read(&log).unwrap()).unwrap();
    assert!(arrived.len() > 1000);
    assert_eq!(ledger.differences(&arrived), Vec::<String>::new());
}

#[test]
fn a_fresh_worker_logs_nothing_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let worker = Instance::start(Path::new(WORKER), "fresh", &log).unwrap();
    worker.finish().unwrap();
    assert!(std::fs::read(&log).unwrap().is_empty());
}
