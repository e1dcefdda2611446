//! Tables of the result: which ways, sizes, and costs under each load.

use super::cost::{CostReport, CostRow, Facts, WayFacts};
use super::forecast_check;
use super::section::Section;
use crate::cli::bench::report::Median;
use crate::cli::table::{Align, Column};

/// All tables, in order.
pub(super) fn sections(report: &CostReport) -> Vec<Section> {
    let mut sections = vec![ways(report)];
    if !report.offloads {
        sections.push(sizes(report));
    }
    sections.extend(forecast_check::section(report));
    sections.extend(
        report
            .rows
            .chunk_by(|one, next| one.load_label == next.load_label)
            .map(costs),
    );
    sections
}

fn ways(report: &CostReport) -> Section {
    const COLUMNS: &[Column] = &[
        ("way", Align::Left),
        ("algorithm", Align::Left),
        ("driver", Align::Left),
        ("MTU", Align::Right),
        ("frames at the MTU", Align::Right),
        ("one byte more", Align::Right),
    ];
    let row = |way: &WayFacts| {
        let frames = |at: usize| {
            way.facts
                .frames_around_the_mtu
                .map_or_else(String::new, |frames| number(frames[at]))
        };
        vec![
            way.label.to_owned(),
            way.facts.algorithm.clone().unwrap_or_default(),
            drivers(&way.facts),
            way.facts.mtu.to_string(),
            frames(0),
            frames(1),
        ]
    };
    Section {
        title: "The ways".to_owned(),
        method: format!(
            "MTU: the largest inner IP packet that crosses a wire with an MTU of {} in one frame, by the formula. Beside it \
             the frames that the wire had for a packet of that size, and for one of a byte more. Instructions for AES: \
             {}. ESP in the card: {}.",
            report.wire_mtu,
            if report.aes_instructions { "yes" } else { "no" },
            if report
                .ways
                .iter()
                .any(|way| way.facts.esp_offload == Some(true))
            {
                "yes"
            } else {
                "no"
            }
        ),
        columns: COLUMNS.to_vec(),
        rows: report.ways.iter().map(row).collect(),
    }
}

/// The implementation, or both where the machines have different ones.
fn drivers(facts: &Facts) -> String {
    let driver = facts.driver.clone().unwrap_or_default();
    match &facts.receiver_driver {
        Some(other) if *other != driver => format!("{driver}; receiver {other}"),
        _ => driver,
    }
}

fn sizes(report: &CostReport) -> Section {
    const COLUMNS: &[Column] = &[
        ("way", Align::Left),
        ("64 bytes", Align::Right),
        ("512 bytes", Align::Right),
        ("1400 bytes", Align::Right),
        ("frames of 1400", Align::Right),
        ("sizes as the formula says", Align::Right),
    ];
    let row = |way: &WayFacts| {
        let of = |payload: u32| way.facts.sizes.iter().find(|size| size.payload == payload);
        let bytes = |payload| of(payload).map_or_else(String::new, |size| number(size.bytes));
        let agreeing = way.facts.sizes.iter().filter(|size| size.agrees()).count();
        vec![
            way.label.to_owned(),
            bytes(64),
            bytes(512),
            bytes(1400),
            of(1400).map_or_else(String::new, |size| number(size.frames)),
            format!("{agreeing} of {}", way.facts.sizes.len()),
        ]
    };
    Section {
        title: "Bytes on the wire".to_owned(),
        method: "Bytes of frames on the wire, from the Ethernet header on without FCS, for one datagram of UDP with so \
                 many bytes of payload: counted, not computed. A datagram that is larger than the MTU leaves in several \
                 frames. The last column compares them with the formula, for 23 sizes."
            .to_owned(),
        columns: COLUMNS.to_vec(),
        rows: report.ways.iter().map(row).collect(),
    }
}

/// Place of the column with the receiver's part of the CPU time, where it is another machine.
const RECEIVER: usize = 6;

