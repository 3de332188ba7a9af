// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Compares the object code of two kernels, function by function, and what they take of memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::object_code::{self, ObjectCode, Size};
use crate::setup::tools::Tools;
use crate::util::command::capture;
use crate::util::files::read;
use crate::util::progress::Progress;

/// The code of a kernel.
pub(super) struct KernelCode {
    /// What the whole kernel takes.
    size: Size,
    /// Its object files, by path.
    objects: BTreeMap<String, ObjectCode>,
}

/// Functions on the paths of sending and delivering a signal, of timers and of stops.
pub(super) const HOT: &[&str] = &[
    "__send_signal_locked",
    "send_signal_locked",
    "do_send_sig_info",
    "group_send_sig_info",
    "kill_pid_info",
    "force_sig_info_to_task",
    "complete_signal",
    "prepare_signal",
    "signal_wake_up_state",
    "sigqueue_alloc",
    "__sigqueue_alloc",
    "__sigqueue_free",
    "posixtimer_queue_signal",
    "posixtimer_send_sigqueue",
    "posixtimer_deliver_signal",
    "posixtimer_sig_ignore",
    "posix_timer_fn",
    "it_real_fn",
    "recalc_sigpending",
    "recalc_sigpending_tsk",
    "calculate_sigpending",
    "next_signal",
    "dequeue_signal",
    "__dequeue_signal",
    "collect_signal",
    "get_signal",
    "signal_setup_done",
    "do_sigaction",
    "sigprocmask",
    "set_current_blocked",
    "__set_current_blocked",
    "__set_task_blocked",
    "flush_signals",
    "flush_sigqueue_mask",
    "exit_signals",
    "do_notify_parent",
    "do_notify_parent_cldstop",
    "do_notify_pidfd",
    "ptrace_stop",
    "ptrace_notify",
    "do_signal_stop",
    "do_sigtimedwait",
    "signalfd_dequeue",
    "signalfd_poll",
    "signalfd_read_iter",
    "arch_do_signal_or_restart",
    "x64_setup_rt_frame",
    "ia32_setup_rt_frame",
    "get_sigframe",
    "__x64_sys_rt_sigreturn",
    "exit_to_user_mode_loop",
    "copy_process",
    "release_task",
    "do_syscall_64",
    "x64_sys_call",
    "ia32_sys_call",
];

/// Functions that are meant to be new, by file and name, and why. A `*` stands for anything.
const NEW: &[(&str, &str, &str)] = &[
    ("*", "sigcr_*", "called by the patch alone"),
    (
        "kernel/sys_ni.o",
        "__*_sys_sig*",
        "what the calls are in a kernel that is configured without them",
    ),
    (
        "rust/helpers/helpers.o",
        "rust_helper_*",
        "an inline function of C for Rust, called by the patch alone",
    ),
    (
        "rust/kernel.o",
        "*_6kernel6signal*",
        "the abstractions of signal state, called by the patch alone",
    ),
];

/// Why the functions of `rust/kernel.o` that let go of a vector are others.
const EMPTY_VECTOR: &str =
    "a vector that has no memory does not ask the allocator to free it (patch 1 of the series)";

/// Functions that are meant to be others, and why.
const CHANGED: &[(&str, &str, &str)] = &[
    (
        "arch/x86/entry/syscall_*.o",
        "*_sys_call",
        "two more cases in the switch over the numbers of system calls",
    ),
    (
        "rust/kernel.o",
        "*8spinlock5tests39kunit_rust_wrapper_spinlock_irq_condvar",
        "the same instructions; the text that it refers to is the last one of the file, so that its \
         end is not known, and others follow it now",
    ),
    ("rust/kernel.o", "*_6kernel2io3mem*15iomap_exclusive", EMPTY_VECTOR),
    ("rust/kernel.o", "*_6kernel2io8resource*14request_region", EMPTY_VECTOR),
    ("rust/kernel.o", "*_6kernel7cpufreq*8to_table", EMPTY_VECTOR),
    ("rust/kernel.o", "*_6kernel3str*7CString*", EMPTY_VECTOR),
    ("rust/kernel.o", "*_6kernel3str*7CStrExt*", EMPTY_VECTOR),
    ("rust/kernel.o", "*_6kernel*7CString*25read_from_fwnode_property", EMPTY_VECTOR),
    ("rust/kernel.o", "*_6kernel3fmt5tests38kunit_rust_wrapper_test_ptr_formatting", EMPTY_VECTOR),
    (
        "rust/uapi.o",
        "*_4uapi*7Default7default",
        "made by bindgen for the structures of the record, and numbered anew; nothing calls it",
    ),
];

/// A function that is not the same in both kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) object: String,
    pub(super) function: String,
    /// Its length without the patch and with it; none where it is not there.
    lens: [Option<u64>; 2],
}

