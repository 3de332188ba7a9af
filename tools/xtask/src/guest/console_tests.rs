// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The splat detector against texts as kernels print them.

use super::*;

const WARN: &str = "\
[    0.100000] Run /init as init process
[    2.345678][   T42] ------------[ cut here ]------------
[    2.345679][   T42] WARNING: kernel/signal.c:512 at dequeue_signal+0x1/0x2, CPU#1: abi_test/42
[    2.345680][   T42] Modules linked in:
[    2.345681][   T42] RIP: 0010:dequeue_signal+0x1/0x2
[    2.345682][   T42] Call Trace:
[    2.345683][   T42]  <TASK>
[    2.345684][   T42]  do_syscall_64+0x1/0x2
[    2.345685][   T42]  </TASK>
[    2.345686][   T42] ---[ end trace 0000000000000000 ]---
[    2.400000] something harmless
";

const KASAN: &str = "\
[    5.0] ==================================================================
[    5.1] BUG: KASAN: slab-use-after-free in sigqueue_free+0x10/0x20
[    5.1] Write of size 8 at addr ffff888003f5b948 by task restore_test/77
[    5.2] Call Trace:
[    5.2]  <TASK>
[    5.2]  dump_stack_lvl+0x1/0x2
[    5.2]  </TASK>
[    5.3] Freed by task 77:
[    5.3]  kmem_cache_free+0x1/0x2
[    5.4] ==================================================================
[    5.5] Disabling lock debugging due to kernel taint
";

const LOCKDEP: &str = "\
[    3.0] ======================================================
[    3.0] WARNING: possible circular locking dependency detected
[    3.0] 7.3.4-sigcr #1 Not tainted
[    3.0] ------------------------------------------------------
[    3.1] which lock already depends on the new lock.
[    3.2] stack backtrace:
[    3.2] Call Trace:
[    3.2]  <TASK>
[    3.2]  __might_fault+0x1/0x2
[    3.2]  </TASK>
[    3.3] next program starts
";

fn only(log: &str) -> Splat {
    let mut found = splats(log);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn a_warning_is_shown_to_the_end_of_its_trace() {
    let splat = only(WARN);
    assert!(splat.lines[0].starts_with("WARNING: kernel/signal.c:512"));
    assert!(splat.lines.last().unwrap().contains("end trace"));
    assert!(splat
        .lines
        .iter()
        .any(|line| line.contains("do_syscall_64")));
}

#[test]
fn a_kasan_report_includes_who_freed_the_memory() {
    let splat = only(KASAN);
    assert!(splat
        .lines
        .iter()
        .any(|line| line.contains("Freed by task 77")));
    assert!(!splat
        .lines
        .iter()
        .any(|line| line.contains("Disabling lock")));
}

#[test]
fn a_lockdep_report_is_found() {
    let splat = only(LOCKDEP);
    assert!(splat.lines[0].contains("possible circular locking"));
    assert!(splat
        .lines
        .iter()
        .any(|line| line.contains("__might_fault")));
}

#[test]
fn two_reports_are_two() {
    assert_eq!(splats(&format!("{WARN}{KASAN}{LOCKDEP}")).len(), 3);
}

#[test]
fn every_kind_of_report_is_found() {
    for line in [
        "BUG: kernel NULL pointer dereference, address: 0000000000000008",
        "BUG: sleeping function called from invalid context at mm/slab.h:1",
        "BUG: scheduling while atomic: sh/1/0x00000002",
        "kernel BUG at kernel/sigcr/sigcr.rs:10!",
        "Kernel panic - not syncing: sysrq triggered crash",
        "Oops: general protection fault, probably for non-canonical address: 0000 [#1] SMP",
        "UBSAN: array-index-out-of-bounds in kernel/signal.c:1:2",
        "WARNING: suspicious RCU usage",
        "WARNING: lock held when returning to user space!",
        "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "rcu: INFO: rcu_preempt self-detected stall on CPU",
        "watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [abi_test:42]",
        "INFO: task restore_test:77 blocked for more than 60 seconds.",
        "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "ODEBUG: free active (active state 0) object: 1 object type: timer_list",
        "rust_kernel: panicked at kernel/sigcr/record.rs:7:5:",
        "list_del corruption, ffff888003f5b948->next is LIST_POISON1",
    ] {
        assert_eq!(splats(&format!("[    1.0] {line}\n")).len(), 1, "{line}");
    }
}

#[test]
fn what_healthy_kernels_print_is_no_report() {
    for line in [
        "Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on!",
        "MDS: Vulnerable: Clear CPU buffers attempted, no microcode",
        "rcu: Hierarchical RCU implementation.",
        "rcu: INFO: something else",
        "kmemleak: Kernel memory leak detector initialized (mem pool available: 30000)",
        "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
        "    ok 3 a_test_about_WARNING: texts",
        "FAULT_INJECTION: forcing a failure.",
        "abi_test[42]: segfault at 0 ip 0000 sp 0000 error 4",
        "[drm] BUGGY: not at the beginning",
    ] {
        assert!(splats(&format!("[    1.0] {line}\n")).is_empty(), "{line}");
    }
}
