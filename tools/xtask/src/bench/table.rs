// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The table for people: a row for each size, a column for each way.

use std::collections::BTreeSet;

use guest_init::figure::{Case, Figure, Via, What};

use super::{Results, Size, Way};

/// A column: its title, in two lines, and which figures are in it.
type Column = (&'static str, &'static str, Way);

const COLUMNS: &[Column] = &[
    (
        "pread",
        "floor",
        Way(What::Pread, Via::Floor, Case::Stopped),
    ),
    (
        "sigckpt",
        "raw",
        Way(What::Sigckpt, Via::Raw, Case::Stopped),
    ),
    (
        "",
        "libsigcr",
        Way(What::Sigckpt, Via::Libsigcr, Case::Stopped),
    ),
    ("", "own, raw", Way(What::Sigckpt, Via::Raw, Case::Own)),
    ("", "ptrace", Way(What::Sigckpt, Via::Ptrace, Case::Live)),
    (
        "",
        "ptrace, part",
        Way(What::Sigckpt, Via::Ptrace, Case::Part),
    ),
    (
        "PEEK-",
        "SIGINFO",
        Way(What::Peeksiginfo, Via::Ptrace, Case::Live),
    ),
    (
        "/proc",
        "status",
        Way(What::Procstatus, Via::Peer, Case::Live),
    ),
    (
        "sigrestore",
        "raw",
        Way(What::Sigrestore, Via::Raw, Case::Stopped),
    ),
    (
        "",
        "libsigcr",
        Way(What::Sigrestore, Via::Libsigcr, Case::Stopped),
    ),
    ("", "own, raw", Way(What::Sigrestore, Via::Raw, Case::Own)),
    (
        "",
        "again, raw",
        Way(What::Sigrestore, Via::Raw, Case::Again),
    ),
    (
        "irqs off",
        "sigckpt",
        Way(What::SigckptHold, Via::Raw, Case::Stopped),
    ),
    (
        "",
        "sigrestore",
        Way(What::SigrestoreHold, Via::Raw, Case::Stopped),
    ),
];

/// Lays out all figures.
pub(crate) fn table(results: &Results) -> String {
    let columns: Vec<&Column> = COLUMNS
        .iter()
        .filter(|column| {
            results
                .figures
                .iter()
                .any(|figure| Way::of(figure) == column.2)
        })
        .collect();
    let mut rows = vec![
        heads(&["", "", "", "record"], columns.iter().map(|c| c.0)),
        heads(
            &["pending", "threads", "actions", "bytes"],
            columns.iter().map(|c| c.1),
        ),
    ];
    let sizes: BTreeSet<(u32, u32, u32)> = results
        .figures
        .iter()
        .map(|f| (f.actions, f.threads, f.pending))
        .collect();
    for (actions, threads, pending) in sizes {
        let size = Size {
            pending,
            threads,
            actions,
        };
        let of_size: Vec<&Figure> = results
            .figures
            .iter()
            .filter(|figure| Size::of(figure) == size)
            .collect();
        let bytes = of_size
            .iter()
            .find(|figure| Way::of(figure) == Way::raw(What::Sigckpt))
            .map_or(String::new(), |figure| grouped(figure.bytes));
        let mut row = vec![
            grouped(pending.into()),
            grouped(threads.into()),
            grouped(actions.into()),
            bytes,
        ];
        row.extend(columns.iter().map(|column| {
            of_size
                .iter()
                .find(|figure| Way::of(figure) == column.2)
                .map_or("-".to_owned(), |figure| grouped(figure.instructions))
        }));
        rows.push(row);
    }
    let mut text = laid_out(&rows);
    let getppid = results.figures.iter().find(|f| f.what == What::Getppid);
    if let Some(figure) = getppid {
        text += &format!("getppid(2): {}\n", figure.instructions);
    }
    text += CRIU;
    text
}

/// Why there is no column for it.
const CRIU: &str =
    "criu: not measured: it refuses a kernel without CONFIG_INET and socket diagnosis\n";

fn heads(of_size: &[&'static str], of_columns: impl Iterator<Item = &'static str>) -> Vec<String> {
    of_size
        .iter()
        .copied()
        .chain(of_columns)
        .map(str::to_owned)
        .collect()
}

/// Right-aligned columns.
fn laid_out(rows: &[Vec<String>]) -> String {
    let width_of = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width_of).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:>width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// A number with a comma between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
