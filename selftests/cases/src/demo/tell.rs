// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the demo shows: headings, steps, the kernel's own view of a process, long text cut short.

use nix::unistd::Pid;

use crate::program::status_field;
use crate::tool;

/// Prints a heading.
pub fn heading(text: &str) {
    println!("\n=== {text}");
}

/// Prints a step.
pub fn step(text: &str) {
    println!("\n--- {text}");
}

/// Prints the signal lines of `/proc/PID/status`: a view that owes nothing to the two calls.
pub fn kernel_view(pid: Pid) -> anyhow::Result<()> {
    let state = status_field(pid, "State")?;
    let queued = status_field(pid, "SigQ")?;
    println!("    /proc/{pid}/status: {state}, SigQ {queued}");
    for pair in [["SigPnd", "ShdPnd"], ["SigBlk", "SigIgn"], ["SigCgt", ""]] {
        let mut line = String::new();
        for name in pair.iter().filter(|name| !name.is_empty()) {
            line += &format!("  {name} {}", status_field(pid, name)?);
        }
        println!("    {line}");
    }
    Ok(())
}

/// Runs the tool, which must succeed, and prints the command and its output, shortened.
pub fn sigcr(args: &[&str]) -> anyhow::Result<()> {
    println!("    $ sigcr {}", args.join(" "));
    print!("{}", shortened(&tool::run_well(args)?, HEAD_LEN, TAIL_LEN));
    Ok(())
}

/// Lines at the head of a long output that are printed.
const HEAD_LEN: usize = 48;
/// Lines at its end.
const TAIL_LEN: usize = 18;

fn shortened(text: &str, head_len: usize, tail_len: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let left_out = lines.len().saturating_sub(head_len + tail_len);
    let mut short = String::new();
    for (index, line) in lines.iter().enumerate() {
        if left_out == 0 || index < head_len || index >= head_len + left_out {
            short += &format!("    | {line}\n");
        } else if index == head_len {
            short += &format!("    | ... ({left_out} lines)\n");
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted() {
        assert_eq!(shortened("a\nb\n", 1, 1), "    | a\n    | b\n");
        assert_eq!(
            shortened("a\nb\nc\nd\n", 1, 1),
            "    | a\n    | ... (2 lines)\n    | d\n"
        );
    }
}
