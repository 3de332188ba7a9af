// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Counts the places where the compiler has to trust us, so that growth is seen.

use anyhow::Result;

use crate::tidy::sources;
use crate::util::files::read_text;
use crate::util::paths::Paths;

/// Prints the count of each file that has any.
pub(crate) fn print(paths: &Paths) -> Result<()> {
    let mut total_count = 0;
    println!("unsafe sites:");
    for path in sources::list(paths)? {
        if path.extension().is_none_or(|ext| ext != "rs") || sources::is_generated(&path) {
            continue;
        }
        let count = count(&read_text(&paths.root.join(&path))?);
        total_count += count;
        if count > 0 {
            println!("{count:5} {}", path.display());
        }
    }
    println!("{total_count:5} in all");
    Ok(())
}

/// Counts `unsafe` blocks, functions, impls and externs, but neither comments nor strings on lines
/// of their own.
pub(crate) fn count(text: &str) -> usize {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or(line))
        .map(|code| {
            [
                "unsafe {",
                "unsafe fn ",
                "unsafe impl",
                "unsafe extern",
                "unsafe trait ",
            ]
            .iter()
            .map(|site| {
                code.match_indices(site)
                    // A site in a string is a text about it.
                    .filter(|(at, _)| code[..*at].matches('"').count() % 2 == 0)
                    .count()
            })
            .sum::<usize>()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_functions_and_impls_count_and_comments_do_not() {
        let text = "// unsafe { }\nlet x = unsafe { f() };\nunsafe fn g() {}\n\
                    unsafe impl Send for X {}\nlet s = \"unsafe { }\"; // unsafe { }\n";
        assert_eq!(count(text), 3);
    }
}
