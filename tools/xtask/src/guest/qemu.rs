// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The emulator's command line, made by pure functions.

use std::path::PathBuf;

/// What the guest's instructions are executed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accel {
    /// Emulation; works everywhere.
    Tcg,
    /// The host's processor, where that has been seen to work.
    Kvm,
}

/// A machine to boot.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Kernel image.
    pub(crate) kernel: PathBuf,
    /// Initial file system.
    pub(crate) initrd: PathBuf,
    /// File for the kernel's console.
    pub(crate) console_log: PathBuf,
    /// Socket on which the host listens for the programs' output.
    pub(crate) output_socket: PathBuf,
    /// Socket on which the host listens for the events.
    pub(crate) verdict_socket: PathBuf,
    /// Number of processors.
    pub(crate) cpus_count: u32,
    /// Memory.
    pub(crate) memory_mib: u32,
    /// What executes it.
    pub(crate) accel: Accel,
    /// Let the guest's clock advance by one nanosecond per instruction: time becomes a count.
    pub(crate) icount: bool,
}

/// Returns the arguments for the emulator.
pub(crate) fn argv(machine: &Machine) -> Vec<String> {
    [
        fixed_args(),
        processor_args(machine),
        kernel_args(machine),
        port_args(machine),
    ]
    .concat()
}

fn fixed_args() -> Vec<String> {
    // With `-no-reboot` the guest's reset ends the emulator.
    words("-nodefaults -no-user-config -no-reboot -display none -machine q35")
}

fn processor_args(machine: &Machine) -> Vec<String> {
    let accel = match machine.accel {
        Accel::Tcg => "tcg",
        Accel::Kvm => "kvm",
    };
    let mut args = words(&format!(
        "-accel {accel} -cpu max -smp {} -m {}",
        machine.cpus_count, machine.memory_mib
    ));
    if machine.icount {
        args.extend(words("-icount shift=0,sleep=off"));
    }
    args
}

fn kernel_args(machine: &Machine) -> Vec<String> {
    let console = guest_init::protocol::CONSOLE_PORT;
    let command_line = [
        &format!("console={console}"),
        "panic=-1",
        // On a busy host an emulated timer may look dead, and the kernel would panic.
        "no_timer_check",
        "ignore_loglevel",
        // Results of unit tests are read from the log, so it must not wrap.
        "log_buf_len=4M",
        "rdinit=/init",
    ]
    .join(" ");
    vec![
        "-kernel".into(),
        machine.kernel.display().to_string(),
        "-initrd".into(),
        machine.initrd.display().to_string(),
        "-append".into(),
        command_line,
    ]
}

/// The three ports, in the order of their numbers in the guest.
fn port_args(machine: &Machine) -> Vec<String> {
    let ports = [
        (
            "console",
            format!("file,path={}", escaped(&machine.console_log)),
        ),
        (
            "output",
            format!("socket,path={}", escaped(&machine.output_socket)),
        ),
        (
            "verdict",
            format!("socket,path={}", escaped(&machine.verdict_socket)),
        ),
    ];
    ports
        .into_iter()
        .flat_map(|(id, backend)| {
            let (kind, rest) = backend.split_once(',').unwrap_or((&backend, ""));
            [
                "-chardev".to_owned(),
                format!("{kind},id={id},{rest}"),
                "-serial".to_owned(),
                format!("chardev:{id}"),
            ]
        })
        .collect()
}

/// In the emulator's option lists a comma is written twice.
fn escaped(path: &std::path::Path) -> String {
    path.display().to_string().replace(',', ",,")
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine {
            kernel: "/k/bzImage".into(),
            initrd: "/r/initrd".into(),
            console_log: "/r/console,log".into(),
            output_socket: "/r/output".into(),
            verdict_socket: "/r/verdict".into(),
            cpus_count: 2,
            memory_mib: 1024,
            accel: Accel::Tcg,
            icount: false,
        }
    }

    fn has(machine: &Machine, args: &str) -> bool {
        let wanted = words(args);
        argv(machine).windows(wanted.len()).any(|w| w == wanted)
    }

    #[test]
    fn the_machine_is_what_was_asked_for() {
        let mut machine = machine();
        assert!(has(&machine, "-accel tcg -cpu max -smp 2 -m 1024"));
        assert!(has(&machine, "-kernel /k/bzImage -initrd /r/initrd"));
        assert!(!argv(&machine).contains(&"-icount".to_owned()));
        machine.icount = true;
        machine.accel = Accel::Kvm;
        assert!(has(&machine, "-icount shift=0,sleep=off"));
        assert!(has(&machine, "-accel kvm"));
    }

    #[test]
    fn a_reset_ends_the_emulator_and_a_panic_resets() {
        let args = argv(&machine());
        assert!(args.contains(&"-no-reboot".to_owned()));
        assert!(args.iter().any(|arg| arg.contains("panic=-1")));
    }

    #[test]
    fn the_ports_are_console_output_verdict_in_this_order() {
        let args = argv(&machine());
        let serials: Vec<_> = args.iter().filter(|a| a.starts_with("chardev:")).collect();
        assert_eq!(
            serials,
            ["chardev:console", "chardev:output", "chardev:verdict"]
        );
        assert!(args.contains(&"file,id=console,path=/r/console,,log".to_owned()));
        assert!(args.contains(&"socket,id=verdict,path=/r/verdict".to_owned()));
    }
}
