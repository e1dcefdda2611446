//! What the kernel's security associations have carried, and what the agent says was inside.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use monitor_common::count::{Count, Total};
use monitor_lab::{Host, Lab};

use crate::agent::rows;
use crate::process::wait_until;
use crate::wire::bound;

/// What the security associations from an address have counted, in this mode (`ip -s xfrm state`).
#[must_use]
pub fn carried(host: &Host, source: &str, mode: &str) -> Count {
    let text = host.run("ip", &["-s", "xfrm", "state"]).unwrap();
    let mut total = Count::default();
    for state in format!("\n{text}").split("\nsrc ").skip(1) {
        if !state.starts_with(&format!("{source} ")) || !state.contains(&format!("mode {mode}")) {
            continue;
        }
        let lifetime = state.split_once("lifetime current:").unwrap().1;
        let (bytes, rest) = lifetime.trim().split_once("(bytes), ").unwrap();
        total.bytes += bytes.parse::<u64>().unwrap();
        total.packets += rest.split_once('(').unwrap().0.parse::<u64>().unwrap();
    }
    total
}

/// Both directions of a node, transport mode: what it received from its peer, what it sent.
#[must_use]
pub fn both_ways(node: &Host, peer: &Host) -> [Count; 2] {
    [peer, node].map(|from| carried(node, &from.address().to_string(), "transport"))
}

/// What the agent has counted inside ESP, by network: the labels `vni` of a direction.
#[must_use]
pub fn inside(page: &str, direction: &str) -> BTreeMap<String, Count> {
    let mut all = BTreeMap::<String, Count>::new();
    let start = format!(r#"direction="{direction}",vni=""#);
    let of = |metric: &str| {
        let rows = rows(page, metric).into_iter();
        let mine = rows.filter_map(|(labels, value)| {
            let vni = labels.strip_prefix(&start)?.strip_suffix('"')?;
            Some((vni.to_owned(), value))
        });
        mine.collect::<Vec<_>>()
    };
    for (vni, packets) in of("overlay_esp_network_packets_total") {
        all.entry(vni).or_default().packets = packets;
    }
    for (vni, bytes) in of("overlay_esp_network_bytes_total") {
        all.entry(vni).or_default().bytes = bytes;
    }
    all
}

/// All networks together.
#[must_use]
pub fn sum(networks: &BTreeMap<String, Count>) -> Count {
    let mut total = Count::default();
    for count in networks.values() {
        total.add(*count);
    }
    total
}

/// ESP packets on the wire, as the agent has counted them on `eth0`.
#[must_use]
pub fn on_the_wire(page: &str, direction: &str) -> u64 {
    let start = format!(r#"interface="eth0",direction="{direction}""#);
    let rows = rows(page, "overlay_esp_packets_total").into_iter();
    rows.filter(|(labels, _)| labels.starts_with(&start))
        .map(|(_, packets)| packets)
        .sum()
}

/// Waits until `eth0` carries no more packets.
pub fn until_silent(node: &Host) {
    let wire = || node.device_stats("eth0").unwrap();
    let mut last = wire();
    wait_until("the wire is silent", || {
        thread::sleep(Duration::from_millis(400));
        let now = wire();
        let silent = now == last;
        last = now;
        silent
    });
}

/// Runs a line of `ip` on a host; `''` in it is an empty word.
pub fn ip(host: &Host, line: &str) {
    let words = line.split_whitespace();
    let words: Vec<&str> = words
        .map(|word| if word == "''" { "" } else { word })
        .collect();
    host.run("ip", &words).unwrap();
}

/// Puts VXLAN between these addresses of the nodes (node1's first) into ESP of transport mode, made as `crypto` says
/// and with SPIs from `spi` on.
pub fn protect(lab: &Lab, addresses: [&str; 2], spi: u32, crypto: &str) {
    for (here, node) in [lab.node1(), lab.node2()].into_iter().enumerate() {
        for (from, to) in [(here, 1 - here), (1 - here, here)] {
            let (src, dst) = (addresses[from], addresses[to]);
            let spi = spi + u32::try_from(from).unwrap();
            ip(
                node,
                &format!(
                    "xfrm state add src {src} dst {dst} proto esp spi {spi:#x} reqid {spi} mode transport {crypto}"
                ),
            );
            if from == here {
                ip(
                    node,
                    &format!(
                        "xfrm policy add src {src} dst {dst} proto udp dport 4789 dir out \
                         tmpl src {src} dst {dst} proto esp reqid {spi} mode transport"
                    ),
                );
            }
        }
    }
}

/// AES-GCM with a key that is none.
#[must_use]
pub fn gcm() -> String {
    format!("aead rfc4106(gcm(aes)) 0x{} 128", "5b".repeat(20))
}

/// Sends datagrams to a port of VXLAN, which need not arrive anywhere.
pub fn send(host: &Host, addresses: [&str; 2], datagrams: &[Vec<u8>]) {
    let socket = bound(host, (addresses[0], 50_000));
    for datagram in datagrams {
        socket.send_to(datagram, (addresses[1], 4789)).unwrap();
    }
}

/// Ends of the [`tunnel`] on node1 and node2.
pub const ENDS: [Ipv4Addr; 2] = [Ipv4Addr::new(172, 20, 1, 1), Ipv4Addr::new(172, 20, 2, 1)];

/// A tunnel between the nodes for their [`ENDS`], both ways.
pub fn tunnel(lab: &Lab) {
    let nodes = [lab.node1(), lab.node2()];
    let addresses = nodes.map(|node| node.address().to_string());
    for (here, node) in nodes.into_iter().enumerate() {
        let there = 1 - here;
        let mut lines = vec![
            format!("addr add {}/32 dev lo", ENDS[here]),
            format!(
                "route add {}/32 via {} src {}",
                ENDS[there], addresses[there], ENDS[here]
            ),
        ];
        for (from, to) in [(here, there), (there, here)] {
            lines.push(format!(
                "xfrm state add src {} dst {} proto esp spi {:#x} reqid 77 mode tunnel {}",
                addresses[from],
                addresses[to],
                0x1000 + from,
                gcm(),
            ));
            let directions: &[&str] = if from == here {
                &["out"]
            } else {
                &["in", "fwd"]
            };
            for direction in directions {
                lines.push(format!(
                    "xfrm policy add src {}/32 dst {}/32 dir {direction} \
                     tmpl src {} dst {} proto esp reqid 77 mode tunnel",
                    ENDS[from], ENDS[to], addresses[from], addresses[to],
                ));
            }
        }
        for line in lines {
            ip(node, &line);
        }
    }
}
