// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The baseline: what the calls cost when it was committed, and whether they cost more now.

use std::fs;
use std::path::PathBuf;

use anyhow::{bail, Context, Result};
use guest_init::figure::{Figure, Via, What};

use super::provenance::Provenance;
use super::table::grouped;
use super::{Results, Size, Way};
use crate::util::files::read_text;
use crate::util::paths::Paths;

/// By how much a figure may be over its baseline.
const LIMIT_PERCENT: u64 = 3;

/// How to change the baseline.
const REMEDY: &str = "`cargo xtask bench --short --update-baseline` makes it the baseline; commit \
                      that by itself, with the reason";

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    /// With other versions counts are others: what is different.
    NotComparable(Vec<String>),
    /// Comparable.
    Compared {
        /// One entry for each figure that is worse or missing, in words.
        failures: Vec<String>,
        /// Figures that are better by more than the limit.
        better: Vec<String>,
        /// Figures that were compared.
        count: usize,
    },
}

/// The committed file.
pub(crate) fn path(paths: &Paths) -> PathBuf {
    paths.root.join("docs/performance/baseline.jsonl")
}

/// Makes the results the baseline.
pub(crate) fn update(paths: &Paths, results: &Results) -> Result<PathBuf> {
    let path = path(paths);
    let ours = Results {
        provenance: results.provenance.clone(),
        figures: results
            .figures
            .iter()
            .filter(|f| counts(f))
            .cloned()
            .collect(),
        ..Results::default()
    };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::write(&path, ours.to_json_lines()?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Compares results with the committed baseline.
pub(crate) fn compare(paths: &Paths, results: &Results) -> Result<Comparison> {
    let path = path(paths);
    let text = read_text(&path)?;
    let (provenance, figures) =
        parse(&text).with_context(|| format!("{} is no baseline", path.display()))?;
    Ok(compare_with(results, &provenance, &figures))
}

fn parse(text: &str) -> Result<(Provenance, Vec<Figure>)> {
    let mut lines = text.lines();
    let provenance = serde_json::from_str(lines.next().unwrap_or_default())?;
    let figures: Vec<Figure> = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
    if figures.is_empty() {
        bail!("there is no figure in it");
    }
    Ok((provenance, figures))
}

fn compare_with(results: &Results, provenance: &Provenance, figures: &[Figure]) -> Comparison {
    let differences = results.provenance.differences(provenance);
    if !differences.is_empty() {
        return Comparison::NotComparable(
            differences
                .into_iter()
                .map(|(name, here, there)| format!("{name}: here {here}, baseline {there}"))
                .collect(),
        );
    }
    let mut failures = Vec::new();
    let mut better = Vec::new();
    for old in figures {
        let Some(new) = results.figures.iter().find(|new| is_same_case(new, old)) else {
            failures.push(format!(
                "{old}: was not measured, though it is in the baseline"
            ));
            continue;
        };
        let words = |remedy: &str| {
            let percent = (new.instructions as f64 / old.instructions as f64 - 1.0) * 100.0;
            format!(
                "{old}: {} instructions, baseline {}, {percent:+.1} %{remedy}",
                grouped(new.instructions),
                grouped(old.instructions)
            )
        };
        if new.instructions * 100 > old.instructions * (100 + LIMIT_PERCENT) {
            failures.push(words(&format!(
                ", more than {LIMIT_PERCENT} % are a regression; {REMEDY}"
            )));
        } else if new.instructions * 100 < old.instructions * (100 - LIMIT_PERCENT) {
            better.push(words(""));
        }
    }
    for new in results.figures.iter().filter(|new| counts(new)) {
        // A longer run than the baseline's measures more; the short one has to have it all.
        if results.is_short && !figures.iter().any(|old| is_same_case(new, old)) {
            failures.push(format!("{new}: has no baseline; {REMEDY}"));
        }
    }
    Comparison::Compared {
        failures,
        better,
        count: figures.len(),
    }
}

/// Is this a figure of ours? Others' costs are not ours to keep down.
fn counts(figure: &Figure) -> bool {
    matches!(figure.what, What::Sigckpt | What::Sigrestore)
        && matches!(figure.via, Via::Raw | Via::Libsigcr)
}

fn is_same_case(a: &Figure, b: &Figure) -> bool {
    (Way::of(a), Size::of(a)) == (Way::of(b), Size::of(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tests::{figure, results};

    fn of(count: u64) -> Figure {
        figure(What::Sigckpt, Via::Raw, Size::pending(0), count)
    }

    fn failures_count(new: &[Figure], old: &[Figure]) -> usize {
        match compare_with(&results(new), &Provenance::default(), old) {
            Comparison::Compared { failures, .. } => failures.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_figure_over_the_baseline_by_more_than_3_percent_fails() {
        assert_eq!(failures_count(&[of(1_030)], &[of(1_000)]), 0);
        assert_eq!(failures_count(&[of(1_031)], &[of(1_000)]), 1);
        assert_eq!(failures_count(&[of(10)], &[of(1_000)]), 0);
    }

    #[test]
    fn a_failure_names_the_figure_the_baseline_and_the_remedy() {
        let compared = compare_with(&results(&[of(2_000)]), &Provenance::default(), &[of(1_000)]);
        let Comparison::Compared { failures, .. } = compared else {
            panic!("{compared:?}");
        };
        for part in [
            "sigckpt",
            "2,000",
            "baseline 1,000",
            "+100.0 %",
            "--update-baseline",
        ] {
            assert!(failures[0].contains(part), "{}", failures[0]);
        }
    }

    #[test]
    fn a_figure_that_is_missing_on_one_side_fails() {
        let other = figure(What::Sigrestore, Via::Raw, Size::pending(0), 1);
        assert_eq!(failures_count(&[of(1)], &[of(1), other.clone()]), 1);
        let mut short = results(&[of(1), other]);
        short.is_short = true;
        let compared = compare_with(&short, &Provenance::default(), &[of(1)]);
        assert!(matches!(compared, Comparison::Compared { failures, .. } if failures.len() == 1));
    }

    #[test]
    fn other_versions_are_not_comparable() {
        let there = Provenance {
            kernel: "7.3.1".into(),
            ..Provenance::default()
        };
        let compared = compare_with(&results(&[of(9_000)]), &there, &[of(1)]);
        let Comparison::NotComparable(differences) = compared else {
            panic!("{compared:?}");
        };
        assert!(differences[0].contains("7.3.1"), "{differences:?}");
    }

    #[test]
    fn a_baseline_reads_back_as_it_was_written() {
        let text = results(&[of(7)]).to_json_lines().unwrap();
        assert_eq!(parse(&text).unwrap().1, [of(7)]);
        assert!(parse("").is_err());
    }
}
