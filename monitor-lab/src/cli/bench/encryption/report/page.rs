//! Text for a terminal, and the files of `--docs`: Markdown, plot and JSON. No part of them is edited by hand.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;

use super::cost::CostReport;
use super::{plot, tables};
use crate::cli::bench::report::documents::{json, write_file};
use crate::cli::bench::report::tables::wrapped;
use crate::cli::table;

/// What all numbers are.
fn method(report: &CostReport) -> String {
    let (scene, cpu) = match &report.two_machines {
        None => (
            format!(
                "Two nodes in network namespaces of one machine, joined by a veth pair with an MTU of {}",
                report.wire_mtu
            ),
            "CPU time is that of the whole machine (/proc/stat): both nodes, both programs, everything else that ran. So it \
             has both the encryption and the decryption.",
        ),
        Some(two) => (
            format!(
                "A node on each of two machines, in a network namespace, on a {:?} of {} at the sender and on a {:?} of {} at \
                 the receiver; the MTU was {}",
                two.sender_via,
                two.sender_card.describe(),
                two.receiver_via,
                two.receiver_card.describe(),
                report.wire_mtu
            )
            .replace("Macvlan", "macvlan")
            .replace("Ipvlan", "ipvlan"),
            "CPU time is that of both whole machines together (/proc/stat), and apart that of the receiver: everything that ran \
             there. The sender encrypts and the receiver decrypts; of requests both do both. The cards' own offloads were as \
             the machines have them.",
        ),
    };
    format!(
        "{scene}; a container on each, in one VXLAN overlay. {} rounds of {} ms for each load in each way, interleaved; every \
         number is a median over the rounds, with its 95 % confidence interval; with fewer than six rounds, with the least \
         and the greatest value. {cpu} \"Above plain\" is the difference to plain VXLAN in the same round. GRO, GSO and TSO \
         were {}. TCP and UDP are sent as fast as the receiver takes them. The whole took {:.0} s.{}",
        report.rounds,
        report.milliseconds,
        if report.offloads {
            "on, so bytes and frames are those of the devices, not of a real wire"
        } else {
            "off, so each frame of a device is one of the wire"
        },
        report.seconds,
        if report.emulated() {
            " This processor is emulated: rates, CPU time and latency say nothing about a real one. Bytes, frames and MTU are \
             exact."
        } else {
            ""
        }
    )
}

/// What was measured.
fn machines(report: &CostReport) -> String {
    match &report.two_machines {
        None => report.machine.describe(),
        Some(two) => format!(
            "{} The receiver: {}",
            report.machine.describe(),
            two.receiver.describe()
        ),
    }
}

fn left_out(report: &CostReport) -> String {
    let lines = report
        .left_out
        .iter()
        .map(|left| format!("- {}: {}\n", left.label, left.why));
    lines.collect()
}

/// Writes `encryption-cost.md`, `encryption-cost.svg` and `encryption-cost.json` to a folder, or the plot alone.
pub(in crate::cli::bench) fn write_files(
    report: &CostReport,
    folder: Option<&Path>,
    svg: Option<&Path>,
) -> anyhow::Result<()> {
    if let Some(path) = svg {
        write_file(path, &plot::draw(report))?;
    }
    if let Some(folder) = folder {
        write_file(&folder.join("encryption-cost.md"), &markdown(report))?;
        write_file(&folder.join("encryption-cost.svg"), &plot::draw(report))?;
        write_file(&folder.join("encryption-cost.json"), &json(report)?)?;
    }
    Ok(())
}

/// Prints all tables to standard output.
pub(in crate::cli::bench) fn write_text(report: &CostReport) -> anyhow::Result<()> {
    let mut text = format!(
        "{}\n\n{}\n\n",
        wrapped(&machines(report)),
        wrapped(&method(report))
    );
    if !report.left_out.is_empty() {
        text.push_str("Left out:\n");
        text.push_str(&left_out(report));
        text.push('\n');
    }
    for section in tables::sections(report) {
        text.push_str(&format!(
            "{}\n{}\n\n{}\n\n",
            section.title,
            wrapped(&section.method),
            table::lines(&section.columns, section.rows).join("\n")
        ));
    }
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

fn markdown(report: &CostReport) -> String {
    let mut text = format!(
        "# What encryption costs\n\n{}\n\n{}\n\n{}\n\n![CPU time as a plot](encryption-cost.svg)\n",
        wrapped(
            "Written by `cargo xtask bench encryption`, not by hand; [encryption-cost.json](encryption-cost.json) has the same \
             numbers. They are of one machine: measure on yours."
        ),
        wrapped(&format!("The machine, on {}", machines(report))),
        wrapped(&method(report))
    );
    if !report.left_out.is_empty() {
        text.push_str("\n## Left out\n\n");
        text.push_str(&left_out(report));
    }
    for section in tables::sections(report) {
        text.push_str(&format!(
            "\n## {}\n\n{}\n\n{}",
            section.title,
            wrapped(&section.method),
            table::markdown(&section.columns, section.rows)
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::cost::tests::report;
    use super::*;

    #[test]
    fn the_page_names_the_machine_and_what_was_left_out() {
        let report = report();
        let text = markdown(&report);
        // The lines are wrapped.
        let words: Vec<&str> = text.split_whitespace().collect();
        let words = words.join(" ");
        assert!(
            words.contains(&report.machine.processor) && words.contains(&report.machine.kernel)
        );
        assert!(text.contains("- VXLAN in WireGuard: no such device"));
        let json: serde_json::Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        assert_eq!(json["schema"], 1);
        assert_eq!(json["rows"][0]["way"], "vxlan");
        assert_eq!(json["ways"][0]["sizes"][0]["formula_bytes"], 156);
    }
}
