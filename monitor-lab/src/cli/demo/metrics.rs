//! Counters of the agent, from its `/metrics` (Prometheus text format).

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Sub;
use std::time::Duration;

use anyhow::{Context, bail};
use monitor_lab::Host;

/// Where the agent serves, inside node1.
pub(in crate::cli) const ADDRESS: SocketAddr =
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9100);
/// How long it may take to answer. An emulated machine is slow.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read.
const LARGEST: u64 = 16 << 20;

/// Frames and bytes in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) struct Count {
    pub(in crate::cli) rx_packets: u64,
    pub(in crate::cli) rx_bytes: u64,
    pub(in crate::cli) tx_packets: u64,
    pub(in crate::cli) tx_bytes: u64,
}

impl Count {
    /// Both directions.
    pub(in crate::cli) fn packets(self) -> u64 {
        self.rx_packets + self.tx_packets
    }
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            rx_packets: self.rx_packets.saturating_sub(earlier.rx_packets),
            rx_bytes: self.rx_bytes.saturating_sub(earlier.rx_bytes),
            tx_packets: self.tx_packets.saturating_sub(earlier.tx_packets),
            tx_bytes: self.tx_bytes.saturating_sub(earlier.tx_bytes),
        }
    }
}

/// What the agent has counted on `eth0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) struct Counts {
    /// VXLAN of VNI 4096.
    pub(in crate::cli) network: Count,
    /// VXLAN of any VNI.
    pub(in crate::cli) vxlan: Count,
    /// ESP.
    pub(in crate::cli) esp: Count,
}

/// Asks the agent on `host`.
pub(in crate::cli) fn scrape(host: &Host) -> anyhow::Result<Counts> {
    let page = get(host, "/metrics").context("asking the monitor for its counters")?;
    Ok(read(&page))
}

/// A page of the agent on `host`. HTTP/1.0, so the answer is the rest of the connection.
pub(in crate::cli) fn get(host: &Host, path: &str) -> anyhow::Result<String> {
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
        .context("the monitor's answer is not HTTP")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        bail!(
            "the monitor answers {path} with status {status}: {}",
            body.trim()
        );
    }
    Ok(body.to_owned())
}

fn read(text: &str) -> Counts {
    let pair = |packets: &str, bytes: &str, labels: &[(&str, &str)]| {
        let sum = |name, direction| {
            let samples = text.lines().filter_map(Sample::parse).filter(|sample| {
                sample.name == name
                    && sample.has("interface", "eth0")
                    && sample.has("direction", direction)
                    && labels.iter().all(|(label, value)| sample.has(label, value))
            });
            samples.map(|sample| sample.value).sum()
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

/// A line of the text format. No label that is asked for here has a value that would be escaped.
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    value: u64,
}

impl<'a> Sample<'a> {
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
        let counts = read(text);
        assert_eq!(
            counts.network,
            Count {
                rx_packets: 12,
                tx_bytes: 1234,
                ..Count::default()
            }
        );
        assert_eq!(counts.vxlan.rx_packets, 15);
        assert_eq!(
            counts.esp,
            Count {
                tx_packets: 11,
                ..Count::default()
            }
        );
    }
}
