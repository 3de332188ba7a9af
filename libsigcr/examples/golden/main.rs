// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Writes the golden records: `cargo run -p sigcr --example golden [DIR]`, by default `testdata/`.
//!
//! Those of a version are made once and then kept for ever: a later reader must still take them. So
//! a change in here adds files; `tests/golden.rs` fails if it would change one that is there.

mod records;
mod timers;

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let dir = env::args_os().nth(1).map_or_else(default, PathBuf::from);
    fs::create_dir_all(&dir)?;
    for (name, model) in records::good().into_iter().chain(timers::good()) {
        fs::write(dir.join(name), model.encode()?.as_bytes())?;
    }
    for (name, bytes, _) in records::newer() {
        fs::write(dir.join(name), bytes)?;
    }
    for (bytes, refusal) in records::bad().into_iter().chain(timers::bad()) {
        fs::write(dir.join(records::bad_name(&refusal)), bytes)?;
    }
    Ok(())
}
