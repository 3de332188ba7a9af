// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Rules for who may use what: the directions of dependencies.

use std::path::Path;

use super::Violation;

/// Words that must not be in the code of some files.
struct Ban {
    /// Which files: a prefix of the path.
    below: &'static str,
    /// The part of these that may.
    except: Option<&'static str>,
    /// Code words that are not allowed there.
    words: &'static [&'static str],
    why: &'static str,
}

const FUZZ: &str = "selftests/cases/src/fuzz_cases/";

const BANS: &[Ban] = &[
    Ban {
        below: "kernel-patch/tree/kernel/sigcr/record",
        except: None,
        words: &[
            "kernel::",
            "std::",
            "alloc::",
            "libc::",
            "bindings::",
            "zerocopy",
            "unsafe",
        ],
        why: "the decoder is shared with user space: core only, no unsafe, no allocation",
    },
    Ban {
        below: "tools/sigcr/",
        except: None,
        words: &["sigcr_sys", "sigcr-sys"],
        why: "the tool uses the library, not the raw bindings",
    },
    Ban {
        below: "selftests/cases/src/",
        // Hostile records have to get past what the library refuses.
        except: Some(FUZZ),
        words: &["sigcr_sys", "sigcr-sys"],
        why: "the cases use the library, not the raw bindings",
    },
    Ban {
        below: "libsigcr/src/capi",
        except: None,
        words: &["syscall::sigckpt", "syscall::sigrestore"],
        why: "the C interface calls the safe one",
    },
    Ban {
        below: "kernel-patch/tree/tools/testing/selftests",
        except: None,
        words: &["<sigcr.h>", "-lsigcr"],
        why: "the kselftests are the second reader of the ABI and use its header only",
    },
];

/// Checks one file.
pub(crate) fn check(path: &Path, text: &str) -> Vec<Violation> {
    let Some(name) = path.to_str() else {
        return Vec::new();
    };
    let mut violations = Vec::new();
    let holds = |ban: &&Ban| {
        name.starts_with(ban.below) && !ban.except.is_some_and(|except| name.starts_with(except))
    };
    for ban in BANS.iter().filter(holds) {
        for (index, line) in code_lines(text) {
            for word in ban.words {
                if uses(line, word) {
                    let what = format!("line {}: `{word}`: {}", index + 1, ban.why);
                    violations.push(Violation::new(path, what));
                }
            }
        }
    }
    violations.extend(kernel_leaf(name, text).map(|what| Violation::new(path, what)));
    if name.ends_with("Cargo.toml") && !name.starts_with("tools/xtask") {
        let depends = text.lines().any(|line| line.starts_with("xtask"));
        violations.extend(depends.then(|| Violation::new(path, "nothing may depend on xtask")));
    }
    violations
}

/// Kernel code of ours is safe code over the abstractions; only the entry points that C calls are
/// not, and those are in the crate's root.
fn kernel_leaf(name: &str, text: &str) -> Option<String> {
    let file = name.strip_prefix("kernel-patch/tree/kernel/sigcr/")?;
    if !file.ends_with(".rs") || file.starts_with("record") {
        return None;
    }
    let mut in_export = false;
    for (index, line) in code_lines(text) {
        if file == "sigcr.rs" {
            if line.starts_with("#[export]") {
                in_export = true;
            } else if line.starts_with('}') {
                in_export = false;
            }
        }
        let bad = ["bindings::", "unsafe"]
            .into_iter()
            .find(|word| uses(line, word));
        if let (Some(word), false) = (bad, in_export) {
            return Some(format!(
                "line {}: `{word}` belongs into rust/kernel/, or into an #[export] function of the root",
                index + 1
            ));
        }
    }
    None
}

/// Returns the lines that have code in them, without their comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index, line.split("//").next().unwrap_or(line)))
        // The one line that makes unit tests run in the kernel as well is for the kernel only.
        .filter(|(_, line)| !(line.trim().is_empty() || line.contains("kunit_tests(")))
}

/// Is the word in the line, and not as part of a longer one?
fn uses(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let word_ends_open = word.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        !(is_part(before) || (word_ends_open && is_part(after)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> bool {
        !check(Path::new(path), text).is_empty()
    }

    #[test]
    fn the_decoder_must_stay_free_of_its_hosts() {
        for file in ["record.rs", "record/wire.rs"] {
            let path = format!("kernel-patch/tree/kernel/sigcr/{file}");
            assert!(found(&path, "use kernel::prelude::*;\n"));
            assert!(found(&path, "let v = std::vec::Vec::new();\n"));
            assert!(found(&path, "let x = unsafe { *p };\n"));
            let for_both = "#[cfg_attr(X, kernel::macros::kunit_tests(y))]\n";
            assert!(!found(&path, for_both));
            assert!(!found(
                &path,
                "#![forbid(unsafe_code)]\n// unsafe std::\nuse core::fmt;\n"
            ));
        }
    }

    #[test]
    fn kernel_code_is_unsafe_only_in_the_functions_that_c_calls() {
        let leaf = "kernel-patch/tree/kernel/sigcr/checkpoint.rs";
        assert!(found(leaf, "let x = unsafe { f() };\n"));
        assert!(found(leaf, "use kernel::bindings::task_struct;\n"));
        assert!(!found(
            leaf,
            "//! Says unsafe in words.\nuse kernel::task::Task;\n"
        ));
        let root = "kernel-patch/tree/kernel/sigcr/sigcr.rs";
        let export = "#[export]\nunsafe extern \"C\" fn f() {\n    unsafe { g() }\n}\n";
        assert!(!found(root, export));
        assert!(found(
            root,
            &format!("{export}fn h() {{ unsafe {{ g() }} }}\n")
        ));
    }

    #[test]
    fn programs_must_not_go_around_the_library() {
        assert!(found(
            "tools/sigcr/src/cli.rs",
            "use sigcr_sys::SIGCR_MAGIC;\n"
        ));
        assert!(found(
            "selftests/cases/src/lib_cases/own.rs",
            "use sigcr_sys::SIGCR_MAGIC;\n"
        ));
        // Hostile records have to get past what the library refuses.
        assert!(!found(
            "selftests/cases/src/fuzz_cases/attack.rs",
            "use sigcr_sys::SIGCR_MAGIC;\n"
        ));
        assert!(!found(
            "libsigcr/src/syscall.rs",
            "use sigcr_sys::SIGCR_MAGIC;\n"
        ));
        assert!(found(
            "libsigcr/src/capi.rs",
            "let r = crate::syscall::sigckpt();\n"
        ));
        assert!(!found(
            "libsigcr/src/capi.rs",
            "match pidfd { syscall::PIDFD_SELF => () }\n"
        ));
        let kselftest = "kernel-patch/tree/tools/testing/selftests/sigcr/abi_test.c";
        assert!(found(kselftest, "#include <sigcr.h>\n"));
        assert!(!found(kselftest, "#include <linux/sigcr.h>\n"));
    }

    #[test]
    fn nothing_depends_on_the_build_automation() {
        assert!(found(
            "libsigcr/Cargo.toml",
            "xtask = { path = \"../tools/xtask\" }\n"
        ));
    }
}
