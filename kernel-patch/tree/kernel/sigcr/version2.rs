// SPDX-License-Identifier: GPL-2.0

//! A switch, for the selftests, that makes this kernel write and read records like a later one.
//!
//! Only with `CONFIG_SIGCR_TEST_VERSION2`. The file `sigcr/test_version2` of debugfs holds the sum
//! of [`VERSION_2`], [`GROWN`] and [`MANDATORY`]; it is 0 at first, and then nothing is other than
//! without the symbol. What such records are like is in `record/later.rs`.

use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    uaccess::UserSliceReader, //
};

use crate::{
    abi,
    record::{
        self,
        later::{
            self,
            Later, //
        },
        Header,
        Refusal, //
    },
};

/// Version 2 is known: it is the newest one that is written, and it is restored.
const VERSION_2: u32 = 1;
/// Records of version 1 are grown, as those of version 2 always are.
const GROWN: u32 = 2;
/// Grown records have a section that must be understood, and that not even this kernel knows.
const MANDATORY: u32 = 4;

static SWITCH: Atomic<u32> = Atomic::new(0);

/// Whether one of them is set.
fn has(bits: u32) -> bool {
    SWITCH.load(Relaxed) & bits != 0
}

/// The newest version of the record.
pub(crate) fn newest_version() -> u32 {
    match has(VERSION_2) {
        true => later::VERSION,
        false => abi::SIGCR_VERSION,
    }
}

/// Makes a record of `version` of one that was just encoded.
///
/// # Errors
///
/// - [`EOVERFLOW`]: it would be longer than a record may be.
/// - [`ENOMEM`]: no memory.
pub(crate) fn in_version(record: KVVec<u8>, version: u32) -> Result<KVVec<u8>> {
    if version == abi::SIGCR_VERSION && !has(GROWN) {
        return Ok(record);
    }
    let later = Later {
        version,
        has_mandatory: has(MANDATORY),
    };
    let len = later.write(&record, &mut []);
    if len > abi::SIGCR_RECORD_LEN_MAX as usize {
        return Err(EOVERFLOW);
    }
    let mut out = KVVec::new();
    out.resize(len, 0, GFP_KERNEL_ACCOUNT)?;
    later.write(&record, &mut out);
    Ok(out)
}

/// How long a record of version 1 may be: of what the switch makes of it, only its maker knows the
/// length.
pub(crate) fn room_len(room_len: usize) -> usize {
    match has(VERSION_2 | GROWN) {
        true => abi::SIGCR_RECORD_LEN_MAX as usize,
        false => room_len,
    }
}

/// [`record::check_header`], by what the switch makes known.
pub(crate) fn check_header(bytes: &[u8], len: usize) -> Result<Header, Refusal> {
    match has(VERSION_2) {
        true => later::check_header(bytes, len),
        false => record::check_header(bytes, len),
    }
}

/// Makes a record that the decoder knows of one of version 2, if the switch makes that known.
pub(crate) fn to_version_1(bytes: &mut [u8]) -> Result<(), Refusal> {
    match has(VERSION_2) {
        true => later::to_version_1(bytes),
        false => Ok(()),
    }
}

module! {
    type: Switch,
    name: "sigcr_test_version2",
    authors: ["The sigcr developers"],
    description: "Later versions of the signal state record, for tests",
    license: "GPL",
}

/// The file in debugfs.
struct Switch {
    _file: Pin<KBox<File<()>>>,
}

impl kernel::Module for Switch {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let dir = Dir::new(c"sigcr");
        let file = dir.read_write_callback_file(c"test_version2", (), &show, &store);
        Ok(Self {
            _file: KBox::pin_init(file, GFP_KERNEL)?,
        })
    }
}

fn show(_: &(), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{}", SWITCH.load(Relaxed))
}

fn store(_: &(), reader: &mut UserSliceReader) -> Result {
    let mut text = [0; 2];
    let text = text.get_mut(..reader.len()).ok_or(EINVAL)?;
    reader.read_slice(text)?;
    let ([digit] | [digit, b'\n']) = *text else {
        return Err(EINVAL);
    };
    let value = u32::from(digit.wrapping_sub(b'0'));
    if value & !(VERSION_2 | GROWN | MANDATORY) != 0 {
        return Err(EINVAL);
    }
    SWITCH.store(value, Relaxed);
    Ok(())
}
