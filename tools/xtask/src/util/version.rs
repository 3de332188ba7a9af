// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Version numbers, as far as they have to be compared.

use std::fmt;

/// The leading numbers of a version, `7.3.4` of `7.3.4-1~bpo13+1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(Vec<u64>);

impl Version {
    /// Reads the numbers that `text` begins with, behind an epoch if there is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => text,
        };
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(text.len());
        let numbers: Vec<u64> = text[..end]
            .split('.')
            .map_while(|part| part.parse().ok())
            .collect();
        (!numbers.is_empty()).then_some(Self(numbers))
    }

    /// Finds the first word of `text` that is a version, as in `rustc 1.96.0 (ac68faa20)`.
    pub(crate) fn find(text: &str) -> Option<Self> {
        text.split_whitespace()
            .filter(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            .find_map(Self::parse)
    }

    /// Is this release `line` itself or one of its updates?
    pub(crate) fn is_of(&self, line: &Self) -> bool {
        self.0.starts_with(&line.0)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn package_versions_compare_by_their_numbers() {
        assert!(version("1.63.0+dfsg1-2") < version("1.85"));
        assert!(version("1:19.0-63") > version("17"));
        assert!(version("0.71.1-1") >= version("0.71.1"));
        assert!(version("0.9") < version("0.10"));
    }

    #[test]
    fn a_line_has_its_own_updates_only() {
        let line = version("7.3");
        assert!(version("7.3.4-1~bpo13+1").is_of(&line));
        assert!(version("7.3").is_of(&line));
        assert!(!version("7.30.1").is_of(&line));
        assert!(!version("7.2.9").is_of(&line));
    }

    #[test]
    fn a_version_is_found_in_what_a_tool_prints() {
        let printed = "rustc 1.96.0 (ac68faa20 2026-05-25)";
        assert_eq!(Version::find(printed), Some(version("1.96.0")));
        assert_eq!(Version::find("Debian clang version"), None);
    }
}
