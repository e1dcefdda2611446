//! Frames, built header by header, and what the walk finds in them.

mod encapsulations;
mod headers;

use std::vec::Vec;

use super::*;
use crate::address::Addresses;
use crate::encapsulation::{Encapsulation, UdpPort};
use crate::link::Link;
use crate::load::Captured;
use crate::reason::Reason;
use crate::wire::{VNI_MAX, ah, esp, eth, geneve, ipv4, ipv6, tcp, udp, wireguard};

const OUTER_V4: usize = eth::LEN + ipv4::LEN;

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = std::vec![2; 12];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (ipv4::LEN + payload.len()) as u16;
    let mut packet = std::vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(payload);
    packet
}

fn ip6(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next_header, 64]);
    packet.extend([0xaa; 16]);
    packet.extend([0xbb; 16]);
    packet.extend(payload);
    packet
}

fn udp_to(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut datagram = std::vec![0xc0, 0];
    datagram.extend(port.to_be_bytes());
    datagram.extend(((udp::LEN + payload.len()) as u16).to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

fn tcp_with(options: usize, payload: &[u8]) -> Vec<u8> {
    let mut segment = std::vec![0x98, 0x80, 0x18, 0xeb, 0, 0, 0, 1, 0, 0, 0, 1];
    segment.extend([
        ((tcp::LEN + options) / 4 * 16) as u8,
        0x18,
        0,
        0,
        0,
        0,
        0,
        0,
    ]);
    segment.extend(std::iter::repeat_n(1, options));
    segment.extend(payload);
    segment
}

fn vxlan_with(vni: u32, inner: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![8, 0, 0, 0];
    packet.extend((vni << 8).to_be_bytes());
    packet.extend(inner);
    packet
}

fn ports(port: u16) -> UdpPort {
    UdpPort::ALL
        .iter()
        .copied()
        .find(|known| known.default_ports().contains(&port))
        .unwrap_or(UdpPort::None)
}

fn walk(frame: &[u8]) -> Outer {
    outer(frame, Link::Ethernet, ports)
}

fn inside(frame: &[u8], at: usize) -> Inner {
    inner(frame, at, Link::Ethernet)
}

fn redis() -> Vec<u8> {
    ethernet(
        eth::IPV4,
        &ip4(tcp::PROTOCOL, &tcp_with(12, b"*1\r\n$4\r\nPING\r\n")),
    )
}

fn overlay() -> Vec<u8> {
    ethernet(
        eth::IPV4,
        &ip4(udp::PROTOCOL, &udp_to(4789, &vxlan_with(4096, &redis()))),
    )
}

fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(eth::IPV4, &ip4(udp::PROTOCOL, &udp_to(port, payload)))
}

fn with_ah(next_header: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![next_header, 4, 0, 0, 0, 0, 1, 2, 0, 0, 0, 9];
    packet.extend([0xee; 12]);
    packet.extend(payload);
    packet
}
