//! A forecast as text and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::forecasts::Forecasts;
use super::network_forecast::Forecast;
use super::record::BenchRecord;
use crate::surface::numbers::grouped;
use crate::traffic::json_object::SCHEMA;

/// What to do where the host has no bench.
const NO_BENCH: &str = "not known, as there is no bench of this host: run `overlay-lab bench encryption --docs /etc/overlay-monitor` on it, or give --bench";

/// The text: a sentence for each network, and how it was computed.
#[must_use]
pub fn text(forecasts: &Forecasts) -> String {
    let mut text = String::new();
    if forecasts.networks.is_empty() {
        text.push_str("no network carried plain VXLAN, so there is nothing to encrypt\n");
        return text;
    }
    for forecast in &forecasts.networks {
        let _ = writeln!(text, "{}", sentence(forecast));
    }
    let _ = writeln!(text, "\nHow it was computed:");
    for line in computed(forecasts) {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// How it was computed, a few sentences each.
#[must_use]
pub fn computed(forecasts: &Forecasts) -> [String; 3] {
    let wire_mtu = forecasts.wire_mtu;
    [
        format!("CPU: {}", how(forecasts.bench.as_ref())),
        format!(
            "Bytes and MTU: by the formats of VXLAN and ESP (AES-128-GCM with an ICV of 8 bytes), over IPv4, on a wire of {wire_mtu} bytes."
        ),
        "The upper ends take into account that full packets of TCP become smaller, and so more."
            .to_owned(),
    ]
}

/// A sentence about one network, without a full stop.
#[must_use]
pub fn sentence(forecast: &Forecast) -> String {
    let traffic = &forecast.traffic;
    let network = match &traffic.network {
        Some(name) => format!("{name} (VNI {})", traffic.vni),
        None => format!("VNI {}", traffic.vni),
    };
    let cores = forecast.cores.map_or_else(String::new, |cores| {
        format!(
            "takes about {} cores ({} to {}), ",
            cores_text(cores.value),
            cores_text(cores.low),
            cores_text(cores.high)
        )
    });
    let [least, most] = forecast.added.map(|part| 100.0 * part);
    let [now, then] = forecast.mtu.map(|mtu| grouped(u64::from(mtu)));
    format!(
        "{network} carries {} in {} on {}: encrypted as Docker does it {cores}adds {least:.1} to {most:.1} % bytes, and its MTU must fall from {now} to {then}",
        bits(traffic.bytes_per_second),
        packets(traffic.packets_per_second),
        if traffic.node.is_empty() {
            "this node"
        } else {
            &traffic.node
        },
    )
}

/// Small numbers keep two digits that mean something.
fn cores_text(cores: f64) -> String {
    let digits = if cores < 0.1 { 4 } else { 2 };
    format!("{cores:.digits$}")
}

fn bits(bytes: f64) -> String {
    let megabits = bytes * 8.0 / 1e6;
    let digits = if megabits < 10.0 { 3 } else { 0 };
    format!("{megabits:.digits$} Mbit/s")
}

fn packets(rate: f64) -> String {
    match rate < 10.0 {
        true => format!("{rate:.1} packets/s"),
        false => format!("{} packets/s", grouped(rate.round() as u64)),
    }
}

fn how(bench: Option<&BenchRecord>) -> String {
    let Some(bench) = bench else {
        return NO_BENCH.to_owned();
    };
    let offloads = match bench.offloads {
        true => "on",
        false => {
            "off, so a host that joins packets in its card or kernel (GRO, GSO) loses that as well"
        }
    };
    format!(
        "to encrypt and to decrypt a packet takes {:.3} µs and {:.3} ns for each byte inside, fitted to {} loads of the bench of {}. \
         A node does one of both for each packet that it sends or receives. The interval is one of 95 % for a further load. The bench's offloads were {offloads}.",
        bench.model.packet * 1e6,
        bench.model.byte * 1e9,
        bench.loads,
        bench.measured,
    )
}

#[derive(Serialize)]
struct Object<'a> {
    r#type: &'static str,
    schema: u32,
    node: &'a str,
    vni: u32,
    network: Option<&'a str>,
    packets_per_second: f64,
    bytes_per_second: f64,
    cores: Option<f64>,
    cores_low: Option<f64>,
    cores_high: Option<f64>,
    added_bytes_least: f64,
    added_bytes_most: f64,
    mtu: u32,
    mtu_encrypted: u32,
    wire_mtu: u32,
    how: String,
}

/// An object of type `forecast` for each network, one a line.
///
/// # Errors
/// None that is known: every value has a form in JSON.
pub fn lines(forecasts: &Forecasts) -> serde_json::Result<String> {
    let mut text = String::new();
    for forecast in &forecasts.networks {
        let traffic = &forecast.traffic;
        let object = Object {
            r#type: "forecast",
            schema: SCHEMA,
            node: &traffic.node,
            vni: traffic.vni,
            network: traffic.network.as_deref(),
            packets_per_second: traffic.packets_per_second,
            bytes_per_second: traffic.bytes_per_second,
            cores: forecast.cores.map(|cores| cores.value),
            cores_low: forecast.cores.map(|cores| cores.low),
            cores_high: forecast.cores.map(|cores| cores.high),
            added_bytes_least: forecast.added[0],
            added_bytes_most: forecast.added[1],
            mtu: forecast.mtu[0],
            mtu_encrypted: forecast.mtu[1],
            wire_mtu: forecasts.wire_mtu,
            how: how(forecasts.bench.as_ref()),
        };
        text.push_str(&serde_json::to_string(&object)?);
        text.push('\n');
    }
    Ok(text)
}
