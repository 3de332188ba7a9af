// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Records of a version that this program does not read, and how to get one that it does.

#[allow(dead_code, reason = "other tests use the rest of it")]
mod program;

use std::fs;

use program::{sigcr, with_input};

const TOO_NEW: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../libsigcr/testdata/v1-bad-unsupported-version.bin"
);

#[test]
fn a_record_that_is_too_new_is_refused_by_every_verb_with_the_option_that_helps() {
    let own = std::process::id().to_string();
    for (arguments, code) in [
        (&["show", TOO_NEW][..], 1),
        (&["check", TOO_NEW], 1),
        (&["restore", &own, TOO_NEW], 1),
        (&["restore", "--dry-run", &own, TOO_NEW], 1),
        (&["diff", TOO_NEW, TOO_NEW], 6),
    ] {
        let ran = sigcr(arguments);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        is_told(&format!("{}{}", ran.stdout, ran.stderr));
    }
    let ran = with_input(&["show", "-"], &fs::read(TOO_NEW).unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    is_told(&ran.stderr);
}

fn is_told(words: &str) {
    for wanted in [
        "version is 2 and this reader knows up to 1",
        "`sigcr checkpoint --record-version 1`",
    ] {
        assert!(words.contains(wanted), "no {wanted:?} in {words}");
    }
}

#[test]
fn a_record_version_is_a_number_from_1_to_255() {
    for version in ["0", "256", "1x", "new", ""] {
        let ran = sigcr(&["checkpoint", "--record-version", version, "1"]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("--record-version"), "{ran:?}");
    }
}