fn costs(rows: &[CostRow]) -> Section {
    const REQUESTS: &[Column] = &[
        ("way", Align::Left),
        ("per second", Align::Right),
        ("interval", Align::Right),
        ("of plain", Align::Right),
        ("CPU s/million", Align::Right),
        ("interval", Align::Right),
        ("interrupts", Align::Right),
        ("above plain", Align::Right),
        ("interval", Align::Right),
        ("wire bytes", Align::Right),
        ("p50 ms", Align::Right),
        ("p99 ms", Align::Right),
        ("p99.9 ms", Align::Right),
    ];
    const STREAMS: &[Column] = &[
        ("way", Align::Left),
        ("rate", Align::Right),
        ("interval", Align::Right),
        ("of plain", Align::Right),
        ("CPU s/million", Align::Right),
        ("interval", Align::Right),
        ("interrupts", Align::Right),
        ("above plain", Align::Right),
        ("interval", Align::Right),
        ("CPU s/GB", Align::Right),
        ("wire bytes/byte", Align::Right),
        ("frames/packet", Align::Right),
        ("lost", Align::Right),
    ];
    let streams = rows.iter().any(|row| row.streams.is_some());
    let first = rows.first();
    let mut columns = if streams { STREAMS } else { REQUESTS }.to_vec();
    if first.is_some_and(|row| row.receiver_cpu_seconds_per_million.is_some()) {
        columns.insert(RECEIVER, ("receiver", Align::Right));
    }
    let unit = first.map_or("", |row| row.unit);
    let pieces = match first.map(|row| row.load) {
        Some("tcp") => "frames on the wire",
        Some("udp") => "datagrams",
        _ => "requests",
    };
    Section {
        title: first.map_or_else(String::new, |row| row.load_label.clone()),
        method: format!("The rate is in {unit}, CPU time in seconds for a million {pieces}."),
        columns,
        rows: rows.iter().map(|row| cells(row, streams)).collect(),
    }
}

fn cells(row: &CostRow, streams: bool) -> Vec<String> {
    let optional =
        |value: Option<Median>| value.map_or_else(String::new, |value| number(value.median));
    let mut cells = vec![
        row.way_label.to_owned(),
        number(row.rate.median),
        interval(&row.rate),
        optional(row.rate_of_plain),
        number(row.cpu_seconds_per_million.median),
        interval(&row.cpu_seconds_per_million),
        number(row.interrupt_seconds_per_million.median),
        optional(row.added_cpu_seconds_per_million),
        row.added_cpu_seconds_per_million
            .map_or_else(String::new, |added| interval(&added)),
    ];
    if let Some(receiver) = row.receiver_cpu_seconds_per_million {
        cells.insert(RECEIVER, number(receiver.median));
    }
    if streams {
        cells.extend([
            optional(row.cpu_seconds_per_gb),
            format!("{:.3}", row.wire_bytes.median),
            optional(row.frames_per_datagram),
            (row.lost + row.dropped).to_string(),
        ]);
    } else {
        cells.extend([
            number(row.wire_bytes.median),
            optional(row.p50),
            optional(row.p99),
            optional(row.p999),
        ]);
    }
    cells
}

fn interval(measured: &Median) -> String {
    format!("{} to {}", number(measured.low), number(measured.high))
}

/// With three significant digits, or all digits before the point. A whole number without a point.
pub(super) fn number(value: f64) -> String {
    let places = match value.abs() {
        0.0 => 0,
        size if size >= 100.0 || (value.fract() == 0.0) => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.places$}")
}

#[cfg(test)]
mod tests {
    use super::super::cost::tests::report;
    use super::*;
    use crate::cli::table;

    #[test]
    fn every_row_has_every_column() {
        let sections = sections(&report());
        // Ways, sizes, and the two loads.
        assert_eq!(sections.len(), 4);
        for section in sections {
            assert!(!section.rows.is_empty(), "{}", section.title);
            for row in &section.rows {
                assert_eq!(row.len(), section.columns.len(), "{}", section.title);
            }
            assert!(table::markdown(&section.columns, section.rows).contains("VXLAN"));
        }
    }

    #[test]
    fn numbers_have_three_digits() {
        let texts = [12_345.6, 99.94, 1.5, 2.0, 0.12, 0.0].map(number);
        assert_eq!(texts, ["12346", "99.9", "1.50", "2", "0.120", "0"]);
    }
}
