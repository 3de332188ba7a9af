// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Rules for the form of a file: its first lines, its size, its line ends.

use std::path::Path;

use super::sources::is_generated;
use super::Violation;

/// Lines of a file, tests not counted, at which it has to be split.
const LINES_COUNT_MAX: usize = 600;
/// Lines of a `main.rs`, which only tells the story.
const MAIN_LINES_COUNT_MAX: usize = 80;

/// What begins a comment, by the end of the file's name.
enum Comments {
    /// `//`, with `//!` for the clause that says what the file is.
    Rust,
    /// `/* */` or `//`.
    C,
    /// `#`.
    Hash,
}

/// Checks one file.
pub(crate) fn check(path: &Path, text: &str) -> Vec<Violation> {
    let mut violations = Vec::new();
    if is_generated(path) {
        return violations;
    }
    if let Some(what) = trailing_white_space(path, text) {
        violations.push(Violation::new(path, what));
    }
    if let Some(comments) = comments(path) {
        violations
            .extend(first_lines(path, text, &comments).map(|what| Violation::new(path, what)));
        violations.extend(size(path, text).map(|what| Violation::new(path, what)));
    }
    violations
}

fn comments(path: &Path) -> Option<Comments> {
    let name = path.file_name()?.to_str()?;
    match name.rsplit_once('.').map_or(name, |(_, ext)| ext) {
        "rs" => Some(Comments::Rust),
        "c" | "h" => Some(Comments::C),
        "toml" | "sh" | "config" | "yml" | "yaml" | "Makefile" | "Kconfig" => Some(Comments::Hash),
        _ => None,
    }
}

/// The licence comes first in code, then one clause that says what the file is.
fn first_lines(path: &Path, text: &str, comments: &Comments) -> Option<String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let mut first = lines.next().unwrap_or_default();
    if matches!(comments, Comments::Hash) && first.starts_with("#!") {
        first = lines.next().unwrap_or_default();
    }
    let has_licence = first.contains("SPDX-License-Identifier: ");
    if !has_licence && !matches!(comments, Comments::Hash) {
        return Some("the first line must be `SPDX-License-Identifier: ...`".to_owned());
    }
    if has_licence {
        let allowed = if path.starts_with("kernel-patch") {
            "GPL-2.0"
        } else {
            "GPL-2.0 OR MIT"
        };
        if !first.contains(allowed) {
            return Some(format!("the licence of this file must be {allowed}"));
        }
        first = lines.next().unwrap_or_default();
    }
    // The kernel's own test frame and build files begin with their first statement.
    let is_kernel_build_file =
        path.starts_with("kernel-patch/tree") && matches!(comments, Comments::Hash);
    let ok = match comments {
        Comments::Rust => first.starts_with("//! ") && first.len() > "//! ".len(),
        Comments::C => first.starts_with("/*") || first.starts_with("//"),
        Comments::Hash => is_kernel_build_file || first.starts_with("# "),
    };
    (!ok).then(|| {
        "the first line behind the licence must say in one clause what the file is".to_owned()
    })
}

fn size(path: &Path, text: &str) -> Option<String> {
    let max = match path.file_name()?.to_str()? {
        "main.rs" => MAIN_LINES_COUNT_MAX,
        _ => LINES_COUNT_MAX,
    };
    // Inline tests come last and do not count.
    let count = text
        .lines()
        .take_while(|line| {
            !(line.starts_with("#[cfg(") && line.to_ascii_lowercase().contains("test"))
        })
        .count();
    // A UAPI header documents every field and cannot be split.
    let exempt = path.starts_with("kernel-patch/tree/include/uapi");
    (count >= max && !exempt).then(|| format!("{count} lines without tests; split it below {max}"))
}

fn trailing_white_space(path: &Path, text: &str) -> Option<String> {
    // In a diff an empty context line is one blank; golden and log texts are as they are.
    let exempt = ["patch", "txt", "tap", "json"];
    if path
        .extension()
        .is_some_and(|ext| exempt.iter().any(|e| ext == *e))
    {
        return None;
    }
    let line = text
        .lines()
        .position(|line| line.ends_with([' ', '\t', '\r']))?;
    Some(format!("white space at the end of line {}", line + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "// SPDX-License-Identifier: GPL-2.0 OR MIT\n\n//! What it is.\n";

    fn found(path: &str, text: &str) -> bool {
        !check(Path::new(path), text).is_empty()
    }

    #[test]
    fn a_file_without_its_first_lines_is_found() {
        assert!(!found("a/b.rs", GOOD));
        assert!(found("a/b.rs", "//! What it is.\n"));
        assert!(found(
            "a/b.rs",
            "// SPDX-License-Identifier: GPL-2.0 OR MIT\n\nuse x;\n"
        ));
        assert!(found(
            "a/b.rs",
            "// SPDX-License-Identifier: GPL-2.0 OR MIT\n\n//! \n"
        ));
        assert!(found("a/b.rs", &GOOD.replace("GPL-2.0 OR MIT", "MIT")));
        assert!(found("a/b.c", "int main;\n"));
        assert!(!found(
            "a/b.c",
            "/* SPDX-License-Identifier: GPL-2.0 OR MIT */\n/* It. */\n"
        ));
        assert!(found("a.toml", "[package]\n"));
        assert!(!found("a.sh", "#!/bin/sh\n# What it is.\n"));
    }

    #[test]
    fn a_file_that_is_too_long_is_found_and_its_tests_do_not_count() {
        let lines = |count: usize| "x\n".repeat(count);
        assert!(found("a/b.rs", &(GOOD.to_owned() + &lines(598))));
        assert!(!found("a/b.rs", &(GOOD.to_owned() + &lines(590))));
        let tests = format!("{GOOD}{}#[cfg(test)]\n{}", lines(500), lines(500));
        assert!(!found("a/b.rs", &tests));
        assert!(found("a/main.rs", &(GOOD.to_owned() + &lines(80))));
    }

    #[test]
    fn white_space_at_the_end_of_a_line_is_found() {
        assert!(found("a/b.rs", &(GOOD.to_owned() + "x \n")));
        assert!(found("README.md", "text\t\n"));
        assert!(!found("a/b.patch", " context\n \n"));
    }

    #[test]
    fn generated_files_are_left_alone() {
        assert!(!found(
            "rust-sys/src/bindings.rs",
            "pub const X: u32 = 1; \n"
        ));
    }
}
