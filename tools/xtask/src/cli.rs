// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::kernel::Flavour;

/// Builds, boots and tests the patched kernel.
///
/// Whatever a verb needs is set up first: packages, kernel source, patched tree, build, guest
/// image. What is valid is used again.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = STATUS_HELP)]
pub(crate) struct Cli {
    /// What to do
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

const STATUS_HELP: &str = "\
Exit status: 0 success; 1 failure; 2 wrong usage; 69 something is missing on this host and could
not be installed (the message says what to do). `boot` and `demo`: that of the program in the
guest, 128 + signal number if a signal ended it, 125 if the guest hangs, crashes or complains.";

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show in the patched kernel what checkpoint and restore of signal state do
    Demo(TreeArgs),
    /// Test everything: on the host, then in both kernels
    Test(TestArgs),
    /// Throw hostile records at the decoder, the library and both kernels
    Fuzz(FuzzArgs),
    /// Compare the patched kernel with the same one without the patch
    Harmless(HarmlessArgs),
    /// Let storms loose on processes that are checkpointed and restored, and look for races
    Soak(SoakArgs),
    /// Boot the patched kernel and run a program in it, or a shell
    Boot(BootArgs),
    /// Count the instructions of the calls, and of what they are compared with
    Bench(BenchArgs),
    /// Work on the kernel alone
    #[command(subcommand)]
    Kernel(KernelVerb),
    /// Check formatting and lints, of user space and of the kernel side
    Lint(TreeArgs),
    /// Check the rules of this house
    Tidy,
    /// Put the table of who may from its test into the documentation
    Access {
        /// Only compare with the committed file
        #[arg(long)]
        check: bool,
    },
    /// Generate the raw bindings from the UAPI header
    Bindings {
        /// Only compare with the committed file
        #[arg(long)]
        check: bool,
    },
}

/// Steps of a kernel build.
#[derive(Debug, Subcommand)]
pub(crate) enum KernelVerb {
    /// Get the source
    Fetch(TreeArgs),
    /// Make the patched tree and print where it is
    Patch(TreeArgs),
    /// Configure
    Config(FlavourArgs),
    /// Build, and print where the image is
    Build(FlavourArgs),
}

/// Which source.
#[derive(Debug, Default, Args)]
pub(crate) struct TreeArgs {
    /// Use a copy of your own kernel tree of the supported line; it is not changed
    #[arg(long, value_name = "DIR")]
    pub(crate) tree: Option<PathBuf>,
}

/// Which source and which kernels.
#[derive(Debug, Args)]
pub(crate) struct FlavourArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Which kernel; may be given several times
    #[arg(long, value_enum, default_value = "product")]
    pub(crate) flavour: Vec<Flavour>,
}

/// What to test.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Test in this kernel only; may be given several times [default: both]
    #[arg(long, value_enum)]
    pub(crate) flavour: Vec<Flavour>,
    /// Only the tests that need no kernel of ours
    #[arg(long, conflicts_with_all = ["flavour", "tree"])]
    pub(crate) host_only: bool,
    /// Only guest programs and host tests whose name contains this
    #[arg(long, value_name = "STR")]
    pub(crate) filter: Option<String>,
}

/// What to fuzz.
///
/// In user space, half of the inputs are records of the mutator, whose every rule has to be reached;
/// the others are those of libFuzzer, for its two targets. In the guest, the records are thrown at
/// the calling process itself and at a stopped victim, with all privileges and with none.
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Inputs in user space; 0: none
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub(crate) inputs: u64,
    /// Records in the guest, of which the debug kernel gets one in 50 if both are fuzzed; 0: none
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    pub(crate) guest_inputs: u64,
    /// Fuzz this kernel only; may be given several times [default: both]
    #[arg(long, value_enum)]
    pub(crate) flavour: Vec<Flavour>,
    /// End after about this time, however many inputs there were
    #[arg(long, value_name = "N")]
    pub(crate) minutes: Option<u64>,
    /// Decides all records; the same seed makes the same ones
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Only the record with this index: of user space, or with --guest-inputs above 0 and --inputs
    /// 0, of the guest
    #[arg(long, value_name = "I")]
    pub(crate) only: Option<u64>,
}

