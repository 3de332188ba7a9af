// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The golden records: each decodes to what it did at first, or is refused as its name says.
//!
//! They were written on x86-64, and other architectures refuse them.
#![cfg(target_arch = "x86_64")]

#[allow(dead_code)]
#[path = "../examples/golden/records.rs"]
mod records;
#[path = "../examples/golden/timers.rs"]
mod timers;

mod golden {
    use super::*;
    pub(crate) use records::{bad_name, newer};
    use sigcr::Model;

    pub(crate) fn good() -> Vec<(&'static str, Model)> {
        records::good().into_iter().chain(timers::good()).collect()
    }

    pub(crate) fn bad() -> Vec<(Vec<u8>, Refusal)> {
        records::bad().into_iter().chain(timers::bad()).collect()
    }
}

use std::{collections::BTreeSet, fs, path::PathBuf};

use sigcr::{record::Refusal, Snapshot};

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn read(name: &str) -> Vec<u8> {
    fs::read(dir().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_golden_record_decodes_to_what_it_did_at_first() {
    for (name, model) in golden::good() {
        let bytes = read(name);
        let snapshot = Snapshot::from_bytes(bytes.clone());
        let snapshot = snapshot.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(snapshot.to_model(), model, "{name}");
        assert!(
            model.encode().unwrap().as_bytes() == bytes,
            "{name}: other bytes"
        );
        snapshot.record().check_restorable().unwrap();
    }
}

#[test]
fn what_a_newer_writer_appended_is_kept_in_the_bytes_and_skipped_in_the_model() {
    for (name, bytes, model) in golden::newer() {
        assert!(read(name) == bytes, "{name}: other bytes");
        let snapshot = Snapshot::from_bytes(bytes.clone());
        let snapshot = snapshot.unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        assert_eq!(snapshot.to_model(), model, "{name}");
        assert!(snapshot.as_bytes() == bytes);
    }
}

#[test]
fn every_bad_record_is_refused_exactly_as_its_name_says() {
    for (bytes, refusal) in golden::bad() {
        let name = golden::bad_name(&refusal);
        assert!(read(&name) == bytes, "{name}: other bytes");
        let answer = match Snapshot::from_bytes(bytes) {
            Ok(snapshot) => snapshot.record().check_restorable().err(),
            Err(refusal) => Some(refusal),
        };
        assert_eq!(answer, Some(refusal), "{name}");
    }
}

#[test]
fn every_refusal_has_its_bad_record() {
    // By the source, so that a refusal that is added is missed here.
    let source = include_str!("../src/record/refusal.rs");
    let body = source.split("pub enum Refusal {").nth(1).unwrap();
    let body = body.split("\n}").next().unwrap();
    let all: BTreeSet<String> = body
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|line| line.split([' ', ',']).next().unwrap().to_owned())
        .collect();
    let mut covered: BTreeSet<String> = golden::bad()
        .iter()
        .map(|(_, refusal)| refusal.name())
        .collect();
    // The one that would take a file of 64 MiB; its test is the next one.
    assert!(covered.insert(Refusal::TooLong { len: 0 }.name()));
    assert_eq!(covered, all);
}

#[test]
fn a_record_over_the_limit_is_refused_as_too_long() {
    let len = 64 * 1024 * 1024 + 1;
    let refusal = Snapshot::from_bytes(vec![0; len]).unwrap_err();
    assert_eq!(refusal, Refusal::TooLong { len });
}

#[test]
fn no_file_is_left_over() {
    let mut known: BTreeSet<String> = golden::good()
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect();
    known.extend(
        golden::newer()
            .into_iter()
            .map(|(name, ..)| name.to_owned()),
    );
    known.extend(
        golden::bad()
            .iter()
            .map(|(_, refusal)| golden::bad_name(refusal)),
    );
    let found: BTreeSet<String> = fs::read_dir(dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".bin"))
        .collect();
    assert_eq!(found, known);
}
