//! Hours of the past, made of a real page: counters grow as evenly as they would have, and gauges stay.

use std::io::{BufWriter, Write};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use overlay_tests::prometheus::{Folder, root, rules};

use super::page::FIRST;

/// Between two samples, in seconds.
const STEP: u64 = 60;
/// Prometheus' own blocks.
const BLOCK: u64 = 7_200;
/// For how long the agents had run before.
const BEFORE: u64 = 100_000;
/// Networks whose past is made.
const NETWORKS: u32 = 2;
/// What `fleet` asks for beside what the rules and dashboards name.
const OF_FLEET: [&str; 2] = [
    "overlay_counting_start_time_seconds",
    "overlay_violation_bytes_total",
];

/// The past.
pub(super) struct Day {
    begin: u64,
    end: u64,
    nodes: usize,
    series: usize,
    samples: u64,
    bytes: u64,
}

/// A row of the page: name, labels without braces, value.
struct Row<'a> {
    name: &'a str,
    labels: &'a str,
    value: f64,
}

/// Makes the blocks of the last hours in the folder of a Prometheus.
pub(super) fn back_fill(
    page: &str,
    targets: &[String],
    hours: u64,
    folder: &Folder,
    series: &str,
) -> Day {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let end = now.as_secs() / BLOCK * BLOCK;
    let begin = end - hours * 3_600;
    let rows = rows(page);
    for block in (begin..end).step_by(BLOCK as usize) {
        let text = folder.path("block.txt");
        let mut out = BufWriter::new(std::fs::File::create(&text).unwrap());
        write(&mut out, &rows, targets, begin, block);
        out.flush().unwrap();
        drop(out);
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics", &text, series])
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        std::fs::remove_file(&text).unwrap();
    }
    let series_made = rows.len() * targets.len();
    let kib = Command::new("du").args(["-sk", series]).output().unwrap();
    let kib = String::from_utf8(kib.stdout).unwrap();
    Day {
        begin,
        end,
        nodes: targets.len(),
        series: series_made,
        samples: series_made as u64 * (end - begin) / STEP,
        bytes: kib.split('\t').next().unwrap().parse::<u64>().unwrap() << 10,
    }
}

/// What is made of the page: the metrics that are asked for, of the first networks.
fn rows(page: &str) -> Vec<Row<'_>> {
    let mut asked = std::fs::read_to_string(rules()).unwrap();
    for entry in std::fs::read_dir(root().join("deploy/grafana")).unwrap() {
        asked.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let is_of = |labels: &str| {
        let vni = labels.split("vni=\"").nth(1);
        vni.is_none_or(|rest| {
            let vni = rest.split('"').next().unwrap_or_default();
            vni.parse()
                .is_ok_and(|vni: u32| (FIRST..FIRST + NETWORKS).contains(&vni))
        })
    };
    let mut rows: Vec<Row<'_>> = page
        .lines()
        .filter_map(parse)
        .filter(|row| asked.contains(row.name) || OF_FLEET.contains(&row.name))
        .filter(|row| is_of(row.labels))
        .collect();
    rows.push(Row {
        name: "up",
        labels: "",
        value: 1.0,
    });
    rows
}

fn parse(line: &str) -> Option<Row<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (series, ""),
    };
    Some(Row {
        name,
        labels,
        value: value.parse().ok()?,
    })
}

/// One block as OpenMetrics.
fn write(out: &mut impl Write, rows: &[Row<'_>], targets: &[String], begin: u64, block: u64) {
    let mut family = "";
    for row in rows {
        let counter = row.name.strip_suffix("_total");
        if row.name != family {
            family = row.name;
            let kind = if counter.is_some() {
                "counter"
            } else {
                "gauge"
            };
            writeln!(out, "# TYPE {} {kind}", counter.unwrap_or(row.name)).unwrap();
        }
        let comma = if row.labels.is_empty() { "" } else { "," };
        for target in targets {
            for at in (block..block + BLOCK).step_by(STEP as usize) {
                let running = (BEFORE + at - begin) as f64;
                let value = match (row.name, counter) {
                    ("overlay_counting_start_time_seconds", _) => (begin - BEFORE) as f64,
                    // State by state, the seconds of a network add up to the time that its agent has run.
                    ("overlay_network_state_seconds_total", _)
                        if row.labels.contains("cleartext") =>
                    {
                        running
                    }
                    ("overlay_network_state_seconds_total", _) => 0.0,
                    ("overlay_network_watched_seconds_total", _) => running,
                    (_, Some(_)) => (row.value * running).floor(),
                    _ => row.value,
                };
                writeln!(
                    out,
                    "{}{{job=\"overlay-monitor\",instance=\"{target}\"{comma}{}}} {value} {at}",
                    row.name, row.labels
                )
                .unwrap();
            }
        }
    }
    writeln!(out, "# EOF").unwrap();
}

impl Day {
    /// Its first and last second.
    pub(super) fn seconds(&self) -> (u64, u64) {
        (self.begin, self.end)
    }

    /// The same as arguments of `fleet`.
    pub(super) fn times(&self) -> [String; 2] {
        [self.begin + STEP, self.end - STEP].map(|time| {
            let time = i64::try_from(time).unwrap();
            jiff::Timestamp::from_second(time).unwrap().to_string()
        })
    }

    /// What it consists of, as a sentence.
    pub(super) fn describe(&self, hours: u64) -> String {
        format!(
            "\n{hours} hours of {} nodes with {NETWORKS} networks were back-filled, a sample every {STEP} s: {} series, {} samples, \
             {:.1} bytes on the disk for each.\n\n",
            self.nodes,
            self.series,
            self.samples,
            self.bytes as f64 / self.samples as f64
        )
    }
}