/// What to compare.
///
/// Two kernels are built from the same source, one with the patch and one without. All object code
/// is compared function by function, and the kernel's own selftests around signals are run in both,
/// where they must come to the same results.
#[derive(Debug, Args)]
pub(crate) struct HarmlessArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Only the object code and its size; no selftests
    #[arg(long, conflicts_with = "filter")]
    pub(crate) code_only: bool,
    /// Run only selftests whose name contains this
    #[arg(long, value_name = "STR")]
    pub(crate) filter: Option<String>,
    /// Write the tables to docs/harmless.md
    #[arg(long, conflicts_with = "filter")]
    pub(crate) save: bool,
}

/// How to soak.
///
/// Processes that are flooded with numbered signals, stopped, frozen, traced, that fork, exec and
/// are killed, are checkpointed and restored all the while. No signal may get lost or come twice
/// that has to arrive, and the kernel must not complain.
#[derive(Debug, Args)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// About so many minutes in each kernel
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) minutes: u64,
    /// Soak this kernel only; may be given several times [default: debug and kcsan]
    #[arg(long, value_enum)]
    pub(crate) flavour: Vec<Flavour>,
    /// Decides what happens, but for who is faster
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Only storms whose name holds this: live, mortal, stopped, own
    #[arg(long, value_name = "STR")]
    pub(crate) filter: Option<String>,
}

/// What to boot.
#[derive(Debug, Args)]
pub(crate) struct BootArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Which kernel
    #[arg(long, value_enum, default_value = "product")]
    pub(crate) flavour: Flavour,
    /// Number of processors [default: 2, with --icount 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) smp: Option<u32>,
    /// Let the guest's clock count instructions: 1 ns each, the same in every run
    #[arg(long)]
    pub(crate) icount: bool,
    /// Copy a file of the host into the guest; may be given several times
    #[arg(long, value_name = "HOST:GUEST")]
    pub(crate) file: Vec<String>,
    /// Give the program a terminal and your input
    #[arg(long, short)]
    pub(crate) interactive: bool,
    /// Kill the program after this time; 0: never
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) timeout: u64,
    /// A static program of the host (a path), or a command of the guest (a bare name), and its
    /// arguments; without it, a shell
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<String>,
}

/// What to measure, and what to do with it.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) tree: TreeArgs,
    /// Only some sizes, and no stretches without interrupts: less than a minute
    #[arg(long)]
    pub(crate) short: bool,
    /// Write the figures as JSON, one object a line; goals and verdict go to standard error
    #[arg(long)]
    pub(crate) json: bool,
    /// Fail if a figure is more than 3 % over the committed baseline
    #[arg(long)]
    pub(crate) check: bool,
    /// Make this run the baseline
    #[arg(long, requires = "short", conflicts_with = "check")]
    pub(crate) update_baseline: bool,
    /// Fail if a goal is not reached
    #[arg(long, conflicts_with = "short")]
    pub(crate) check_goals: bool,
    /// Write figures and plots to docs/performance
    #[arg(long, conflicts_with = "short")]
    pub(crate) save: bool,
    /// The longest queue that PTRACE_PEEKSIGINFO is asked for; it takes quadratic time, with
    /// 60000 about an hour
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) peek_pending_max: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_behind_two_dashes_belong_to_the_program() {
        let args = ["xtask", "boot", "--smp", "4", "--", "./prog", "--smp", "9"];
        let Some(Verb::Boot(boot)) = Cli::parse_from(args).verb else {
            panic!("not boot");
        };
        assert_eq!(boot.smp, Some(4));
        assert_eq!(boot.program, ["./prog", "--smp", "9"]);
    }
}
