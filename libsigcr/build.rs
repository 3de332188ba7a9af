// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Names what the compiler cannot know: the kernel's configuration symbol, the library's SONAME.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The decoder's tests are in the shared file and also run in the kernel, under this symbol.
    println!("cargo::rustc-check-cfg=cfg(CONFIG_SIGCR_KUNIT_TEST)");
    println!("cargo::rustc-check-cfg=cfg(CONFIG_SIGCR_TEST_VERSION2)");
    // The number goes up when a program that was linked before would no longer work.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libsigcr.so.0");
}
