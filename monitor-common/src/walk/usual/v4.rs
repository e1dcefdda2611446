//! The usual packet on IPv4.

use super::shape::Shape;
use crate::address::Addresses;
use crate::encapsulation::UdpPort;
use crate::load::{Load, Window};
use crate::udp_port::of_datagram;
use crate::wire::{ah, esp, eth, ipv4, tcp, udp, vxlan};

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

/// Bytes up to the end of the inner UDP header.
const UDP_END: usize = INNER + eth::LEN + ipv4::LEN + udp::LEN;
/// Bytes up to the end of the inner TCP header.
const TCP_END: usize = INNER + eth::LEN + ipv4::LEN + tcp::LEN;

/// The flow inside a VXLAN packet of the usual shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// TCP or UDP (IANA protocol numbers).
    pub protocol: u8,
    /// Its addresses.
    pub addresses: Addresses,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// The flow inside a packet of [`Shape::Vxlan`], if that is TCP or UDP on IPv4 of the usual shape and does not open a
/// TCP connection. `None` for every other one, which is left to [`crate::walk::inner`].
#[inline(always)]
pub fn flow<L: Load + ?Sized>(packet: &L) -> Option<Flow> {
    const L3: usize = INNER + eth::LEN;
    const L4: usize = L3 + ipv4::LEN;
    let bytes = packet.window::<UDP_END>()?;
    if bytes.be16::<{ L3 - 2 }>() != eth::IPV4 || bytes.byte::<L3>() != ipv4::PLAIN {
        return None;
    }
    if (bytes.be16::<{ L3 + 2 }>() as usize) < ipv4::LEN
        || ipv4::is_fragment(bytes.be16::<{ L3 + ipv4::FRAGMENT_AT }>())
    {
        return None;
    }
    let protocol = bytes.byte::<{ L3 + 9 }>();
    if protocol == tcp::PROTOCOL {
        let bytes = packet.window::<TCP_END>()?;
        if bytes.byte::<{ L4 + 12 }>() >> 4 < (tcp::LEN / 4) as u8 {
            return None;
        }
        // A new connection: the verdict on an older one between the same ports does not hold for it.
        if tcp::opens(bytes.byte::<{ L4 + tcp::FLAGS_AT }>()) {
            return None;
        }
    } else if protocol != udp::PROTOCOL {
        return None;
    }
    Some(Flow {
        protocol,
        addresses: Addresses::v4(bytes.be32::<{ L3 + 12 }>(), bytes.be32::<{ L3 + 16 }>()),
        source_port: bytes.be16::<L4>(),
        destination_port: bytes.be16::<{ L4 + 2 }>(),
    })
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
    fn any_change_of_any_inner_header_byte_is_parsed_alike() {
        for protocol in [6, 17, 1] {
            let mut good = packet(17);
            good.truncate(INNER);
            good.extend([2; 12]);
            good.extend([
                8, 0, 0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, protocol, 0, 0, 10, 0, 1, 7, 10, 0, 1, 3,
            ]);
            good.extend([0x98, 0x80, 0x18, 0xeb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18]);
            good.extend([1; 40]);
            assert_eq!(flow(&good[..]).is_some(), protocol != 1);
            for at in INNER..TCP_END {
                for value in 0..=255 {
                    let mut bytes = good.clone();
                    bytes[at] = value;
                    let inner = walk::inner(&bytes[..], INNER, Link::Ethernet);
                    let Some(found) = flow(&bytes[..]) else {
                        continue;
                    };
                    assert_eq!(inner.kind, walk::InnerKind::Flow);
                    assert_eq!(
                        (
                            inner.network.protocol,
                            inner.source_port,
                            inner.destination_port
                        ),
                        (found.protocol, found.source_port, found.destination_port)
                    );
                    assert_eq!(
                        walk::addresses(&bytes[..], &inner.network),
                        Some(found.addresses)
                    );
                }
            }
            for len in 0..good.len() {
                let inner = walk::inner(&good[..len], INNER, Link::Ethernet);
                if flow(&good[..len]).is_some() {
                    assert_eq!(inner.kind, walk::InnerKind::Flow, "{len}");
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
