// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tells cargo that a golden record that is added changes this crate.

fn main() {
    println!("cargo::rerun-if-changed=../../libsigcr/testdata");
}
