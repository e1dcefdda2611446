//! The frames, byte by byte.

use monitor_common::wire::vxlan;

/// A frame, and the offsets in it that a run varies.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The frame from the Ethernet header, without FCS.
    pub(super) bytes: Vec<u8>,
    /// Offset in bytes of VNI and reserved byte; 0 without VXLAN.
    pub(super) vni_at: usize,
    /// Offset in bytes of the last 4 bytes of the inner source address; 0 without VXLAN.
    pub(super) flow_at: usize,
}

/// IP version, outer and inner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Text for tables.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        }
    }

    /// Bytes of the IP header.
    const fn header(self) -> usize {
        match self {
            Family::V4 => 20,
            Family::V6 => 40,
        }
    }

    /// Offset in the IP header of the last 4 bytes of the source address.
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

/// TCP with `payload` bytes, outside any overlay.
pub(super) fn host(family: Family, payload: usize) -> Frame {
    Frame {
        bytes: tcp(family, payload),
        vni_at: 0,
        flow_at: 0,
    }
}

/// VXLAN (VNI 4096) to a UDP port, with TCP of `payload` bytes inside.
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

/// ESP with `payload` bytes after its header.
pub(super) fn esp(family: Family, payload: usize) -> Frame {
    let mut packet = vec![0x2a, 0xd4, 0x57, 0x7a, 0, 0, 0, 1];
    packet.resize(packet.len() + payload, 0x5a);
    Frame {
        bytes: ethernet(family, &ip(family, 50, &packet)),
        vni_at: 0,
        flow_at: 0,
    }
}

/// The VXLAN packet of `bench kernel`: 1000 bytes of TCP payload.
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

/// The destination is the address of no device here: the stack drops the frame early, so its own time is small beside
/// what is measured.
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
    fn the_offsets_are_where_the_parser_finds_the_fields() {
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
                "the kernel programs vary only the first 256 bytes"
            );
        }
    }

    #[test]
    fn frames_without_vxlan_are_what_their_names_say() {
        for family in [Family::V4, Family::V6] {
            let kind = |frame: &Frame| outer(&frame.bytes).kind;
            assert!(matches!(kind(&host(family, 18)), OuterKind::Host));
            assert!(matches!(kind(&esp(family, 1000)), OuterKind::Association));
        }
    }
}
