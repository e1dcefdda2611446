//! How good the forecast of `overlay-monitor` is: loads that it was not fitted to, measured and forecast.

use monitor::surface::forecast::{BenchRecord, HeldOut};

use super::cost::CostReport;
use super::section::Section;
use crate::cli::bench::report::documents::json;
use crate::cli::table::{Align, Column};

/// The table, where such loads were measured.
pub(super) fn section(report: &CostReport) -> Option<Section> {
    const COLUMNS: &[Column] = &[
        ("bytes of UDP", Align::Right),
        ("streams", Align::Right),
        ("measured", Align::Right),
        ("forecast", Align::Right),
        ("interval", Align::Left),
        ("half-width", Align::Right),
        ("inside", Align::Left),
    ];
    // As `forecast` reads it: from the JSON.
    let json = json(report).ok()?;
    let held_out = BenchRecord::check(json.as_bytes()).ok()?;
    if held_out.is_empty() {
        return None;
    }
    let inside = held_out.iter().filter(|load| load.is_inside()).count();
    let widest = held_out.iter().map(HeldOut::half_width).fold(0.0, f64::max);
    Some(Section {
        title: "How good the forecast is".to_owned(),
        method: format!(
            "CPU seconds for a million datagrams above those of plain VXLAN, of loads that the model of `overlay-monitor forecast` was \
             not fitted to. {inside} of {} lie in the interval of 95 %, whose half is at most {:.0} % of the forecast.",
            held_out.len(),
            100.0 * widest
        ),
        columns: COLUMNS.to_vec(),
        rows: held_out.iter().map(row).collect(),
    })
}

fn row(load: &HeldOut) -> Vec<String> {
    let [low, value, high] = load.forecast;
    let inside = if load.is_inside() { "yes" } else { "no" };
    vec![
        load.payload.to_string(),
        load.streams.to_string(),
        format!("{:.3}", load.measured),
        format!("{value:.3}"),
        format!("{low:.3} to {high:.3}"),
        format!("{:.0} %", 100.0 * load.half_width()),
        inside.to_owned(),
    ]
}
