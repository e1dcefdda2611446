//! The usual packet on IPv6 without extension headers.

use super::shape::Shape;
use crate::address::Addresses;
use crate::encapsulation::UdpPort;
use crate::load::{Load, Window};
use crate::udp_port::of_datagram;
use crate::wire::{esp, eth, ipv6, tcp, udp, vxlan};

const L3: usize = eth::LEN;
const L4: usize = L3 + ipv6::LEN;
const L5: usize = L4 + udp::LEN;
/// Offset of the Ethernet frame inside a VXLAN packet of this shape.
pub const INNER: usize = L5 + vxlan::LEN;

/// IANA protocol number of ICMPv6.
const ICMP: u8 = 58;

/// What a packet is. `ports` looks a UDP port up.
#[inline(always)]
pub fn shape<L: Load + ?Sized>(packet: &L, ports: impl Fn(u16) -> UdpPort) -> Shape {
    let Some(bytes) = packet.window::<L4>() else {
        return Shape::Unusual;
    };
    if bytes.be16::<{ L3 - 2 }>() != eth::IPV6 || bytes.byte::<L3>() >> 4 != 6 {
        return Shape::Unusual;
    }
    match bytes.byte::<{ L3 + 6 }>() {
        tcp::PROTOCOL | ICMP => Shape::Host,
        udp::PROTOCOL => datagram(packet, ports),
        esp::PROTOCOL => match association(packet) {
            None | Some((0, _)) => Shape::Unusual,
            Some(_) => Shape::Esp,
        },
        _ => Shape::Unusual,
    }
}

#[inline(always)]
fn datagram<L: Load + ?Sized>(packet: &L, ports: impl Fn(u16) -> UdpPort) -> Shape {
    let Some(bytes) = packet.window::<INNER>() else {
        return Shape::Unusual;
    };
    let (source, destination) = (bytes.be16::<L4>(), bytes.be16::<{ L4 + 2 }>());
    match of_datagram(ports, source, destination) {
        UdpPort::None => Shape::Host,
        UdpPort::Vxlan => {
            let has_room = bytes.be16::<{ L4 + 4 }>() as usize >= udp::LEN + vxlan::LEN;
            if has_room && vxlan::is_vni_valid(bytes.byte::<L5>()) {
                Shape::Vxlan
            } else {
                Shape::Unusual
            }
        }
        // The walk knows every other encapsulation.
        _ => Shape::Unusual,
    }
}

/// VXLAN Network Identifier ([`Shape::Vxlan`]). `None` if the packet is shorter.
#[inline(always)]
pub fn vni<L: Load + ?Sized>(packet: &L) -> Option<u32> {
    let bytes = packet.window::<INNER>()?;
    Some(bytes.be32::<{ L5 + 4 }>() >> 8)
}

/// Security Parameters Index and sequence number ([`Shape::Esp`]). `None` if the packet is shorter.
#[inline(always)]
pub fn association<L: Load + ?Sized>(packet: &L) -> Option<(u32, u32)> {
    let bytes = packet.window::<{ L4 + esp::LEN }>()?;
    Some((bytes.be32::<L4>(), bytes.be32::<{ L4 + 4 }>()))
}

/// Addresses of the nodes ([`Shape::Vxlan`] and [`Shape::Esp`]). `None` if the packet is shorter.
#[inline(always)]
pub fn addresses<L: Load + ?Sized>(packet: &L) -> Option<Addresses> {
    let bytes = packet.window::<L4>()?;
    Some(Addresses::v6(
        bytes.get::<{ L3 + ipv6::SOURCE }, 16>(),
        bytes.get::<{ L3 + ipv6::DESTINATION }, 16>(),
    ))
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::encapsulation::Encapsulation;
    use crate::link::Link;
    use crate::walk::{self, OuterKind};

    fn packet(next_header: u8) -> Vec<u8> {
        let mut bytes = std::vec![2; 12];
        bytes.extend([0x86, 0xdd, 0x60, 0, 0, 0, 0, 80, next_header, 64]);
        bytes.extend([0xaa; 32]);
        bytes.extend([0xc0, 0, 0x12, 0xb5, 0, 80, 0, 0, 8, 0, 0, 0, 0, 0x10, 0, 0]);
        bytes.extend([0xaa; 64]);
        bytes
    }

    /// The test at fixed offsets and the whole walk agree on this packet; returns the shape.
    fn agree(bytes: &[u8]) -> Shape {
        let ports = |port| match port {
            4789 => UdpPort::Vxlan,
            4500 => UdpPort::EspUdp,
            _ => UdpPort::None,
        };
        let shape = shape(bytes, ports);
        let outer = walk::outer(bytes, Link::Ethernet, ports);
        match shape {
            Shape::Unusual => {}
            Shape::Host => assert_eq!(outer.kind, OuterKind::Host, "{bytes:02x?}"),
            Shape::Vxlan => {
                assert_eq!(
                    (outer.encapsulation, Some(outer.vni), outer.inner),
                    (Encapsulation::Vxlan, vni(bytes), INNER)
                );
                let whole = walk::addresses(bytes, &outer.network);
                assert_eq!(addresses(bytes), whole);
            }
            Shape::Esp => {
                assert_eq!(outer.encapsulation, Encapsulation::Esp);
                let found = Some((outer.spi, outer.sequence));
                assert_eq!(found, association(bytes));
                let whole = walk::addresses(bytes, &outer.network);
                assert_eq!(addresses(bytes), whole);
            }
        }
        shape
    }

    #[test]
    fn usual_packets_are_recognised() {
        assert_eq!(agree(&packet(17)), Shape::Vxlan);
        assert_eq!(agree(&packet(6)), Shape::Host);
        assert_eq!(agree(&packet(58)), Shape::Host);
        assert_eq!(agree(&packet(50)), Shape::Esp);
        assert_eq!(agree(&packet(44)), Shape::Unusual);
    }

    #[test]
    fn any_change_of_any_header_byte_and_any_cut_is_parsed_alike() {
        for next_header in [17, 6, 58, 50, 0] {
            let good = packet(next_header);
            for at in 0..INNER {
                for value in 0..=255 {
                    let mut bytes = good.clone();
                    bytes[at] = value;
                    agree(&bytes);
                }
            }
            for len in 0..good.len() {
                agree(&good[..len]);
            }
        }
    }
}