/// What the comparison found.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Objects that only the patched kernel has, and what they take.
    pub(super) added: Vec<(String, Size)>,
    /// Objects that only the plain kernel has.
    pub(super) gone: Vec<String>,
    /// Objects that both have.
    pub(super) objects_count: usize,
    /// Functions in these that are the same.
    pub(super) same_count: usize,
    /// Those that are not.
    pub(super) differences: Vec<Difference>,
    /// Objects that take more or less than before.
    pub(super) resized: Vec<(String, [Size; 2])>,
    /// Of each hot function, the files that it is in, and whether it is the same there.
    pub(super) hot: Vec<(&'static str, Vec<(String, bool)>)>,
    /// Both kernels as a whole.
    pub(super) sizes: [Size; 2],
}

impl KernelCode {
    /// Reads the object files that a kernel was linked from.
    pub(super) fn read(tools: &Tools, out: &Path, what: &str) -> Result<Self> {
        let vmlinux = read(&out.join("vmlinux"))?;
        let vmlinux = object::File::parse(&*vmlinux).context("vmlinux")?;
        let paths = linked(tools, out)?;
        let mut progress = Progress::items(what, paths.len() as u64);
        let mut objects = BTreeMap::new();
        for path in paths {
            progress.set(objects.len() as u64 + 1);
            progress.message(&path);
            let code = read(&out.join(&path))
                .and_then(|bytes| object_code::read(&bytes))
                .with_context(|| path.clone())?;
            objects.insert(path, code);
        }
        progress.done();
        Ok(Self {
            size: object_code::size(&vmlinux),
            objects,
        })
    }

    /// Takes those object files of some folders that another build has.
    pub(super) fn take(&mut self, out: &Path, folders: &[&str]) -> Result<()> {
        for (path, code) in &mut self.objects {
            let wanted = folders.iter().any(|folder| path.starts_with(folder));
            if wanted && out.join(path).exists() {
                *code = object_code::read(&read(&out.join(path))?).with_context(|| path.clone())?;
            }
        }
        Ok(())
    }
}

/// The object files in the archives that the linker takes.
fn linked(tools: &Tools, out: &Path) -> Result<Vec<String>> {
    let mut paths = BTreeSet::new();
    for archive in ["vmlinux.a", "lib/lib.a", "arch/x86/lib/lib.a"] {
        let mut ar = Command::new(tools.llvm_bin.join("llvm-ar"));
        let list = capture(ar.arg("t").arg(out.join(archive)))?;
        let inside = |path: &str| {
            let path = Path::new(path);
            Some(path.strip_prefix(out).unwrap_or(path).to_str()?.to_owned())
        };
        paths.extend(list.lines().filter_map(inside));
    }
    Ok(paths.into_iter().collect())
}

/// Compares a kernel without the patch with one that has it.
pub(super) fn compare(plain: &KernelCode, patched: &KernelCode) -> Comparison {
    let mut comparison = Comparison {
        sizes: [plain.size, patched.size],
        ..Comparison::default()
    };
    let mut hot: BTreeMap<&str, Vec<(String, bool)>> = BTreeMap::new();
    for (path, old) in &plain.objects {
        let Some(new) = patched.objects.get(path) else {
            comparison.gone.push(path.clone());
            continue;
        };
        comparison.objects_count += 1;
        if old.size != new.size {
            comparison
                .resized
                .push((path.clone(), [old.size, new.size]));
        }
        let names: BTreeSet<&String> = old.functions.keys().chain(new.functions.keys()).collect();
        for name in names {
            let pair = [old.functions.get(name), new.functions.get(name)];
            let same = pair[0] == pair[1];
            if let Some(name) = HOT.iter().find(|hot| is_version_of(name, hot)) {
                hot.entry(name).or_default().push((path.clone(), same));
            }
            if same {
                comparison.same_count += 1;
            } else {
                comparison.differences.push(Difference {
                    object: path.clone(),
                    function: name.clone(),
                    lens: pair.map(|function| function.map(|f| f.len())),
                });
            }
        }
    }
    for (path, new) in &patched.objects {
        if !plain.objects.contains_key(path) {
            comparison.added.push((path.clone(), new.size));
        }
    }
    comparison.hot = HOT
        .iter()
        .map(|name| (*name, hot.remove(name).unwrap_or_default()))
        .collect();
    comparison
}

/// Whether a symbol is a function or what a compiler made of it, such as `name.isra.0`.
fn is_version_of(symbol: &str, function: &str) -> bool {
    symbol
        .strip_prefix(function)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Difference {
    /// Can both be told in one line of a table? So it is where they have one explanation.
    pub(super) fn goes_with(&self, other: &Self) -> bool {
        self.object == other.object
            && self.explanation().is_some()
            && self.explanation() == other.explanation()
    }

    /// How many bytes more it has with the patch.
    pub(super) fn growth(&self) -> i64 {
        let [old, new] = self.lens.map(|len| len.unwrap_or(0) as i64);
        new - old
    }

    /// Its lengths, in words.
    pub(super) fn change(&self) -> String {
        match self.lens {
            [None, Some(new)] => format!("new: {new}"),
            [Some(old), None] => format!("gone: {old}"),
            [old, new] => format!("{} to {}", old.unwrap_or(0), new.unwrap_or(0)),
        }
    }

    /// Why it is meant to differ, if it is.
    pub(super) fn explanation(&self) -> Option<&'static str> {
        let is_new = self.lens[0].is_none();
        NEW.iter()
            .filter(|_| is_new)
            .chain(CHANGED)
            .find(|(object, function, _)| {
                matches(object, &self.object) && matches(function, &self.function)
            })
            .map(|(_, _, why)| *why)
    }
}

