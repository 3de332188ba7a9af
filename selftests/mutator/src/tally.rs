// SPDX-License-Identifier: GPL-2.0 OR MIT

//! How often the decoder said what: shows that the records reach all of its rules.

use std::fmt;

use crate::property::Verdict;
use crate::seeds::{name_of, refusal_names};

/// Counts by verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that can be restored.
    pub good_count: u64,
    /// By refusal, in the order of [`refusal_names`].
    refused_counts: Vec<u64>,
}

impl Tally {
    /// Counts a verdict.
    pub fn add(&mut self, verdict: &Verdict) {
        self.add_index(index_of(verdict), 1);
    }

    /// Counts a verdict that has this index, see [`index_of`], so many times.
    pub fn add_index(&mut self, index: usize, count: u64) {
        self.refused_counts.resize(refusal_names().len(), 0);
        match index.checked_sub(1) {
            None => self.good_count += count,
            Some(index) => self.refused_counts[index] += count,
        }
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Tally) {
        self.add_index(0, other.good_count);
        for (index, count) in other.refused_counts.iter().enumerate() {
            self.add_index(index + 1, *count);
        }
    }

    /// All verdicts.
    pub fn total(&self) -> u64 {
        self.good_count + self.refused_counts.iter().sum::<u64>()
    }

    /// Fails unless every refusal was seen, and good records have their share.
    ///
    /// # Errors
    ///
    /// What is missing, in words.
    pub fn check_reach(&self) -> Result<(), String> {
        let missing: Vec<&str> = self
            .by_name()
            .filter(|(_, count)| *count == 0)
            .map(|(name, _)| name)
            .collect();
        if !missing.is_empty() {
            return Err(format!("no record was refused by {}", missing.join(", ")));
        }
        match self.good_count * GOOD_SHARE >= self.total() {
            true => Ok(()),
            false => Err(format!(
                "of {} records only {} can be restored, less than one in {GOOD_SHARE}",
                self.total(),
                self.good_count
            )),
        }
    }

    fn by_name(&self) -> impl Iterator<Item = (&str, u64)> {
        let counts = self.refused_counts.iter().copied();
        let counts = counts.chain(std::iter::repeat(0));
        refusal_names().iter().map(String::as_str).zip(counts)
    }
}

/// At least one record in so many has to be one that can be restored.
const GOOD_SHARE: u64 = 10;

/// The index of a verdict: 0 for a good record, else one more than that of its refusal's name.
pub fn index_of(verdict: &Verdict) -> usize {
    let Some(refusal) = verdict.refusal() else {
        return 0;
    };
    let name = name_of(refusal);
    let index = refusal_names().binary_search(&name);
    index.unwrap_or_else(|_| panic!("the refusal {name} has no golden record")) + 1
}

/// The number of indices that [`index_of`] can give.
pub fn index_count() -> usize {
    refusal_names().len() + 1
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |count: u64| 100.0 * count as f64 / self.total().max(1) as f64;
        let mut rows: Vec<(&str, u64)> = self.by_name().collect();
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        rows.insert(0, ("can be restored", self.good_count));
        for (index, (name, count)) in rows.iter().enumerate() {
            let end = match index % 2 == 1 || index + 1 == rows.len() {
                true => "\n",
                false => "   ",
            };
            write!(f, "{name:<24}{count:>10} {:>6.2} %{end}", percent(*count))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::verdict;
    use crate::seeds::{bad, good};

    #[test]
    fn a_run_without_one_of_the_refusals_does_not_reach_far_enough() {
        let mut tally = Tally::default();
        for bytes in good().into_iter().chain(bad()) {
            tally.add(&verdict(bytes, bytes.len()));
        }
        let missing = tally.check_reach().unwrap_err();
        assert!(missing.ends_with("refused by too-long"), "{missing}");
        tally.add(&verdict(&[0; 64], (64 << 20) + 1));
        tally.check_reach().unwrap();
        tally.add_index(1, 1000);
        assert!(tally.check_reach().unwrap_err().contains("restored"));
    }
}
