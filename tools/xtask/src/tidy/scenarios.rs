// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The list of scenarios: complete, and each test that it names exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Violation;

/// The list.
pub(crate) const LIST: &str = "docs/scenarios.md";

/// How many scenarios there are.
const SCENARIO_COUNT: usize = 52;

/// The tests of the sources that were looked at: by file, without its ending, the names of functions.
#[derive(Default)]
pub(crate) struct Tests(BTreeMap<String, BTreeSet<String>>);

impl Tests {
    /// Takes notice of the tests of a source.
    pub(crate) fn add(&mut self, path: &Path, text: &str) {
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else {
            return;
        };
        if path.extension().is_some_and(|end| end == "c") {
            let names = self.0.entry(stem.to_owned()).or_default();
            names.extend(text.lines().filter_map(test_of).map(str::to_owned));
        }
    }

    /// Whether `name`, such as `abi_test.some_test`, is there.
    fn has(&self, name: &str) -> bool {
        name.split_once('.')
            .is_some_and(|(file, test)| self.0.get(file).is_some_and(|names| names.contains(test)))
    }
}

/// The test that a line of C begins: one of the kernel's test frame, or a function of its own.
fn test_of(line: &str) -> Option<&str> {
    if let Some(name) = line
        .strip_prefix("static void ")
        .and_then(|rest| rest.strip_suffix("(void)"))
    {
        return Some(name);
    }
    let args = line.strip_prefix("TEST")?.split_once('(')?.1;
    args.strip_suffix(')')?.rsplit(", ").next()
}

/// Checks the list; one that is not there has no text.
pub(crate) fn check(text: &str, tests: &Tests) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut numbers = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut say = |what: String| {
            violations.push(Violation::new(LIST, format!("line {}: {what}", index + 1)));
        };
        let Some(cells) = cells(line) else {
            continue;
        };
        if let Some(number) = cells.first().and_then(|cell| cell.parse::<usize>().ok()) {
            numbers.push(number);
        }
        let names: Vec<&str> = cells
            .last()
            .into_iter()
            .flat_map(|cell| cell.split('`').skip(1).step_by(2))
            .collect();
        if names.is_empty() {
            say("no test is named".to_owned());
        }
        for name in names.iter().filter(|name| !tests.has(name)) {
            say(format!("there is no test `{name}`"));
        }
    }
    if numbers != (1..=SCENARIO_COUNT).collect::<Vec<_>>() {
        let what = format!("the scenarios are not 1 to {SCENARIO_COUNT}, each once, in order");
        violations.push(Violation::new(LIST, what));
    }
    violations
}

/// The cells of a line of a table that is neither its head nor the line below that.
fn cells(line: &str) -> Option<Vec<&str>> {
    let cells: Vec<&str> = line
        .strip_prefix('|')?
        .strip_suffix('|')?
        .split('|')
        .map(str::trim)
        .collect();
    let is_head = cells.last() == Some(&"tests");
    let is_rule = cells.iter().all(|cell| cell.chars().all(|c| c == '-'));
    (!is_head && !is_rule).then_some(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let mut tests = Tests::default();
        let source = "TEST_F(self, one_thing)\nTEST(another)\nstatic void a_third(void)\n";
        tests.add(Path::new("some/abi_test.c"), source);
        tests.add(Path::new("some/abi_test.rs"), "fn a_fourth() {\n");
        check(text, &tests)
            .into_iter()
            .map(|violation| violation.what)
            .collect()
    }

    fn list(rows: impl Iterator<Item = usize>) -> String {
        let rows: String = rows
            .map(|row| format!("| {row} | a | b | `abi_test.one_thing` `abi_test.another` |\n"))
            .collect();
        format!("| # | what | expected | tests |\n|---|---|---|---|\n{rows}")
    }

    #[test]
    fn a_complete_list_of_tests_that_exist_is_good() {
        let more = "\n| what | how | tests |\n|---|---|---|\n| a | b | `abi_test.a_third` |\n";
        assert_eq!(found(&(list(1..=52) + more)), [""; 0]);
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(found(&list(1..=51)).len(), 1);
        assert_eq!(found(&list((1..=52).rev())).len(), 1);
        for name in [
            "abi_test.a_fourth",
            "abi_test",
            "other_test.another",
            "abi_test.an",
        ] {
            let row = format!("| a | b | `abi_test.another` `{name}` |\n");
            let told = format!("line 55: there is no test `{name}`");
            assert_eq!(found(&(list(1..=52) + &row)), [told]);
        }
        let bare = list(1..=52) + "| a | b | c |\n";
        assert_eq!(found(&bare), ["line 55: no test is named"]);
    }
}
