//! An independent decoder: one start of `tshark` that reads all packets of a test.

use std::collections::VecDeque;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;

use crate::shape::{Decoded, Flow, Transport};

/// Fields that tshark prints for each packet, all occurrences of each.
const FIELDS: [&str; 14] = [
    "frame.protocols",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "udp.srcport",
    "udp.dstport",
    "vxlan.vni",
    "vxlan.flag_i",
    "geneve.vni",
    "esp.spi",
    "ah.spi",
];

/// The packets as a capture file (`pcap`, microseconds, Ethernet).
#[must_use]
pub fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 0x4_0000, 1] {
        file.extend(word.to_ne_bytes());
    }
    for (n, frame) in frames.iter().enumerate() {
        let len = u32::try_from(frame.len()).unwrap();
        for word in [u32::try_from(n).unwrap(), 0, len, len] {
            file.extend(word.to_ne_bytes());
        }
        file.extend(frame);
    }
    file
}

/// What tshark says of each packet.
///
/// Reassembly is off, and so is what would look for protocols in payloads, but for WireGuard, which it
/// knows in no other way.
#[must_use]
pub fn read(frames: &[Vec<u8>]) -> Vec<Decoded> {
    let mut command = Command::new("tshark");
    command.args(["-n", "-r", "-", "-T", "fields"]);
    command.args([
        "-E",
        "separator=/t",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=,",
    ]);
    for option in [
        "ip.defragment:FALSE",
        "ipv6.defragment:FALSE",
        "tcp.desegment_tcp_streams:FALSE",
        "tcp.try_heuristic_first:FALSE",
        "esp.enable_null_encryption_decode_heuristic:TRUE",
    ] {
        command.args(["-o", option]);
    }
    for field in FIELDS {
        command.args(["-e", field]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("tshark, of the Debian package tshark");
    let mut stdin = child.stdin.take().unwrap();
    let file = capture(frames);
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(&file).unwrap());
        child.wait_with_output().unwrap()
    });
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tshark: {said}");
    let out = String::from_utf8(output.stdout).unwrap();
    let all: Vec<Decoded> = out.lines().map(decode).collect();
    assert_eq!(all.len(), frames.len(), "a line for each packet: {said}");
    all
}

/// The values of one packet, taken in the order in which its headers stand.
struct Columns<'a>(Vec<VecDeque<&'a str>>);

impl Columns<'_> {
    fn next<T: FromStr>(&mut self, field: &str) -> Option<T> {
        let at = FIELDS.iter().position(|name| *name == field).unwrap();
        self.0[at].pop_front()?.parse().ok()
    }

    fn hexadecimal(&mut self, field: &str) -> Option<u32> {
        let text: String = self.next(field)?;
        u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    }

    fn ip(&mut self, version: &str) -> Option<(IpAddr, IpAddr)> {
        Some((
            self.next(&format!("{version}.src"))?,
            self.next(&format!("{version}.dst"))?,
        ))
    }

    fn ports(&mut self, protocol: &str) -> Option<(u16, u16)> {
        Some((
            self.next(&format!("{protocol}.srcport"))?,
            self.next(&format!("{protocol}.dstport"))?,
        ))
    }
}

/// Reads the headers one after the other: the first tunnel counts, and the first flow behind it.
fn decode(line: &str) -> Decoded {
    let mut columns = Columns(
        line.split('\t')
            .map(|field| field.split(',').filter(|value| !value.is_empty()).collect())
            .collect(),
    );
    let protocols: String = columns.next("frame.protocols").unwrap_or_default();
    let mut decoded = Decoded {
        encapsulation: "none",
        vni: None,
        spi: None,
        flow: None,
    };
    let mut addresses = None;
    let mut authenticated = None;
    let mut in_udp = false;
    let mut in_esp = false;
    let mut protocols = protocols.split(':').peekable();
    while let Some(protocol) = protocols.next() {
        let transport = match protocol {
            "ip" | "ipv6" => {
                addresses = columns.ip(protocol);
                continue;
            }
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            "icmp" | "icmpv6" => Transport::Icmp,
            "vxlan" if decoded.encapsulation == "none" => {
                if columns.next::<u8>("vxlan.flag_i") != Some(1) {
                    decoded.encapsulation = "vxlan_no_vni";
                    return decoded;
                }
                decoded.encapsulation = if in_esp { "esp_null" } else { "vxlan" };
                decoded.vni = columns.next("vxlan.vni");
                continue;
            }
            "geneve" if decoded.encapsulation == "none" => {
                decoded.encapsulation = "geneve";
                decoded.vni = columns.hexadecimal("geneve.vni");
                continue;
            }
            // The NULL cipher: what is inside is there to be dissected.
            "esp" if protocols.peek() == Some(&"udp") => {
                in_esp = true;
                continue;
            }
            "esp" | "isakmp" | "wg" if decoded.encapsulation == "none" => {
                decoded.encapsulation = match protocol {
                    "isakmp" => "ike",
                    "wg" => "wireguard",
                    _ if in_udp => "esp_udp",
                    _ => "esp",
                };
                decoded.spi = columns.hexadecimal("esp.spi");
                return decoded;
            }
            "udpencap" => {
                in_udp = true;
                continue;
            }
            "ah" if decoded.encapsulation == "none" => {
                authenticated = columns.hexadecimal("ah.spi");
                continue;
            }
            _ => continue,
        };
        let ports = match transport {
            Transport::Tcp => columns.ports("tcp"),
            Transport::Udp => columns.ports("udp"),
            Transport::Icmp => Some((0, 0)),
        };
        // A datagram that carries a tunnel is no flow of its own. VXLAN-GPE is dissected, but not listed
        // among the protocols.
        if transport == Transport::Udp && decoded.encapsulation == "none" {
            match protocols.peek().copied().unwrap_or_default() {
                "vxlan" | "geneve" | "udpencap" | "wg" => continue,
                "eth" | "ip" | "ipv6" => {
                    decoded.encapsulation = "vxlan_gpe";
                    decoded.vni = columns.next("vxlan.vni");
                    continue;
                }
                _ => {}
            }
        }
        if let (Some(spi), "none") = (authenticated, decoded.encapsulation) {
            decoded.encapsulation = "ah";
            decoded.spi = Some(spi);
            return decoded;
        }
        let (Some((source, destination)), Some((from, to))) = (addresses, ports) else {
            return decoded;
        };
        decoded.flow = Some(Flow {
            transport,
            source: (source, from),
            destination: (destination, to),
        });
        return decoded;
    }
    decoded
}

/// These fields of each packet of a capture file.
#[must_use]
pub fn fields(path: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command
        .args(["-n", "-T", "fields", "-E", "separator=/t", "-r"])
        .arg(path);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command
        .output()
        .expect("tshark, of the Debian package tshark");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tshark: {said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let values = |line: &str| line.split('\t').map(str::to_owned).collect();
    text.lines().map(values).collect()
}
