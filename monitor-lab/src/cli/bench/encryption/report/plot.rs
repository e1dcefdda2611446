//! The plot, an SVG file: CPU time for a million packets or requests, a bar for each way under each load.

use std::fmt::Write;

use super::cost::{CostReport, CostRow};
use super::tables::number;
use crate::cli::bench::report::plot::{Bar, bar, document, heading, note};

/// Draws all loads, one below the other. Returns an SVG document.
pub(super) fn draw(report: &CostReport) -> String {
    const TITLE: f64 = 44.0;
    const LINE: f64 = 18.0;
    let mut body = String::new();
    let mut top = 0.0;
    for rows in report
        .rows
        .chunk_by(|one, next| one.load_label == next.load_label)
    {
        let title = rows.first().map_or("", |row| row.load_label.as_str());
        heading(
            &mut body,
            top + 24.0,
            &format!("{title}: CPU seconds of the machine per million"),
        );
        let reach = |row: &CostRow| 1.2 * row.cpu_seconds_per_million.high;
        let most = rows.iter().map(reach).fold(f64::MIN_POSITIVE, f64::max);
        for (index, row) in rows.iter().enumerate() {
            let measured = row.cpu_seconds_per_million;
            bar(
                &mut body,
                top + TITLE + LINE * index as f64,
                &Bar {
                    label: row.way_label,
                    measured,
                    most,
                    value: &number(measured.median),
                },
            );
        }
        top += TITLE + LINE * rows.len() as f64;
    }
    let machine = &report.machine;
    let mut text = String::new();
    let _ = write!(
        text,
        "Bar: median. Line: 95 % confidence interval. Linux {}, {}, {}",
        machine.kernel, machine.processor, machine.date
    );
    note(&mut body, top + 20.0, &text);
    document("What encryption costs", top + 40.0, &body)
}

#[cfg(test)]
mod tests {
    use super::super::cost::tests::report;
    use super::*;

    #[test]
    fn the_plot_is_well_formed_and_has_every_row() {
        let report = report();
        let svg = draw(&report);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let bars = document
            .descendants()
            .filter(|node| node.attribute("class") == Some("bar"))
            .count();
        assert_eq!(bars, report.rows.len());
    }
}
