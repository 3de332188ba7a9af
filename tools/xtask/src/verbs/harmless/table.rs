// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The tables of the comparison, in Markdown: for people who run it, and for the page.

use super::code::{Comparison, Difference};
use super::object_code::Size;
use super::results::{listed, Counts};
use super::run::{Results, Row};
use super::selftests::Tests;

/// What the patch adds, and what else of the code it changes.
pub(super) fn code(comparison: &Comparison) -> String {
    [sizes(comparison), differences(comparison), hot(comparison)].join("\n")
}

fn sizes(comparison: &Comparison) -> String {
    let [plain, patched] = comparison.sizes;
    let mut text = String::from("### Size\n\n");
    text += &line(&["bytes", "instructions", "text", "data", "bss"]);
    text += &line(&["---", "--:", "--:", "--:", "--:"]);
    let row = |name: &str, lens: [String; 4]| {
        let [code, text, data, bss] = lens;
        line(&[name, &code, &text, &data, &bss])
    };
    let plain_lens = lens(plain).map(|len| len.to_string());
    text += &row("`vmlinux` without the patch", plain_lens);
    text += &row(
        "`vmlinux` with it",
        lens(patched).map(|len| len.to_string()),
    );
    text += &row(
        "more, with the patch's unit tests",
        growth([plain, patched]),
    );
    for (object, size) in &comparison.added {
        text += &row(
            &format!("new: `{object}`"),
            growth([Size::default(), *size]),
        );
    }
    for (object, sizes) in &comparison.resized {
        text += &row(&format!("`{object}`"), growth(*sizes));
    }
    text +=
        "\nThe whole has the unit tests of the patch in it; the files under `kernel/sigcr` and \
             `rust` are without.\n";
    text
}

fn lens(size: Size) -> [u64; 4] {
    [size.code_len, size.text_len, size.data_len, size.bss_len]
}

fn growth(sizes: [Size; 2]) -> [String; 4] {
    let [old, new] = sizes.map(lens);
    std::array::from_fn(|i| format!("{:+}", new[i] as i64 - old[i] as i64))
}

fn differences(comparison: &Comparison) -> String {
    let mut text = format!(
        "### Functions\n\nBoth kernels have {} object files in common, and in these {} functions \
         that are the same. Not the same are {}:\n\n",
        comparison.objects_count,
        comparison.same_count,
        comparison.differences.len(),
    );
    text += &line(&["file", "function", "bytes", "why"]);
    text += &line(&["---", "---", "--:", "---"]);
    for group in comparison.differences.chunk_by(Difference::goes_with) {
        let first = &group[0];
        let (function, change) = match group {
            [one] => (format!("`{}`", one.function), one.change()),
            many => (format!("{} functions", many.len()), change_of_all(many)),
        };
        let why = first.explanation().unwrap_or("**not explained**");
        text += &line(&[&format!("`{}`", first.object), &function, &change, why]);
    }
    text
}

fn change_of_all(differences: &[Difference]) -> String {
    let growth: i64 = differences.iter().map(Difference::growth).sum();
    format!("{growth:+}")
}

fn hot(comparison: &Comparison) -> String {
    let mut text = String::from(
        "### On the paths of a signal\n\nThe functions that send, queue, dequeue and deliver \
         signals, expire timers, stop and notify, by name:\n\n",
    );
    let mut inlined = Vec::new();
    text += &line(&["function", "file", "code"]);
    text += &line(&["---", "---", "---"]);
    for (name, places) in &comparison.hot {
        if places.is_empty() {
            inlined.push(format!("`{name}`"));
        }
        for (object, same) in places {
            let same = if *same { "the same" } else { "**differs**" };
            text += &line(&[&format!("`{name}`"), &format!("`{object}`"), same]);
        }
    }
    if !inlined.is_empty() {
        text += &format!(
            "\nOf these the compiler has made a part of their callers, in both kernels: {}.\n",
            inlined.join(", ")
        );
    }
    text
}

/// The results of the selftests in both kernels.
pub(super) fn selftests(results: &Results, tests: &Tests) -> String {
    let mut text = String::from("Passed, failed and skipped cases:\n\n");
    text += &line(&["program", "without the patch", "with it", ""]);
    text += &line(&["---", "--:", "--:", "---"]);
    for row in &results.rows {
        let [plain, patched] = row.last().each_ref().map(|result| shown(result.counts()));
        text += &line(&[&format!("`{}`", row.name), &plain, &patched, &verdict(row)]);
    }
    let [plain, patched] = totals(results).map(shown);
    text += &line(&["all", &plain, &patched, &summary(results)]);

    text += "\nWhat fails without the patch:\n\n";
    for row in results
        .rows
        .iter()
        .filter(|row| row.last()[0].counts().failed > 0)
    {
        let cases: Vec<String> = row.last()[0]
            .failed()
            .into_iter()
            .map(|(case, count)| match count {
                1 => format!("`{case}`"),
                _ => format!("`{case}` ({count} times)"),
            })
            .collect();
        let end = row.last()[0].end;
        text += &match cases.is_empty() {
            true => format!("- `{}`: {end}\n", row.name),
            false => format!("- `{}` ({end}): {}\n", row.name, cases.join(", ")),
        };
    }
    let unsteady = results.rows.iter().filter(|row| row.rounds.len() > 1);
    let unsteady: Vec<String> = unsteady.map(rounds).collect();
    if !unsteady.is_empty() {
        text += "\nNot the same in the first round (without / with the patch), so run again:\n\n";
        text += &unsteady.concat();
    }
    let complaints = results.complaints_of_both();
    if !complaints.is_empty() {
        text += "\nWhat both kernels complain about in emulation:\n\n";
        for kind in complaints {
            text += &format!("- {kind}\n");
        }
    }
    text += "\nNot run:\n\n";
    for (name, why) in &tests.left_out {
        text += &format!("- `{name}`: {why}\n");
    }
    text
}

fn rounds(row: &Row) -> String {
    let mut text = format!("- `{}`", row.name);
    for (index, [plain, patched]) in row.rounds.iter().enumerate() {
        let what = match &plain.differences(patched)[..] {
            [] => "the same".to_owned(),
            differences => listed(differences),
        };
        text += &format!("; round {}: {what}", index + 1);
    }
    text + "\n"
}

/// The last cell of the table.
fn summary(results: &Results) -> String {
    let count = results.rows.len();
    let differ = results.rows.iter().filter(|row| row.differs()).count();
    let unsteady = results.rows.iter().filter(|row| !row.agrees()).count() - differ;
    match (differ, unsteady) {
        (0, 0) => format!("{count} programs, all the same"),
        (0, _) => format!("{count} programs, all the same but for {unsteady} unsteady"),
        _ => format!("{differ} of {count} programs differ"),
    }
}

fn verdict(row: &Row) -> String {
    match (row.differs(), row.agrees(), row.rounds.len()) {
        (true, _, _) => "**differs**".to_owned(),
        (_, true, 1) => "same".to_owned(),
        (_, true, round) => format!("same in round {round}"),
        (_, false, _) => "unsteady without the patch".to_owned(),
    }
}

/// The sums over all programs.
pub(super) fn totals(results: &Results) -> [Counts; 2] {
    let mut totals = [Counts::default(); 2];
    for row in &results.rows {
        for (total, result) in totals.iter_mut().zip(row.last()) {
            total.add(result.counts());
        }
    }
    totals
}

fn shown(counts: Counts) -> String {
    format!("{} / {} / {}", counts.passed, counts.failed, counts.skipped)
}

fn line(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}
