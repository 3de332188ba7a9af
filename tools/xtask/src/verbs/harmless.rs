// SPDX-License-Identifier: GPL-2.0 OR MIT

//! `harmless`: what the patch adds to a kernel, and that it changes nothing else of it.

mod code;
mod object_code;
mod results;
mod run;
mod selftests;
mod table;

use anyhow::{bail, Context, Result};

use crate::cli::HarmlessArgs;
use crate::kernel::build::{self, build_dir};
use crate::kernel::{Flavour, Variant};
use crate::setup::packages;
use crate::util::files::{read_text, write_if_changed};
use crate::util::marks;
use crate::util::paths::Paths;
use crate::verbs::Workshop;
use code::{compare, Comparison, KernelCode};
use run::Results;

/// The product kernel without the patch, which does not know the patch's symbols.
const PLAIN: Variant = Variant {
    name: "plain",
    flavour: Flavour::Product,
    left_out: &["CONFIG_SIGCR", "CONFIG_SIGCR_KUNIT_TEST"],
};

/// The product kernel without the unit tests, which nobody but its developers has. Only what is made
/// from Rust is built so: all else is the same.
const SHIPPED: Variant = Variant {
    name: "shipped",
    flavour: Flavour::Product,
    left_out: &["CONFIG_SIGCR_KUNIT_TEST"],
};

/// The page that shows the tables, each part between two marks.
const PAGE: &str = "docs/harmless.md";
const END: &str = "<!-- The end of what it writes -->\n";

/// The mark before a part of the page.
fn begin(part: &str) -> String {
    format!("<!-- Written by cargo xtask harmless --save: {part} -->\n")
}

/// Runs the verb.
pub(crate) fn run(paths: &Paths, args: &HarmlessArgs) -> Result<u8> {
    let workshop = Workshop::open(paths, &args.tree)?;
    let Workshop { base, tools, .. } = &workshop;
    packages::ensure_selftests(paths)?;
    let version = workshop.tree.version.clone();
    let user_tree = args.tree.tree.as_deref();
    let patched = workshop.kernel(Flavour::Product)?;
    let plain = build::build_plain(paths, base, tools, user_tree, &workshop.tree, PLAIN)?;

    let tree = &workshop.tree;
    let shipped = build::build_folder(paths, base, tools, tree, SHIPPED, "kernel/sigcr")?;

    let code = |name: &str| {
        let out = build_dir(paths, &workshop.tree, name);
        KernelCode::read(tools, &out, &format!("reading the {name} kernel"))
    };
    let mut patched_code = code(Flavour::Product.name())?;
    patched_code.take(&shipped, &["kernel/sigcr/", "rust/"])?;
    let comparison = compare(&code(PLAIN.name)?, &patched_code);
    let text = table::code(&comparison);
    print!("{text}");
    if args.save {
        save(paths, "code", &format!("Linux {version}.\n\n{text}"))?;
    }
    let mut failures = comparison.failures();
    let mut ran = None;
    if !args.code_only {
        let tests = selftests::build(paths, tools, &workshop.tree)?;
        let sessions = run::sessions(&workshop, &tests, [&plain, &patched])?;
        // The sessions have copies; others may build while the guests run.
        drop(workshop);
        let results = run::run(&sessions, &tests, args.filter.as_deref())?;
        if results.rows.is_empty() {
            bail!("no selftest has such a name");
        }
        let selftests = table::selftests(&results, &tests);
        print!("\n{selftests}");
        if args.save {
            save(
                paths,
                "selftests",
                &format!("Linux {version}.\n\n{selftests}"),
            )?;
        }
        failures.extend(results.failures());
        ran = Some(results);
    }
    println!();
    for failure in &failures {
        println!("failed: {failure}");
    }
    println!("{}", verdict(&comparison, ran.as_ref(), failures.len()));
    Ok(u8::from(!failures.is_empty()))
}

/// The line that a run ends with.
fn verdict(comparison: &Comparison, results: Option<&Results>, failures_count: usize) -> String {
    let programs = match results {
        Some(results) => format!("{} selftest programs compared", results.rows.len()),
        None => "no selftests were run".to_owned(),
    };
    format!(
        "harmless: {}: {} functions are the same and {} are not; {programs}",
        match failures_count {
            0 => "passed".to_owned(),
            count => format!("{count} FAILED"),
        },
        comparison.same_count,
        comparison.differences.len(),
    )
}

/// Writes a part of the page.
fn save(paths: &Paths, part: &str, text: &str) -> Result<()> {
    let page = paths.root.join(PAGE);
    let new = replaced(&read_text(&page)?, part, text).with_context(|| PAGE.to_owned())?;
    write_if_changed(&page, new.as_bytes(), false)?;
    println!("\nthis is now in {PAGE}");
    Ok(())
}

/// The page with something else in one of its parts.
fn replaced(page: &str, part: &str, text: &str) -> Result<String> {
    let begin = begin(part);
    let Some((before, rest)) = page.split_once(&begin) else {
        bail!("no line {}", begin.trim());
    };
    let rest = marks::replaced(
        &format!("{begin}{rest}"),
        &begin,
        END,
        &format!("\n{text}\n"),
    )?;
    Ok(format!("{before}{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_the_page_is_replaced_by_itself() {
        let page = format!(
            "a\n{}{END}b\n{}old\n{END}c\n",
            begin("code"),
            begin("selftests")
        );
        let new = replaced(&page, "selftests", "new\n").unwrap();
        assert_eq!(
            new,
            format!(
                "a\n{}{END}b\n{}\nnew\n\n{END}c\n",
                begin("code"),
                begin("selftests")
            )
        );
        let both = replaced(&new, "code", "more\n").unwrap();
        assert!(both.contains("more\n") && both.contains("new\n") && both.ends_with("c\n"));
        assert!(replaced("a\n", "code", "new\n").is_err());
    }
}
