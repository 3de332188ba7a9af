// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The list of what the crate exports, compared with what bindgen found in the header.

use std::collections::BTreeSet;

const LIB: &str = include_str!("../src/lib.rs");
const BINDINGS: &str = include_str!("../src/bindings.rs");

/// The constants and structs of the header. Its number types (`__u32`) have names in Rust already.
fn generated() -> BTreeSet<&'static str> {
    BINDINGS
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pub const ")
                .or_else(|| line.strip_prefix("pub struct "))
        })
        .filter_map(|rest| rest.split([':', ' ']).next())
        .collect()
}

fn exported() -> BTreeSet<&'static str> {
    let lists = LIB.split("pub use bindings::{").skip(1);
    lists
        .filter_map(|list| list.split_once("};"))
        .flat_map(|(list, _)| list.split(','))
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn everything_in_the_bindings_is_exported_by_name() {
    let generated = generated();
    assert!(generated.contains("sigcr_header") && generated.contains("SIGCR_MAGIC"));
    assert_eq!(exported(), generated);
}

#[test]
fn the_numbers_are_those_that_upstream_keeps_unused() {
    assert_eq!(sigcr_sys::SIGCR_NR_SIGCKPT, 389);
    assert_eq!(sigcr_sys::SIGCR_NR_SIGRESTORE, 390);
}
