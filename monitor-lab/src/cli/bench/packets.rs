//! The packets, byte by byte.

use monitor_common::wire::vxlan;

/// A frame, and where in it the numbers are that a run varies.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// From the Ethernet header on, without FCS.
    pub(super) bytes: Vec<u8>,
    /// Where VNI and reserved byte are (VXLAN).
    pub(super) vni_at: usize,
    /// Where the last four bytes of the inner source address are (VXLAN).
    pub(super) flow_at: usize,
}

/// Which IP, outside and inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// For people.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    const fn header(self) -> usize {
        match self {
            Family::V4 => 20,
            Family::V6 => 40,
        }
    }

    /// Where the last four bytes of the source address are in the header.
    const fn source_end(self) -> usize {
        match self {
            Family::V4 => 12,
            Family::V6 => 20,
        }
    }
}

const ETHERNET: usize = 14;
const UDP: usize = 8;
const VXLAN: usize = 8;

/// TCP with `payload` bytes, of no overlay.
pub(super) fn host(family: Family, payload: usize) -> Frame {
    Frame {
        bytes: tcp(family, payload),
        vni_at: 0,
        flow_at: 0,
    }
}

/// VXLAN (VNI 4096) with TCP of `payload` bytes inside, to a UDP port.
pub(super) fn vxlan(family: Family, port: u16, payload: usize) -> Frame {
    let inner = tcp(family, payload);
    let mut datagram = vec![0xc0, 0];
    datagram.extend(port.to_be_bytes());
    datagram.extend(length(UDP + VXLAN + inner.len()));
    datagram.extend([0, 0, 8, 0, 0, 0, 0, 0x10, 0, 0]);
    datagram.extend(inner);
    let header = ETHERNET + family.header() + UDP;
    Frame {
        bytes: ethernet(family, &ip(family, 17, &datagram)),
        vni_at: header + 4,
        flow_at: header + VXLAN + ETHERNET + family.source_end(),
    }
}

/// ESP with `payload` bytes behind its header.
pub(super) fn esp(family: Family, payload: usize) -> Frame {
    let mut packet = vec![0x2a, 0xd4, 0x57, 0x7a, 0, 0, 0, 1];
    packet.resize(packet.len() + payload, 0x5a);
    Frame {
        bytes: ethernet(family, &ip(family, 50, &packet)),
        vni_at: 0,
        flow_at: 0,
    }
}

/// The usual packet of the measurements by test run.
pub(super) fn usual(family: Family) -> Frame {
    vxlan(family, vxlan::PORT, 1000)
}

fn tcp(family: Family, payload: usize) -> Vec<u8> {
    let mut segment = vec![
        0x98, 0x80, 0x18, 0xeb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0,
    ];
    segment.resize(segment.len() + payload, b'x');
    ethernet(family, &ip(family, 6, &segment))
}

fn ip(family: Family, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(family.header() + payload.len());
    match family {
        Family::V4 => {
            packet.extend([0x45, 0]);
            packet.extend(length(20 + payload.len()));
            packet.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
            packet.extend([192, 168, 77, 1, 192, 168, 77, 2]);
        }
        Family::V6 => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(length(payload.len()));
            packet.extend([protocol, 64]);
            for last in [1, 2] {
                packet.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
            }
        }
    }
    packet.extend(payload);
    packet
}

/// To a station that is nobody's here: a stack drops it soon, which keeps what is measured large beside what
/// is not.
fn ethernet(family: Family, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(match family {
        Family::V4 => [8, 0],
        Family::V6 => [0x86, 0xdd],
    });
    frame.extend(payload);
    frame
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use monitor::base::udp_ports::UdpPorts;
    use monitor_common::link::Link;
    use monitor_common::walk::{self, InnerKind, Outer, OuterKind};

    use super::*;

    fn outer(bytes: &[u8]) -> Outer {
        let udp_ports = UdpPorts::default();
        walk::outer(bytes, Link::Ethernet, |port| udp_ports.of(port))
    }

    #[test]
    fn the_numbers_are_where_the_parser_finds_them() {
        for family in [Family::V4, Family::V6] {
            let mut frame = usual(family);
            frame.bytes[frame.vni_at..frame.vni_at + 4].copy_from_slice(&[1, 2, 3, 0]);
            frame.bytes[frame.flow_at..frame.flow_at + 4].copy_from_slice(&[10, 9, 8, 7]);
            let bytes = frame.bytes.as_slice();
            let outer = outer(bytes);
            assert!(matches!(outer.kind, OuterKind::Overlay));
            assert_eq!(outer.vni, 0x010203, "{family:?}");
            let inner = walk::inner(bytes, outer.inner, outer.link);
            assert!(matches!(inner.kind, InnerKind::Flow));
            let addresses = walk::addresses(bytes, &inner.network).unwrap();
            assert_eq!(addresses.source[1] as u32, 0x0a09_0807, "{family:?}");
            assert!(
                frame.flow_at + 4 < 256,
                "within reach of the programs that vary it"
            );
        }
    }

    #[test]
    fn the_others_are_what_they_are_called() {
        for family in [Family::V4, Family::V6] {
            let kind = |frame: &Frame| outer(&frame.bytes).kind;
            assert!(matches!(kind(&host(family, 18)), OuterKind::Host));
            assert!(matches!(kind(&esp(family, 1000)), OuterKind::Association));
        }
    }
}
