// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Reading of TAP (and the kernel's KTAP) result lines, one at a time.

use crate::protocol::Outcome;

/// What a line of test output says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `1..N`: this many cases will follow.
    Plan(u32),
    /// `ok N name` or `not ok N name`.
    Case {
        /// Name of the case, or `case N` when it has none.
        name: String,
        /// How it ended.
        result: Outcome,
    },
    /// `Bail out!`: the program gives up.
    BailOut(String),
}

/// Reads one line; `None` for what is neither plan nor result.
pub fn parse_line(line: &str) -> Option<Item> {
    let line = line.trim_end();
    if let Some(reason) = line.strip_prefix("Bail out!") {
        return Some(Item::BailOut(reason.trim().to_owned()));
    }
    if let Some(count) = line.strip_prefix("1..") {
        // A plan may carry a directive: `1..0 # SKIP reason`.
        return count.split(' ').next()?.parse().ok().map(Item::Plan);
    }
    let (ok, rest) = match line.strip_prefix("not ok") {
        Some(rest) => (false, rest),
        None => (true, line.strip_prefix("ok")?),
    };
    let rest = rest.strip_prefix(' ')?;
    let digits_len = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = rest.split_at(digits_len);
    if number.is_empty() || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    let (name, directive) = split_directive(rest);
    let name = name.strip_prefix("- ").unwrap_or(name);
    let skipped = ["SKIP", "XFAIL", "TODO"]
        .iter()
        .any(|word| directive.is_some_and(|d| d.starts_with(word)));
    Some(Item::Case {
        name: if name.is_empty() {
            format!("case {number}")
        } else {
            name.to_owned()
        },
        result: match (ok, skipped) {
            (false, _) => Outcome::Fail,
            (true, true) => Outcome::Skip,
            (true, false) => Outcome::Pass,
        },
    })
}

/// Finds the leaves in nested KTAP, where the result of a suite follows those of its cases.
#[derive(Default)]
pub struct Nested {
    last_depth: usize,
}

impl Nested {
    /// Reads one line; returns its case unless it merely sums up cases already seen.
    ///
    /// A failed sum is returned as well: a suite may fail in its setup or teardown.
    pub fn case(&mut self, line: &str) -> Option<(String, Outcome)> {
        let depth = line.len() - line.trim_start_matches(' ').len();
        let Some(Item::Case { name, result }) = parse_line(line.trim_start_matches(' ')) else {
            return None;
        };
        let sums_up = self.last_depth > depth;
        self.last_depth = depth;
        (!sums_up || result == Outcome::Fail).then_some((name, result))
    }
}

fn split_directive(rest: &str) -> (&str, Option<&str>) {
    match rest.split_once("# ") {
        Some((name, directive)) => (name.trim(), Some(directive.trim())),
        None => (rest.trim(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(line: &str) -> Option<(String, Outcome)> {
        match parse_line(line) {
            Some(Item::Case { name, result }) => Some((name, result)),
            _ => None,
        }
    }

    #[test]
    fn passed_failed_and_skipped_cases_are_told_apart() {
        assert_eq!(case("ok 1 a.b"), Some(("a.b".into(), Outcome::Pass)));
        assert_eq!(case("not ok 2 a.c"), Some(("a.c".into(), Outcome::Fail)));
        assert_eq!(
            case("ok 3 a.d # SKIP no timers"),
            Some(("a.d".into(), Outcome::Skip))
        );
        assert_eq!(
            case("ok 4 # SKIP no"),
            Some(("case 4".into(), Outcome::Skip))
        );
        assert_eq!(
            case("not ok 5 - x # SKIP lies"),
            Some(("x".into(), Outcome::Fail))
        );
    }

    #[test]
    fn prose_that_begins_with_ok_is_no_result() {
        for line in [
            "ok",
            "okay 1 x",
            "ok then",
            "ok 1x",
            "#  OK  a.b",
            " ok 1 x",
        ] {
            assert_eq!(parse_line(line), None, "{line}");
        }
    }

    #[test]
    fn plans_and_bail_outs_are_read() {
        assert_eq!(parse_line("1..17"), Some(Item::Plan(17)));
        assert_eq!(parse_line("1..0 # SKIP all"), Some(Item::Plan(0)));
        assert_eq!(parse_line("1..x"), None);
        assert_eq!(
            parse_line("Bail out! no memory"),
            Some(Item::BailOut("no memory".into()))
        );
    }

    #[test]
    fn only_the_leaves_of_nested_output_are_cases() {
        let log = "KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: sigcr\n    1..2\n                       ok 1 first\n    not ok 2 second\nok 1 sigcr\n    ok 1 third\nok 2 other";
        let mut nested = Nested::default();
        let names: Vec<_> = log
            .lines()
            .filter_map(|line| nested.case(line))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["first", "second", "third"]);
    }

    #[test]
    fn a_suite_that_fails_without_a_failed_case_is_reported() {
        let mut nested = Nested::default();
        assert!(nested.case("    ok 1 first").is_some());
        assert_eq!(
            nested.case("not ok 1 suite"),
            Some(("suite".into(), Outcome::Fail))
        );
    }
}
