// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Hostile records before the program: whatever they hold, they are shown, or refused in words.

use std::fs;
use std::process::Command;

use mutator::property::{verdict, Verdict};
use mutator::Mutator;

/// Records that are shown in each way; a run of the program takes some milliseconds.
const COUNT: u64 = 250;

#[test]
fn hostile_records_are_shown_in_every_way_or_refused_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record");
    let mutator = Mutator::golden();
    let mut shown_count = 0;
    for index in 0..COUNT {
        let mutant = mutator.mutant(7, index);
        fs::write(&path, &mutant.bytes).unwrap();
        let readable = !matches!(
            verdict(&mutant.bytes, mutant.bytes.len()),
            Verdict::Refused(_)
        );
        for way in [&["show"][..], &["show", "--json"], &["show", "--proc"]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_sigcr"));
            let output = command.args(way).arg(&path).output().unwrap();
            let errors = String::from_utf8(output.stderr).unwrap();
            let ran = (output.status.code(), errors.is_empty());
            let wanted = match readable {
                true => (Some(0), true),
                false => (Some(1), false),
            };
            assert_eq!(ran, wanted, "record {index}, {way:?}: {errors}");
            assert_eq!(output.stdout.is_empty(), !readable, "record {index}");
        }
        shown_count += u64::from(readable);
    }
    assert!(shown_count > COUNT / 4, "{shown_count} were shown");
}
