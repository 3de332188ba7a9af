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

/// Reads the KTAP that KUnit writes into the kernel's log: suites, in each its cases.
///
/// A case that is made of others, one for each parameter, counts once, by its own result.
#[derive(Default)]
pub struct Suites {
    /// The suite that is being read, and how far its lines are indented.
    suite: Option<(String, usize)>,
    case_failed: bool,
}

/// What a line of KUnit's says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuiteItem {
    /// So many cases of this suite will follow.
    Plan(String, u32),
    /// A case of this suite has ended.
    Case(String, String, Outcome),
}

impl Suites {
    /// Reads one line; `None` for what says nothing new.
    ///
    /// A suite that failed without a failed case, as in its setup, is a case of its own.
    pub fn line(&mut self, line: &str) -> Option<SuiteItem> {
        let text = line.trim_start_matches(' ');
        let depth = line.len() - text.len();
        if let Some(name) = text.strip_prefix("# Subtest: ") {
            // Deeper ones are the parameters of a case.
            if self.suite.as_ref().is_none_or(|(_, at)| depth <= *at) {
                self.suite = Some((name.trim_end().to_owned(), depth));
                self.case_failed = false;
            }
            return None;
        }
        let (suite, suite_depth) = self.suite.clone()?;
        match parse_line(text)? {
            Item::Plan(count) if depth == suite_depth => Some(SuiteItem::Plan(suite, count)),
            Item::Case { name, result } if depth == suite_depth => {
                self.case_failed |= result == Outcome::Fail;
                Some(SuiteItem::Case(suite, name, result))
            }
            // The sum of the suite.
            Item::Case { name, result } if depth < suite_depth => {
                self.suite = None;
                let unexplained = result == Outcome::Fail && !self.case_failed;
                unexplained.then_some(SuiteItem::Case(suite, name, result))
            }
            _ => None,
        }
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

    fn items(log: &str) -> Vec<SuiteItem> {
        let mut suites = Suites::default();
        log.lines().filter_map(|line| suites.line(line)).collect()
    }

    #[test]
    fn cases_are_told_by_suite_and_parameters_are_not_cases() {
        let log = "\
KTAP version 1
1..2
    KTAP version 1
    # Subtest: first
    # module: sigcr
    1..2
    ok 1 one
        KTAP version 1
        # Subtest: two
        not ok 1 parameter
        ok 2 parameter
    not ok 2 two
# first: pass:1 fail:1 skip:0 total:2
not ok 1 first
    KTAP version 1
    # Subtest: second
    1..1
    ok 1 three # SKIP no
ok 2 second # SKIP";
        let plan = |suite: &str, count| SuiteItem::Plan(suite.into(), count);
        let case =
            |suite: &str, name: &str, result| SuiteItem::Case(suite.into(), name.into(), result);
        assert_eq!(
            items(log),
            [
                plan("first", 2),
                case("first", "one", Outcome::Pass),
                case("first", "two", Outcome::Fail),
                plan("second", 1),
                case("second", "three", Outcome::Skip),
            ]
        );
    }

    #[test]
    fn a_suite_that_fails_without_a_failed_case_is_told() {
        let log = "    # Subtest: a\n    1..1\n    ok 1 one\nnot ok 1 a\nnot ok 2 b";
        let case = |name: &str, result| SuiteItem::Case("a".into(), name.into(), result);
        assert_eq!(
            items(log)[1..],
            [case("one", Outcome::Pass), case("a", Outcome::Fail)]
        );
    }
}
