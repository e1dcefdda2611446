//! What is read of the JSON of `overlay-lab bench encryption`. It is a file that its user names, and still checked.

use anyhow::{Context, Result, bail, ensure};
use monitor_classify::text::escape;
use serde::Deserialize;

use super::model::{Model, Point};
use crate::base::tunnel_size::{Carrier, EspAlgorithm, udp_packets};

/// Longest file in bytes; a record has 40 KiB.
pub const RECORD_MAX: u64 = 4 << 20;
/// Way and load of the rows that the model is fitted to.
const WAY: &str = "esp-aes-128-gcm";
const LOAD: &str = "udp";
/// Characters shown of the machine.
const SHOWN: usize = 80;

/// The bench of a host.
#[derive(Clone, Debug)]
pub struct BenchRecord {
    pub(super) model: Model,
    /// Loads that it is fitted to.
    pub(super) loads: usize,
    /// When and where it was measured; printable.
    pub(super) measured: String,
    /// Whether the devices' offloads were on.
    pub(super) offloads: bool,
}

#[derive(Deserialize)]
struct Record {
    schema: u32,
    machine: Machine,
    wire_mtu: u32,
    offloads: bool,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Machine {
    date: String,
    kernel: String,
    processor: String,
    cpus: u32,
}

#[derive(Deserialize)]
struct Row {
    way: String,
    load: String,
    payload: Option<u32>,
    added_cpu_seconds_per_million: Option<Median>,
}

#[derive(Clone, Copy, Deserialize)]
struct Median {
    low: f64,
    median: f64,
    high: f64,
}

impl BenchRecord {
    /// Reads a record.
    ///
    /// # Errors
    /// What it lacks, and what to do.
    pub fn parse(json: &[u8]) -> Result<BenchRecord> {
        let record = parsed(json)?;
        let points = points(&record);
        let Some(model) = Model::fit(&points) else {
            bail!(
                "the bench has not measured ESP with datagrams of two sizes; run it on a kernel with ESP (modprobe esp4)"
            );
        };
        let Machine {
            date,
            kernel,
            processor,
            cpus,
        } = record.machine;
        let of = |text: &str| escape(text, SHOWN);
        Ok(BenchRecord {
            model,
            loads: points.len(),
            measured: format!(
                "{}, {}, {cpus} CPUs, Linux {}",
                of(&date),
                of(&processor),
                of(&kernel)
            ),
            offloads: record.offloads,
        })
    }
}

fn parsed(json: &[u8]) -> Result<Record> {
    let record: Record = serde_json::from_slice(json)
        .ok()
        .context("this is not the JSON of `overlay-lab bench encryption`")?;
    ensure!(
        record.schema == 1,
        "the bench has another format; run it again"
    );
    Ok(record)
}

/// The loads that the model is fitted to. A datagram that does not fit is sent as several packets.
fn points(record: &Record) -> Vec<Point> {
    let mtu = Carrier::VxlanEsp(EspAlgorithm::AES_GCM_8).mtu(record.wire_mtu);
    let rows = record.rows.iter();
    let rows = rows.filter(|row| row.way == WAY && row.load == LOAD);
    let points = rows.filter_map(|row| {
        let packets = udp_packets(
            row.payload.filter(|bytes| *bytes <= u32::from(u16::MAX))?,
            mtu,
        );
        let bytes: u32 = packets.iter().sum();
        let Median { low, median, high } = row.added_cpu_seconds_per_million?;
        let is_usable = low <= median && median <= high && low.is_finite() && high.is_finite();
        is_usable.then_some(Point {
            packets: packets.len() as f64,
            bytes: f64::from(bytes),
            low: low / 1e6,
            seconds: median / 1e6,
            high: high / 1e6,
        })
    });
    points.collect()
}

#[cfg(test)]
pub(super) mod tests;
