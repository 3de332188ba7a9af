// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A snapshot: the bytes of a record that decodes, and their way into files and back.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    path::Path,
};

use tempfile::NamedTempFile;

use crate::{
    abi,
    record::{Record, Refusal},
    Error, Model,
};

/// The bytes of a record that decodes.
///
/// They stay as they were written, so that a newer writer's additions survive a copy. To look at
/// the content use [`Snapshot::to_model`], or [`Snapshot::record`] where no copy is wanted.
///
/// # Invariants
///
/// The bytes passed [`Record::decode`].
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    bytes: Vec<u8>,
}

impl Snapshot {
    /// Takes bytes that are exactly one record.
    ///
    /// # Errors
    ///
    /// What the decoder refuses; [`Refusal::explain`] says it with the section's name.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Snapshot, Refusal> {
        Record::decode(&bytes)?;
        // INVARIANT: The bytes were decoded just now.
        Ok(Snapshot { bytes })
    }

    /// The record's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The record's bytes, without a copy.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A view of the content that borrows the bytes. Checks them anew, in linear time.
    pub fn record(&self) -> Record<'_> {
        // PANIC: By the type invariant the bytes decode, and nothing can change them.
        Record::decode(&self.bytes).expect("a snapshot holds a record that decodes")
    }

    /// The content as plain values.
    pub fn to_model(&self) -> Model {
        Model::from(self.record())
    }

    /// Reads a record from a file.
    ///
    /// # Errors
    ///
    /// - [`Error::Io`]: the file cannot be read.
    /// - [`Error::RefusedFile`]: it holds no record, or one that the decoder refuses.
    pub fn read_from(path: impl AsRef<Path>) -> Result<Snapshot, Error> {
        let path = path.as_ref();
        let bytes = read(path).map_err(|source| Error::io("read", path, source))?;
        Record::decode(&bytes).map_err(|refusal| Error::RefusedFile {
            path: path.to_owned(),
            refusal,
            words: refusal.explain(&bytes),
        })?;
        // INVARIANT: The bytes were decoded just now.
        Ok(Snapshot { bytes })
    }

    /// Writes the record to a file that only the owner can read.
    ///
    /// The file appears under its name when it is complete, so that a reader never sees half a
    /// record; one that is there already is replaced.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]: the file cannot be written. What was at `path` before is still there.
    pub fn write_to(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        write(path, &self.bytes).map_err(|source| Error::io("write", path, source))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.to_model()).finish()
    }
}

/// Reads a file, but no more of it than one byte over the limit: enough to be refused as too long.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::from(abi::SIGCR_RECORD_LEN_MAX) + 1;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::Errno;

    fn dir() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_snapshot_survives_a_file_that_only_the_owner_can_read() {
        let dir = dir();
        let path = dir.path().join("record");
        let snapshot = Model::new(7).encode().unwrap();
        snapshot.write_to(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(Snapshot::read_from(&path).unwrap(), snapshot);
    }

    #[test]
    fn a_file_that_holds_no_record_is_refused_with_its_name_and_the_reason() {
        let dir = dir();
        let path = dir.path().join("no-record");
        fs::write(&path, [b'x'; 100]).unwrap();
        let error = Snapshot::read_from(&path).unwrap_err();
        let words = error.to_string();
        assert!(words.contains("no-record"), "{words}");
        assert!(words.contains("0x78787878"), "{words}");
        assert_eq!(error.to_errno(), Errno::EINVAL);
    }

    #[test]
    fn an_endless_file_is_refused_as_too_long() {
        let error = Snapshot::read_from("/dev/zero").unwrap_err();
        assert_eq!(error.to_errno(), Errno::E2BIG);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_that_names_it() {
        let error = Snapshot::read_from("/nowhere/record").unwrap_err();
        assert_eq!(error.to_errno(), Errno::ENOENT);
        assert!(error.to_string().contains("/nowhere/record"));
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing_behind() {
        let dir = dir();
        let path = dir.path().join("in-the-way");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("full"), "").unwrap();
        assert!(Model::new(7).encode().unwrap().write_to(&path).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
