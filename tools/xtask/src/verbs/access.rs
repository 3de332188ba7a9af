// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `access`: the table of who may, made from the one that the kselftest tries case by case.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{bail, Context, Result};

use crate::util::files::{read_text, write_if_changed};
use crate::util::marks::replaced;
use crate::util::paths::Paths;

/// The table that is tried.
const SOURCE: &str = "kernel-patch/tree/tools/testing/selftests/sigcr/access_table.h";
/// The table that is read.
pub(crate) const DOCUMENT: &str = "docs/access.md";

/// The table stands between these lines.
const BEGIN: &str = "<!-- Made by `cargo xtask access`; do not edit. -->\n";
const END: &str = "<!-- End of the table. -->\n";

/// Runs the verb.
pub(crate) fn run(paths: &Paths, check: bool) -> Result<u8> {
    let (old, new) = documents(&paths.root)?;
    if check {
        if old != new {
            bail!("{}", complaint());
        }
    } else if write_if_changed(&paths.root.join(DOCUMENT), new.as_bytes(), false)? {
        println!("{DOCUMENT} has changed");
    }
    Ok(0)
}

/// What is wrong with the document, if it is not what the test has.
pub(crate) fn violation(paths: &Paths) -> Result<Option<String>> {
    let (old, new) = documents(&paths.root)?;
    Ok((old != new).then(complaint))
}

fn complaint() -> String {
    format!("not the table of {SOURCE}; run `cargo xtask access` and commit the result")
}

/// Returns the document as it is and as it should be.
fn documents(root: &Path) -> Result<(String, String)> {
    let table = table(&read_text(&root.join(SOURCE))?).with_context(|| SOURCE.to_owned())?;
    let old = read_text(&root.join(DOCUMENT))?;
    let between = format!("\n{table}\n");
    let new = replaced(&old, BEGIN, END, &between).with_context(|| DOCUMENT.to_owned())?;
    Ok((old, new))
}

/// Makes the table in Markdown.
fn table(source: &str) -> Result<String> {
    let targets = texts(source, "access_target");
    let callers = texts(source, "access_caller");
    let modules = entries(source, "access_module_texts")?;
    let calls = entries(source, "access_call_texts")?;
    let mut head = vec!["target", "caller", "module"];
    head.extend(calls.iter().map(|(_, text)| *text));

    let mut table = line(&head);
    table += &line(&vec!["---"; head.len()]);
    for row in rows(source)? {
        let [target, caller, module, answers @ ..] = &row[..] else {
            bail!("a row of {} parts", row.len());
        };
        let modules: BTreeMap<&str, &str> = modules.iter().copied().collect();
        let text = |of: &BTreeMap<&str, &'_ str>, name: &str| {
            let name = name.trim_start_matches('&');
            of.get(name)
                .map(|text| (*text).to_owned())
                .with_context(|| format!("`{name}` has no text"))
        };
        let mut cells = vec![
            text(&targets, target)?,
            text(&callers, caller)?,
            text(&modules, module)?,
        ];
        if answers.len() != calls.len() {
            bail!(
                "{} answers to {} calls: {row:?}",
                answers.len(),
                calls.len()
            );
        }
        cells.extend(answers.iter().map(|answer| match *answer {
            "0" => "yes".to_owned(),
            errno => format!("`{}`", errno.trim_start_matches('-')),
        }));
        table += &line(&cells);
    }
    Ok(table)
}

fn line(cells: &[impl AsRef<str>]) -> String {
    let mut line = "|".to_owned();
    for cell in cells {
        line += &format!(" {} |", cell.as_ref());
    }
    line + "\n"
}

/// Returns the `.text` of each constant of the type `kind`, by its name.
fn texts<'a>(source: &'a str, kind: &str) -> BTreeMap<&'a str, &'a str> {
    let one = |definition: &'a str| {
        let (name, rest) = definition.split_once(" = {")?;
        let (body, _) = rest.split_once("};")?;
        let (_, text) = body.split_once(".text = \"")?;
        Some((name, text.split_once('"')?.0))
    };
    source
        .split(&format!("static const struct {kind} "))
        .skip(1)
        .filter_map(one)
        .collect()
}

/// Returns the entries `[NAME] = "text",` of an array of texts.
fn entries<'a>(source: &'a str, array: &str) -> Result<Vec<(&'a str, &'a str)>> {
    let entry = |line: &'a str| {
        let (name, text) = line.trim().strip_prefix('[')?.split_once("] = \"")?;
        Some((name, text.strip_suffix("\",")?))
    };
    Ok(body(source, array)?.lines().filter_map(entry).collect())
}

/// Returns the rows, each in its parts.
fn rows(source: &str) -> Result<Vec<Vec<&str>>> {
    let rows: Vec<Vec<&str>> = body(source, "access_rows")?
        .split("} },")
        .map(|row| {
            // A comment stands before a row, on lines of its own.
            let row = row.rsplit_once("*/").map_or(row, |(_, row)| row);
            row.split(['{', ','])
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect()
        })
        .filter(|row: &Vec<&str>| !row.is_empty())
        .collect();
    if rows.is_empty() {
        bail!("no rows");
    }
    Ok(rows)
}

fn body<'a>(source: &'a str, array: &str) -> Result<&'a str> {
    let body = || {
        source
            .split_once(&format!("{array}[] = {{"))?
            .1
            .split_once("\n};")
    };
    Ok(body()
        .with_context(|| format!("there is no array `{array}`"))?
        .0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
static const char * const access_call_texts[] = {
\t[CHECKPOINT] = \"checkpoint\",
\t[PLAIN] = \"restore\",
};
static const char * const access_module_texts[] = {
\t[NO_MODULE] = \"\",
\t[YAMA_1] = \"Yama 1\",
};
static const struct access_target owned = {
\t.text = \"process of user A\",
\t.setup = be_owned,
};
static const struct access_caller user = {
\t.text = \"user A\",
};
static const struct access_row {
\tlong answers[2];
} access_rows[] = {
\t/* Users, and what they may. */
\t{ &owned, &user, NO_MODULE, { 0, -EBUSY } },
\t{ &owned, &user, YAMA_1,
\t  { -EPERM, -EPERM } },
};
";

    #[test]
    fn the_table_is_made_of_the_rows_and_their_texts() {
        assert_eq!(
            table(SAMPLE).unwrap(),
            "| target | caller | module | checkpoint | restore |\n\
             | --- | --- | --- | --- | --- |\n\
             | process of user A | user A |  | yes | `EBUSY` |\n\
             | process of user A | user A | Yama 1 | `EPERM` | `EPERM` |\n"
        );
    }

    #[test]
    fn what_cannot_be_read_as_a_table_is_refused() {
        for (from, to, why) in [
            (
                "&owned, &user, YAMA",
                "&nobody, &user, YAMA",
                "`nobody` has no text",
            ),
            ("{ -EPERM, -EPERM }", "{ -EPERM }", "1 answers to 2 calls"),
            ("access_rows[]", "rows[]", "no array `access_rows`"),
        ] {
            let error = table(&SAMPLE.replace(from, to)).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
        let none = SAMPLE.split("\t{ &owned").next().unwrap().to_owned() + "\n};\n";
        assert!(table(&none).is_err());
    }
}
