// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Plots of the figures: SVG, both axes logarithmic.

use anyhow::{anyhow, Result};
use guest_init::figure::{Case, Figure, Via, What};
use plotters::prelude::*;

use super::{Results, Size, Way};

/// One curve: its name, and which figures are its points.
type Curve = (&'static str, Way);

const SIGCKPT: Curve = ("sigckpt", Way(What::Sigckpt, Via::Raw, Case::Stopped));
const SIGRESTORE: Curve = ("sigrestore", Way(What::Sigrestore, Via::Raw, Case::Stopped));
const BACKEND: Curve = (
    "ptrace(2): the whole state",
    Way(What::Sigckpt, Via::Ptrace, Case::Live),
);
const PTRACE: Curve = (
    "ptrace(2): masks and queues only",
    Way(What::Sigckpt, Via::Ptrace, Case::Part),
);
const STATUS: Curve = (
    "/proc/PID/task/*/status",
    Way(What::Procstatus, Via::Peer, Case::Live),
);
const FLOOR: Curve = (
    "floor: pread(2) of the record's bytes",
    Way(What::Pread, Via::Floor, Case::Stopped),
);
const SIGCKPT_HOLD: Curve = ("sigckpt", Way(What::SigckptHold, Via::Raw, Case::Stopped));
const SIGRESTORE_HOLD: Curve = (
    "sigrestore",
    Way(What::SigrestoreHold, Via::Raw, Case::Stopped),
);

/// One plot.
struct Plot {
    file: &'static str,
    title: &'static str,
    x_title: &'static str,
    /// The place of a figure on the x axis, if it is in this plot.
    x: fn(&Figure) -> Option<u32>,
    curves: &'static [Curve],
}

const PLOTS: &[Plot] = &[
    Plot {
        file: "pending.svg",
        title: "One thread, n pending signals",
        x_title: "pending signals",
        x: |figure| (Size::of(figure) == Size::pending(figure.pending)).then_some(figure.pending),
        curves: &[BACKEND, PTRACE, SIGRESTORE, SIGCKPT, FLOOR],
    },
    Plot {
        file: "threads.svg",
        title: "n threads, no pending signal",
        x_title: "threads",
        x: |figure| (Size::of(figure) == Size::threads(figure.threads)).then_some(figure.threads),
        curves: &[STATUS, BACKEND, PTRACE, SIGRESTORE, SIGCKPT, FLOOR],
    },
    Plot {
        file: "hold.svg",
        title: "Longest stretch with interrupts off, one thread, n pending signals",
        x_title: "pending signals",
        x: |figure| (Size::of(figure) == Size::pending(figure.pending)).then_some(figure.pending),
        curves: &[SIGRESTORE_HOLD, SIGCKPT_HOLD],
    },
];

const COLOURS: [RGBColor; 6] = [
    RGBColor(0x94, 0x67, 0xbd),
    RGBColor(0xd6, 0x27, 0x28),
    RGBColor(0xff, 0x7f, 0x0e),
    RGBColor(0x1f, 0x77, 0xb4),
    RGBColor(0x2c, 0xa0, 0x2c),
    RGBColor(0x7f, 0x7f, 0x7f),
];

/// Draws all plots; returns the name and the text of each file.
pub(crate) fn all(results: &Results) -> Result<Vec<(&'static str, String)>> {
    PLOTS
        .iter()
        .map(|plot| {
            let mut svg = String::new();
            draw(plot, results, &mut svg).map_err(|e| anyhow!("{}: {e}", plot.file))?;
            // The backend writes a blank here and there at the end of a line.
            let lines: Vec<&str> = svg.lines().map(str::trim_end).collect();
            Ok((plot.file, lines.join("\n") + "\n"))
        })
        .collect()
}

/// The points of a curve. A logarithmic axis has no place for 0.
fn points(plot: &Plot, &(_, way): &Curve, results: &Results) -> Vec<(f64, f64)> {
    let mut points: Vec<(u32, u64)> = results
        .figures
        .iter()
        .filter_map(|figure| {
            let x = (plot.x)(figure).filter(|&x| x > 0)?;
            (Way::of(figure) == way).then_some((x, figure.instructions))
        })
        .collect();
    points.sort_unstable();
    points
        .into_iter()
        .map(|(x, y)| (f64::from(x), y as f64))
        .collect()
}

fn draw(
    plot: &Plot,
    results: &Results,
    svg: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let curves: Vec<_> = plot
        .curves
        .iter()
        .map(|curve| (curve.0, points(plot, curve, results)))
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all = || curves.iter().flat_map(|(_, points)| points);
    let x_max = all().map(|point| point.0).fold(1.0, f64::max);
    let y_min = all().map(|point| point.1).fold(f64::MAX, f64::min);
    let y_max = all().map(|point| point.1).fold(1.0, f64::max);
    if y_min > y_max {
        return Err("there is no figure for it".into());
    }

    let area = SVGBackend::with_string(svg, (720, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(plot.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(
            (1.0..x_max * 1.5).log_scale(),
            (y_min / 2.0..y_max * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(plot.x_title)
        .y_desc("instructions")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .light_line_style(RGBColor(0xee, 0xee, 0xee))
        .draw()?;
    for ((name, points), colour) in curves.iter().zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(
                points.iter().copied(),
                colour.stroke_width(2),
            ))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        let dots = points
            .iter()
            .map(|&point| Circle::new(point, 3, colour.filled()));
        chart.draw_series(dots)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tests::{figure, results};

    #[test]
    fn every_curve_of_which_there_are_figures_is_drawn_and_named() {
        let at = |what, pending| figure(what, Via::Raw, Size::pending(pending), 1_000);
        let mut all_figures = vec![figure(What::Sigckpt, Via::Raw, Size::threads(8), 9)];
        for what in [What::Sigckpt, What::SigckptHold] {
            all_figures.extend([0, 10, 1_000].map(|pending| at(what, pending)));
        }
        let plots = all(&results(&all_figures)).unwrap();
        assert_eq!(plots.len(), PLOTS.len());
        for (file, svg) in plots {
            assert!(
                svg.contains("sigckpt") && svg.contains("<polyline"),
                "{file}"
            );
            assert!(!svg.contains("PEEKSIGINFO"), "{file}");
        }
    }

    #[test]
    fn a_curve_has_the_figures_of_its_way_and_no_point_at_0() {
        let size = Size::pending;
        let mut all = vec![
            figure(What::Sigckpt, Via::Raw, size(100), 2),
            figure(What::Sigckpt, Via::Raw, size(0), 1),
            figure(What::Sigckpt, Via::Raw, size(10), 3),
            figure(What::Sigckpt, Via::Libsigcr, size(10), 4),
            figure(What::Sigrestore, Via::Raw, size(10), 5),
            figure(What::Sigckpt, Via::Raw, Size::threads(8), 6),
        ];
        all[0].actions = 62;
        let found = points(&PLOTS[0], &SIGCKPT, &results(&all));
        assert_eq!(found, [(10.0, 3.0)]);
    }

    #[test]
    fn a_plot_without_figures_is_an_error() {
        assert!(all(&results(&[])).is_err());
    }
}
