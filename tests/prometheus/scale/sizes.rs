//! Series and bytes of a page: what real agents export, and what the formula allows.

use monitor_lab::Lab;
use overlay_tests::process::wait_until;
use overlay_tests::prometheus::{Folder, write_section};
use overlay_tests::series::Size;

use super::page::{DOCUMENT, Page, described};

/// Networks of a node.
const NETWORKS: [u32; 3] = [10, 100, 1_000];
/// Nodes of a fleet.
const NODES: [usize; 3] = [10, 1_000, 10_000];
/// Other nodes that have rows: the map has 4,096, two for each.
const MOST_NODES: usize = 2_048;
/// Undescribed networks with series, by default.
const UNKNOWN: usize = 1_024;
/// Pairs of protocol and exposure in a network.
const CLASSES: usize = 10;

fn most(nodes: usize, networks: u32) -> usize {
    let size = Size {
        interfaces: 1,
        described: networks as usize,
        unknown: UNKNOWN,
        nodes: (nodes - 1).min(MOST_NODES),
        classes: CLASSES,
    };
    size.most_series()
}

#[test]
fn a_page_is_within_the_formula() {
    let mut out = "\n| networks | series | bytes | bytes, compressed | bytes a series |\n| --- | --- | --- | --- | --- |\n".to_owned();
    let mut bytes_a_series = Vec::new();
    for networks in NETWORKS {
        let lab = Lab::builder().quiet(true).build().unwrap();
        let folder = Folder::new();
        let page = Page::start(&lab, &folder, &described(networks));
        page.traffic();
        // Each network has one class in each direction, once its samples were classified.
        let classes = networks as usize * 2;
        wait_until("all networks were classified", || {
            page.traffic();
            page.read()
                .text
                .matches("overlay_exposure_packets_total{")
                .count()
                >= classes
        });
        let text = page.read();
        let (series, bytes) = (text.series(), text.text.len());
        assert!(series <= most(1, networks), "{networks}: {series} series");
        bytes_a_series.push(bytes as f64 / series as f64);
        out.push_str(&format!(
            "| {networks} | {series} | {bytes} | {} | {:.0} |\n",
            page.compressed(),
            bytes as f64 / series as f64
        ));
    }
    write_section(DOCUMENT, "pages", &out);

    let mut out = "\n| networks | nodes | series of a node, at most | bytes of a page, at most | series of the fleet, at most |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for (networks, bytes) in NETWORKS.into_iter().zip(bytes_a_series) {
        for nodes in NODES {
            let series = most(nodes, networks);
            out.push_str(&format!(
                "| {networks} | {nodes} | {series} | {:.0} | {} |\n",
                series as f64 * bytes,
                series * nodes
            ));
        }
    }
    write_section(DOCUMENT, "formula", &out);
}