/// Whether a text is of a pattern in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, rest)) => text.strip_prefix(begin).is_some_and(|text| {
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|at| matches(rest, &text[at..]))
        }),
    }
}

impl Comparison {
    /// What differs and is not meant to.
    pub(super) fn failures(&self) -> Vec<String> {
        let gone = self
            .gone
            .iter()
            .map(|path| format!("{path} is not there with the patch"));
        let differences = self
            .differences
            .iter()
            .filter(|difference| difference.explanation().is_none())
            .map(|difference| format!("{difference} is not the same"));
        gone.chain(differences).collect()
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {} ({} bytes)",
            self.object,
            self.function,
            self.change()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::object_code::tests::compiled;
    use super::*;

    fn kernel(objects: &[(&str, &str)]) -> KernelCode {
        let objects = objects
            .iter()
            .map(|(path, source)| ((*path).to_owned(), compiled(source)))
            .collect();
        KernelCode {
            size: Size::default(),
            objects,
        }
    }

    #[test]
    fn what_the_patch_adds_is_told_and_what_it_changes_is_a_failure() {
        let signal = "int x; int get_signal(void) { return x; } void next_signal(void) { x++; }\n";
        let plain = kernel(&[
            ("kernel/signal.o", signal),
            ("kernel/fork.o", "int f(void) { return 1; }"),
        ]);
        let added = format!("{signal} void sigcr_new(void) {{ x = 3; }}");
        let patched = [
            ("kernel/signal.o", &*added),
            ("kernel/fork.o", "int f(void) { return 1; }"),
            ("kernel/sigcr/sigcr.o", "int s(void) { return 5; }"),
        ];
        let good = compare(&plain, &kernel(&patched));
        assert_eq!(good.failures(), Vec::<String>::new());
        assert_eq!((good.objects_count, good.same_count), (2, 3));
        assert_eq!(good.differences.len(), 1);
        assert_eq!(good.added[0].0, "kernel/sigcr/sigcr.o");
        assert_eq!(good.resized[0].0, "kernel/signal.o");
        let hot = |comparison: &Comparison, name: &str| {
            let mut hot = comparison.hot.iter();
            hot.find(|(function, _)| *function == name)
                .unwrap()
                .1
                .clone()
        };
        let here = |same| vec![("kernel/signal.o".to_owned(), same)];
        assert_eq!(hot(&good, "get_signal"), here(true));
        assert_eq!(hot(&good, "ptrace_stop"), []);

        let changed = added.replace("return x", "return x + 1");
        let mut bad = patched;
        bad[0].1 = &changed;
        let bad = compare(&plain, &kernel(&bad));
        assert_eq!(bad.failures().len(), 1);
        assert!(bad.failures()[0].starts_with("kernel/signal.o: get_signal ("));
        assert_eq!(hot(&bad, "get_signal"), here(false));

        let gone = compare(&plain, &kernel(&patched[..1]));
        assert_eq!(
            gone.failures(),
            ["kernel/fork.o is not there with the patch"]
        );
        let less = [("kernel/signal.o", "int y;"), patched[1]];
        assert_eq!(compare(&plain, &kernel(&less)).failures().len(), 2);
    }

    #[test]
    fn only_what_is_new_is_explained_as_new() {
        let difference = |object: &str, function: &str, old| Difference {
            object: object.to_owned(),
            function: function.to_owned(),
            lens: [old, Some(1)],
        };
        assert!(difference("fs/a.o", "sigcr_x", None)
            .explanation()
            .is_some());
        assert!(difference("fs/a.o", "sigcr_x", Some(1))
            .explanation()
            .is_none());
        assert!(difference("fs/a.o", "new", None).explanation().is_none());
        let object = "arch/x86/entry/syscall_64.o";
        assert!(difference(object, "x64_sys_call", Some(1))
            .explanation()
            .is_some());
        assert!(difference(object, "do_syscall_64", Some(1))
            .explanation()
            .is_none());
        assert!(matches("a*c*e", "abcde") && matches("a*", "a") && matches("*", ""));
        assert!(!matches("a*c", "abcd") && !matches("a*b", "b") && !matches("ab", "abc"));
    }

    #[test]
    fn a_part_that_the_compiler_made_of_a_function_counts_as_that_function() {
        assert!(is_version_of("get_signal", "get_signal"));
        assert!(is_version_of("get_signal.isra.0", "get_signal"));
        assert!(!is_version_of("get_signal_old", "get_signal"));
    }
}
