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
    /// Largest inner packet that crosses the wire of the bench whole.
    mtu: u32,
}

/// A load of UDP that the model was not fitted to, and what the model makes of it: CPU seconds for a million datagrams above
/// those of plain VXLAN.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HeldOut {
    /// Bytes of UDP payload.
    pub payload: u32,
    /// Streams.
    pub streams: u32,
    /// Median of the bench.
    pub measured: f64,
    /// Lower end, value and upper end of the forecast.
    pub forecast: [f64; 3],
}

impl HeldOut {
    /// Whether the measured value is in the interval.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        let [low, _, high] = self.forecast;
        (low..=high).contains(&self.measured)
    }

    /// Half of the interval, as a part of the forecast.
    #[must_use]
    pub fn half_width(&self) -> f64 {
        let [low, value, high] = self.forecast;
        (high - low) / 2.0 / value.max(f64::MIN_POSITIVE)
    }
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
    streams: Option<u32>,
    added_cpu_seconds_per_million: Option<Median>,
    /// Whether it was measured to see how good the model is, and must not be fitted to.
    #[serde(default)]
    held_out: bool,
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
            mtu: mtu(record.wire_mtu),
        })
    }

    /// How good the model is: the loads of its own bench that it was not fitted to.
    ///
    /// # Errors
    /// As of [`BenchRecord::parse`].
    pub fn check(json: &[u8]) -> Result<Vec<HeldOut>> {
        let bench = BenchRecord::parse(json)?;
        let rows = parsed(json)?.rows.into_iter();
        let rows = rows.filter(|row| row.is_of_model() && row.held_out);
        Ok(rows.filter_map(|row| bench.held_out(&row)).collect())
    }

    fn held_out(&self, row: &Row) -> Option<HeldOut> {
        let point = row.point(self.mtu)?;
        let forecast = self.model.seconds(point.packets, point.bytes);
        let million = |seconds: f64| 1e6 * seconds;
        Some(HeldOut {
            payload: row.payload?,
            streams: row.streams?,
            measured: million(point.seconds),
            forecast: [forecast.low, forecast.value, forecast.high].map(million),
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

fn mtu(wire_mtu: u32) -> u32 {
    Carrier::VxlanEsp(EspAlgorithm::AES_GCM_8).mtu(wire_mtu)
}

/// The loads that the model is fitted to.
fn points(record: &Record) -> Vec<Point> {
    let rows = record.rows.iter();
    let rows = rows.filter(|row| row.is_of_model() && !row.held_out);
    rows.filter_map(|row| row.point(mtu(record.wire_mtu)))
        .collect()
}

impl Row {
    fn is_of_model(&self) -> bool {
        self.way == WAY && self.load == LOAD
    }

    /// A datagram that does not fit is sent as several packets.
    fn point(&self, mtu: u32) -> Option<Point> {
        let payload = self.payload.filter(|bytes| *bytes <= u32::from(u16::MAX))?;
        let packets = udp_packets(payload, mtu);
        let bytes: u32 = packets.iter().sum();
        let Median { low, median, high } = self.added_cpu_seconds_per_million?;
        let is_usable = low <= median && median <= high && low.is_finite() && high.is_finite();
        is_usable.then_some(Point {
            packets: packets.len() as f64,
            bytes: f64::from(bytes),
            low: low / 1e6,
            seconds: median / 1e6,
            high: high / 1e6,
        })
    }
}

#[cfg(test)]
pub(super) mod tests;
