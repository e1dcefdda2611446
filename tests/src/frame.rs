//! Frames, made byte by byte and independently of the parser under test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The nodes of the lab: where the outer packets go from and to.
pub const NODES: (Ipv4Addr, Ipv4Addr) = (
    Ipv4Addr::new(192, 168, 77, 1),
    Ipv4Addr::new(192, 168, 77, 2),
);
/// The same in IPv6.
const NODES_V6: (Ipv6Addr, Ipv6Addr) = (
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2),
);

/// VNI of the tutorial's network.
pub const VNI: u32 = 4096;

/// Ethernet around a payload of this type.
#[must_use]
pub fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A frame with a VLAN tag put in after its addresses.
#[must_use]
pub fn tagged(tag_type: u16, vlan: u16, frame: &[u8]) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    out.extend(tag_type.to_be_bytes());
    out.extend(vlan.to_be_bytes());
    out.extend(&frame[12..]);
    out
}

/// An IPv4 packet between the nodes; `options` must be a multiple of four bytes.
#[must_use]
pub fn ipv4(protocol: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    ipv4_between(NODES.0, NODES.1, protocol, options, payload)
}

/// An IPv4 packet; `options` must be a multiple of four bytes.
#[must_use]
pub fn ipv4_between(
    source: Ipv4Addr,
    destination: Ipv4Addr,
    protocol: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let header_len = 20 + options.len();
    let total = u16::try_from(header_len + payload.len()).unwrap();
    let mut packet = vec![0x40 | u8::try_from(header_len / 4).unwrap(), 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// An IPv6 packet between the nodes.
#[must_use]
pub fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_between(NODES_V6.0, NODES_V6.1, next_header, payload)
}

/// An IPv6 packet.
#[must_use]
pub fn ipv6_between(
    source: Ipv6Addr,
    destination: Ipv6Addr,
    next_header: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    packet.extend(payload);
    packet
}

/// An IP packet without options between two addresses of one version.
#[must_use]
pub fn ip_between(source: IpAddr, destination: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ipv4_between(source, destination, protocol, &[], payload)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            ipv6_between(source, destination, protocol, payload)
        }
        _ => panic!("{source} and {destination} are of two versions"),
    }
}

/// A UDP datagram.
#[must_use]
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(source.to_be_bytes());
    datagram.extend(destination.to_be_bytes());
    datagram.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

/// A TCP segment.
#[must_use]
pub fn tcp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(source.to_be_bytes());
    segment.extend(destination.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// A VXLAN header with the I flag before a frame.
#[must_use]
pub fn vxlan(vni: u32, frame: &[u8]) -> Vec<u8> {
    let mut packet = vec![8, 0, 0, 0];
    packet.extend((vni << 8).to_be_bytes());
    packet.extend(frame);
    packet
}

/// A VXLAN-GPE header with the I and P flags (draft-ietf-nvo3-vxlan-gpe) before its payload.
#[must_use]
pub fn vxlan_gpe(vni: u32, next_protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x0c, 0, 0, next_protocol];
    packet.extend((vni << 8).to_be_bytes());
    packet.extend(payload);
    packet
}

/// A Geneve header (RFC 8926) before its payload; `options` must be whole options.
#[must_use]
pub fn geneve(vni: u32, protocol: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![u8::try_from(options.len() / 4).unwrap(), 0];
    packet.extend(protocol.to_be_bytes());
    packet.extend((vni << 8).to_be_bytes());
    packet.extend(options);
    packet.extend(payload);
    packet
}

/// An AH header with a check value of 96 bits (RFC 4302) before its payload.
#[must_use]
pub fn ah(spi: u32, next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![next_header, 4, 0, 0];
    packet.extend(spi.to_be_bytes());
    packet.extend(1u32.to_be_bytes());
    packet.extend([0xa5; 12]);
    packet.extend(payload);
    packet
}

/// A message of WireGuard: 1 initiation, 2 response, 3 cookie, 4 data (`struct message_…` in
/// drivers/net/wireguard/messages.h).
#[must_use]
pub fn wireguard(message: u8) -> Vec<u8> {
    let len = match message {
        1 => 148,
        2 => 92,
        3 => 64,
        _ => 96,
    };
    let mut packet = vec![message, 0, 0, 0];
    packet.resize(len, 0xc3);
    packet
}

/// The start of an ESP packet, and some ciphertext.
#[must_use]
pub fn esp(spi: u32, sequence: u32) -> Vec<u8> {
    let mut packet = spi.to_be_bytes().to_vec();
    packet.extend(sequence.to_be_bytes());
    packet.extend([0x5a; 48]);
    packet
}

/// An ESP packet of the NULL cipher (RFC 2410) around a UDP datagram, with so many bytes of initialisation vector (of
/// GMAC, RFC 4543) and of check value.
#[must_use]
pub fn esp_null(spi: u32, datagram: &[u8], vector: usize, check: usize) -> Vec<u8> {
    let mut packet = [spi.to_be_bytes(), 7u32.to_be_bytes()].concat();
    packet.extend(vec![0xc4; vector]);
    packet.extend(datagram);
    // Padding 1, 2, 3, … up to a multiple of four, its length, and what is inside: UDP (RFC 4303, 2.4 to 2.6).
    let padding = (4 - (datagram.len() + 2) % 4) % 4;
    packet.extend((1u8..4).take(padding));
    packet.extend([u8::try_from(padding).unwrap(), 17]);
    packet.extend(vec![0x5e; check]);
    packet
}

/// The tutorial's `HGETALL ip`, as a frame inside the overlay.
#[must_use]
pub fn redis_command() -> Vec<u8> {
    let payload = b"*2\r\n$7\r\nHGETALL\r\n$2\r\nip\r\n";
    ethernet(0x0800, &ipv4(6, &[], &tcp(39040, 6379, payload)))
}

/// An inner frame in VXLAN, on IPv4, on Ethernet.
#[must_use]
pub fn overlay(vni: u32, inner: &[u8]) -> Vec<u8> {
    ethernet(
        0x0800,
        &ipv4(17, &[], &udp(49152, 4789, &vxlan(vni, inner))),
    )
}
