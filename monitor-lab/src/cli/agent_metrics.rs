//! Counters of the agent, read from its `/metrics` (Prometheus text format 0.0.4).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use monitor_lab::Host;
use serde::{Deserialize, Serialize};

/// Address on which the agent serves, in its host's network namespace.
pub(super) const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9100);
/// How long the agent may take to answer. An emulated machine is slow.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read.
const LARGEST: u64 = 16 << 20;

/// Frames, and bytes of layer 2, by direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Count {
    pub(super) rx_packets: u64,
    pub(super) rx_bytes: u64,
    pub(super) tx_packets: u64,
    pub(super) tx_bytes: u64,
}

impl Count {
    /// Frames of both directions.
    pub(super) fn packets(self) -> u64 {
        self.rx_packets + self.tx_packets
    }

    /// What was counted since `earlier`, a reading of the same counter.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            rx_packets: self.rx_packets.saturating_sub(earlier.rx_packets),
            rx_bytes: self.rx_bytes.saturating_sub(earlier.rx_bytes),
            tx_packets: self.tx_packets.saturating_sub(earlier.tx_packets),
            tx_bytes: self.tx_bytes.saturating_sub(earlier.tx_bytes),
        }
    }
}

/// The agent's counters of `eth0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// VXLAN of VNI 4096.
    pub(super) network: Count,
    /// VXLAN of any VNI.
    pub(super) vxlan: Count,
    /// ESP.
    pub(super) esp: Count,
}

impl Counts {
    /// What was counted since `earlier`, a reading of the same agent.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            network: self.network.since(earlier.network),
            vxlan: self.vxlan.since(earlier.vxlan),
            esp: self.esp.since(earlier.esp),
        }
    }
}

/// Reads the counters of the agent on `host`.
pub(super) fn scrape(host: &Host) -> anyhow::Result<Counts> {
    let page = get(host, "/metrics").context("reading the counters of overlay-monitor")?;
    Ok(parse(&page))
}

/// The value of a series of a page.
pub(super) fn value(page: &str, series: &str) -> Option<u64> {
    let line = page.lines().find_map(|line| line.strip_prefix(series));
    line?.trim().parse().ok()
}

/// The sum of the series of a name whose labels, as the page has them, are wanted.
pub(super) fn sum(page: &str, name: &str, wanted: impl Fn(&str) -> bool) -> u64 {
    let series = page.lines().filter_map(Series::parse);
    series
        .filter(|series| series.name == name && wanted(series.labels))
        .map(|series| series.value)
        .sum()
}

/// Fetches a page of the agent on `host`. By HTTP/1.0, because its answer ends with the connection.
pub(super) fn get(host: &Host, path: &str) -> anyhow::Result<String> {
    let answer = host.enter(|| -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&ADDRESS, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {ADDRESS}\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(LARGEST).read_to_string(&mut answer)?;
        Ok(answer)
    })??;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer of overlay-monitor is not HTTP")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        bail!(
            "overlay-monitor answered {path} with status {status}: {}",
            body.trim()
        );
    }
    Ok(body.to_owned())
}

fn parse(text: &str) -> Counts {
    let pair = |packets: &str, bytes: &str, labels: &[(&str, &str)]| {
        let sum = |name, direction| {
            let series = text.lines().filter_map(Series::parse).filter(|series| {
                series.name == name
                    && series.has("interface", "eth0")
                    && series.has("direction", direction)
                    && labels.iter().all(|(label, value)| series.has(label, value))
            });
            series.map(|series| series.value).sum()
        };
        Count {
            rx_packets: sum(packets, "rx"),
            rx_bytes: sum(bytes, "rx"),
            tx_packets: sum(packets, "tx"),
            tx_bytes: sum(bytes, "tx"),
        }
    };
    let overlay = |labels| pair("overlay_packets_total", "overlay_bytes_total", labels);
    Counts {
        network: overlay(&[("encapsulation", "vxlan"), ("vni", "4096")]),
        vxlan: overlay(&[("encapsulation", "vxlan")]),
        esp: pair("overlay_esp_packets_total", "overlay_esp_bytes_total", &[]),
    }
}

/// A series and its value: a line of the text format. Escapes in label values are not decoded, because no value that
/// is looked up here contains one.
struct Series<'a> {
    name: &'a str,
    labels: &'a str,
    value: u64,
}

impl<'a> Series<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.strip_suffix('}')?.split_once('{')?;
        Some(Self {
            name,
            labels,
            value: value.parse().ok()?,
        })
    }

    fn has(&self, label: &str, value: &str) -> bool {
        let wanted = format!("{label}=\"{value}\"");
        self.labels.split(',').any(|pair| pair == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_by_label() {
        let text = "# TYPE overlay_packets counter\n\
            overlay_packets_total{interface=\"eth0\",direction=\"rx\",encapsulation=\"vxlan\",vni=\"4096\"} 12\n\
            overlay_packets_total{interface=\"eth0\",direction=\"rx\",encapsulation=\"vxlan\",vni=\"4097\"} 3\n\
            overlay_packets_total{interface=\"eth1\",direction=\"rx\",encapsulation=\"vxlan\",vni=\"4096\"} 99\n\
            overlay_bytes_total{interface=\"eth0\",direction=\"tx\",encapsulation=\"vxlan\",vni=\"4096\"} 1234\n\
            overlay_esp_packets_total{interface=\"eth0\",direction=\"tx\",peer=\"192.168.77.2\"} 5\n\
            overlay_esp_packets_total{interface=\"eth0\",direction=\"tx\",peer=\"192.168.77.3\"} 6\n\
            overlay_docker_up 0\n# EOF\n";
        let counts = parse(text);
        assert_eq!(
            counts.network,
            Count {
                rx_packets: 12,
                tx_bytes: 1234,
                ..Count::default()
            }
        );
        assert_eq!(counts.vxlan.rx_packets, 15);
        let received = |labels: &str| labels.contains("direction=\"rx\"");
        assert_eq!(sum(text, "overlay_packets_total", received), 114);
        assert_eq!(
            counts.esp,
            Count {
                tx_packets: 11,
                ..Count::default()
            }
        );
    }
}
