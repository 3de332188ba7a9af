// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The manual pages of the system calls: they say what the header and the normative text say.

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The errors of a call in their order, by the tables of the normative text: each row has one or
/// several errnos that stand for the same cause.
fn errors_by_the_text(call: &str) -> Vec<Vec<String>> {
    let text = read("kernel-patch/tree/Documentation/userspace-api/sigcr.rst");
    let section = text.split(&format!("\n{call}()\n===")).nth(1).unwrap();
    let table = section
        .split("in the order in which they win:")
        .nth(1)
        .unwrap();
    let table = table.split("=============== ").nth(1).unwrap();
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut goes_on = false;
    for line in table.lines().skip(1) {
        let errno = line
            .strip_prefix("``")
            .and_then(|rest| rest.split_once("``"));
        let Some((errno, rest)) = errno else { continue };
        if !goes_on {
            rows.push(Vec::new());
        }
        rows.last_mut().unwrap().push(errno.to_owned());
        goes_on = rest.starts_with(',');
    }
    rows
}

/// The same by the manual page.
fn errors_by_the_page(page: &str) -> Vec<Vec<String>> {
    let errors = page.split("\n.Sh ERRORS\n").nth(1).unwrap();
    let errors = errors.split("\n.Sh ").next().unwrap();
    let rows = errors
        .lines()
        .filter_map(|line| line.strip_prefix(".It Bq "));
    rows.map(|row| {
        let errnos = row.split("Er ").skip(1);
        errnos
            .map(|word| word.trim_end_matches([' ', ',']).to_owned())
            .collect()
    })
    .collect()
}

#[test]
fn the_errors_stand_in_the_order_of_the_normative_text() {
    for (call, row_count_min) in [("sigckpt", 15), ("sigrestore", 30)] {
        let by_the_text = errors_by_the_text(call);
        assert!(by_the_text.len() >= row_count_min, "{by_the_text:?}");
        let page = read(&format!("docs/man/{call}.2"));
        assert_eq!(errors_by_the_page(&page), by_the_text, "{call}");
    }
}

#[test]
fn every_flag_and_number_of_the_header_is_there() {
    let header = read("kernel-patch/tree/include/uapi/linux/sigcr.h");
    for call in ["SIGCKPT", "SIGRESTORE"] {
        let page = read(&format!("docs/man/{}.2", call.to_lowercase()));
        let names = header.lines().filter_map(|line| {
            let name = line.strip_prefix("#define ")?.split_whitespace().next()?;
            (name.starts_with(&format!("{call}_")) || name.ends_with(&format!("_NR_{call}")))
                .then_some((name, line.split_whitespace().last()?))
        });
        let mut count = 0;
        for (name, value) in names {
            assert!(page.contains(&format!("Dv {name}")), "{name}");
            if name.starts_with("SIGCR_NR_") {
                assert!(page.contains(&format!("is {value} on every")), "{name}");
            }
            count += 1;
        }
        assert!(count >= 3, "{count} names of {call}");
    }
}
