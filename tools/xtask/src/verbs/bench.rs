// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `bench`: counts the instructions of the calls and of what they are compared with.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::bench::baseline::{self, Comparison};
use crate::bench::goals::{self, Goal};
use crate::bench::{guest, plot, table, Results};
use crate::cli::BenchArgs;
use crate::util::files::read_text;
use crate::util::marks;
use crate::util::paths::Paths;

/// What is made of the figures for people and machines.
const DIR: &str = "docs/performance";
/// The page that shows them, between two marks.
const PAGE: &str = "docs/performance.md";
const BEGIN: &str = "<!-- Written by cargo xtask bench --save -->\n";
const END: &str = "<!-- The end of what it writes -->\n";

/// Runs the verb.
pub(crate) fn run(paths: &Paths, args: &BenchArgs) -> Result<u8> {
    let results = guest::run(paths, args)?;
    if args.json {
        print!("{}", results.to_json_lines()?);
    } else {
        print!("{}", table::table(&results));
    }
    // With --json, standard output is for machines alone.
    let say = |text: &str| match args.json {
        true => eprintln!("{text}"),
        false => println!("{text}"),
    };
    let goals = goals::judge(&results);
    say("");
    for goal in &goals {
        say(&goal.to_string());
    }
    if args.save {
        save(paths, &results, &goals)?;
        say(&format!("figures and plots are in {DIR} and in {PAGE}"));
    }
    if args.update_baseline {
        let path = baseline::update(paths, &results)?;
        say(&format!("the baseline is in {}", path.display()));
    }
    let mut failed = false;
    if args.check {
        failed |= !check(paths, &results, &say)?;
    }
    if args.check_goals && goals.iter().any(|goal| goal.reached != Some(true)) {
        say("bench: failed: not all goals are reached");
        failed = true;
    }
    Ok(u8::from(failed))
}

/// Compares with the baseline; false if something has become worse.
fn check(paths: &Paths, results: &Results, say: &impl Fn(&str)) -> Result<bool> {
    say("");
    match baseline::compare(paths, results)? {
        Comparison::NotComparable(differences) => {
            for difference in differences {
                say(&format!("warning: {difference}"));
            }
            say("bench: not comparable with the baseline, so nothing was checked");
            Ok(true)
        }
        Comparison::Compared {
            failures,
            better,
            count,
        } => {
            for better in better {
                say(&format!("better: {better}"));
            }
            for failure in &failures {
                say(&format!("failed: {failure}"));
            }
            say(&match failures.len() {
                0 => format!("bench: none of {count} figures is over its baseline"),
                failed => format!("bench: {failed} of {count} figures failed"),
            });
            Ok(failures.is_empty())
        }
    }
}

/// Writes the figures, the plots, and the page's part that shows them.
fn save(paths: &Paths, results: &Results, goals: &[Goal]) -> Result<()> {
    let dir = paths.root.join(DIR);
    fs::create_dir_all(&dir)?;
    write(&dir.join("figures.jsonl"), &results.to_json_lines()?)?;
    for (file, svg) in plot::all(results)? {
        write(&dir.join(file), &svg)?;
    }
    let page = paths.root.join(PAGE);
    let text = marks::replaced(&read_text(&page)?, BEGIN, END, &shown(results, goals))
        .with_context(|| format!("{} has lost its marks", page.display()))?;
    write(&page, &text)
}

/// The figures as the page shows them.
fn shown(results: &Results, goals: &[Goal]) -> String {
    let made_with: String = results
        .provenance
        .entries()
        .iter()
        .map(|(name, value)| format!("{name}: {value}\n"))
        .collect();
    let goals: String = goals.iter().map(|goal| format!("{goal}\n")).collect();
    format!(
        "```\n{}\n{made_with}```\n\n```\n{goals}```\n",
        table::table(results)
    )
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
