//! The usual packet on IPv4.

use super::shape::Shape;
use crate::address::Addresses;
use crate::encapsulation::UdpPort;
use crate::load::{Load, Window};
use crate::udp_port::of_datagram;
use crate::wire::{ah, esp, eth, ipv4, udp, vxlan};

const L3: usize = eth::LEN;
const L4: usize = L3 + ipv4::LEN;
const L5: usize = L4 + udp::LEN;
/// Offset of the Ethernet frame inside a VXLAN packet of the usual shape.
pub const INNER: usize = L5 + vxlan::LEN;

/// The first bytes of a packet. Which fields it has depends on [`Start::shape`].
#[derive(Clone, Copy, Debug)]
pub struct Start<W>(W);

/// The first bytes of a packet. `None` if the packet is shorter.
#[inline(always)]
pub fn start<L: Load + ?Sized>(packet: &L) -> Option<Start<impl Window<INNER>>> {
    packet.window::<INNER>().map(Start)
}

impl<W: Window<INNER>> Start<W> {
    /// What the packet is. `ports` looks a UDP port up.
    #[inline(always)]
    pub fn shape(&self, ports: impl Fn(u16) -> UdpPort) -> Shape {
        let Start(bytes) = self;
        if bytes.be16::<{ L3 - 2 }>() != eth::IPV4 || bytes.byte::<L3>() != ipv4::PLAIN {
            return Shape::Unusual;
        }
        if (bytes.be16::<{ L3 + 2 }>() as usize) < ipv4::LEN {
            return Shape::Unusual;
        }
        let protocol = bytes.byte::<{ L3 + 9 }>();
        if protocol != udp::PROTOCOL && protocol != esp::PROTOCOL {
            return if protocol == ah::PROTOCOL {
                Shape::Unusual
            } else {
                Shape::Host
            };
        }
        if ipv4::is_fragment(bytes.be16::<{ L3 + ipv4::FRAGMENT_AT }>()) {
            return Shape::Unusual;
        }
        if protocol == esp::PROTOCOL {
            return if self.spi() == 0 {
                Shape::Unusual
            } else {
                Shape::Esp
            };
        }
        let (source, destination) = (bytes.be16::<L4>(), bytes.be16::<{ L4 + 2 }>());
        match of_datagram(ports, source, destination) {
            UdpPort::Vxlan => {}
            UdpPort::None => return Shape::Host,
            // The walk knows every other encapsulation.
            _ => return Shape::Unusual,
        }
        let has_room = bytes.be16::<{ L4 + 4 }>() as usize >= udp::LEN + vxlan::LEN;
        if has_room && vxlan::is_vni_valid(bytes.byte::<L5>()) {
            Shape::Vxlan
        } else {
            Shape::Unusual
        }
    }

    /// VXLAN Network Identifier ([`Shape::Vxlan`]).
    #[inline(always)]
    #[must_use]
    pub fn vni(&self) -> u32 {
        self.0.be32::<{ L5 + 4 }>() >> 8
    }

    /// Security Parameters Index ([`Shape::Esp`]).
    #[inline(always)]
    #[must_use]
    pub fn spi(&self) -> u32 {
        self.0.be32::<L4>()
    }

    /// Sequence number ([`Shape::Esp`]).
    #[inline(always)]
    #[must_use]
    pub fn sequence(&self) -> u32 {
        self.0.be32::<{ L4 + 4 }>()
    }

    /// Addresses of the nodes (all but [`Shape::Unusual`]).
    #[inline(always)]
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        Addresses::v4(self.0.be32::<{ L3 + 12 }>(), self.0.be32::<{ L3 + 16 }>())
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::encapsulation::Encapsulation;
    use crate::link::Link;
    use crate::walk::{self, OuterKind};

    fn packet(protocol: u8) -> Vec<u8> {
        let mut bytes = std::vec![2; 12];
        bytes.extend([
            8, 0, 0x45, 0, 0, 100, 0, 1, 0x40, 0, 64, protocol, 0, 0, 192, 168, 77, 1, 192, 168,
            77, 2,
        ]);
        bytes.extend([0xc0, 0, 0x12, 0xb5, 0, 80, 0, 0, 8, 0, 0, 0, 0, 0x10, 0, 0]);
        bytes.extend([0xaa; 64]);
        bytes
    }

    /// The test at fixed offsets and the whole walk agree on this packet; returns the shape.
    fn agree(bytes: &[u8]) -> Shape {
        let is_vxlan = |port| match port {
            4789 => UdpPort::Vxlan,
            4500 => UdpPort::EspUdp,
            _ => UdpPort::None,
        };
        let Some(start) = start(bytes) else {
            return Shape::Unusual;
        };
        let shape = start.shape(is_vxlan);
        let outer = walk::outer(bytes, Link::Ethernet, is_vxlan);
        match shape {
            Shape::Unusual => {}
            Shape::Host => assert_eq!(outer.kind, OuterKind::Host, "{bytes:02x?}"),
            Shape::Vxlan => assert_eq!(
                (outer.encapsulation, outer.vni, outer.inner),
                (Encapsulation::Vxlan, start.vni(), INNER)
            ),
            Shape::Esp => {
                assert_eq!(
                    (outer.encapsulation, outer.spi),
                    (Encapsulation::Esp, start.spi())
                );
                assert_eq!(outer.sequence, start.sequence());
                assert_eq!(
                    walk::addresses(bytes, &outer.network),
                    Some(start.addresses())
                );
            }
        }
        shape
    }

    #[test]
    fn usual_packets_are_recognised() {
        assert_eq!(agree(&packet(17)), Shape::Vxlan);
        assert_eq!(agree(&packet(50)), Shape::Esp);
        assert_eq!(agree(&packet(6)), Shape::Host);
    }

    #[test]
    fn any_change_of_any_header_byte_is_parsed_alike() {
        for protocol in [17, 50, 6, 1] {
            let good = packet(protocol);
            for at in 0..INNER {
                for value in 0..=255 {
                    let mut bytes = good.clone();
                    bytes[at] = value;
                    agree(&bytes);
                }
            }
        }
    }

    #[test]
    fn one_byte_short_is_left_to_the_walk() {
        assert_eq!(agree(&packet(17)[..INNER]), Shape::Vxlan);
        assert_eq!(agree(&packet(17)[..INNER - 1]), Shape::Unusual);
    }
}
