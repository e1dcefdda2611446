//! From the first byte of a frame to its encapsulation, and from there to the inner flow.
//!
//! Pure functions over [`Load`]. They decide nothing and count nothing: who calls them maps the
//! outcome to an action. Everything is `inline(always)`, so that each eBPF program becomes one
//! function whose offsets the verifier can follow.

use crate::config::Ports;
use crate::load::Load;
use crate::reason::Reason;
use crate::wire::{esp, eth, ipv4, ipv6, tcp, udp, vxlan};

/// Addresses of one IP header, in host byte order for IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// IPv4 source and destination.
    V4(u32, u32),
    /// IPv6 source and destination.
    V6([u8; 16], [u8; 16]),
}

/// Which IP header stands at [`Network::l3`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The network layer of a packet: where it is and what it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Which IP.
    pub version: Version,
    /// Offset of the IP header from the start of the frame.
    pub l3: usize,
    /// Offset of what follows the IP header and its options.
    pub l4: usize,
    /// Offset of the end of the packet by its own length field; an Ethernet trailer is beyond it.
    pub end: usize,
    /// Protocol of the payload (IANA protocol numbers).
    pub protocol: u8,
    /// Not the first fragment: what stands at `l4` is no header.
    pub later_fragment: bool,
}

/// What a frame on the watched interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outer {
    /// Neither IPv4 nor IPv6 (ARP, LLDP, …): nothing for us.
    NotIp,
    /// IP outside any overlay.
    Host(Network),
    /// VXLAN with a valid VNI.
    Vxlan {
        /// The packet between the nodes.
        network: Network,
        /// VXLAN Network Identifier.
        vni: u32,
        /// Offset of the inner Ethernet frame.
        inner: usize,
    },
    /// ESP directly on IP.
    Esp {
        /// The packet between the nodes.
        network: Network,
        /// Security Parameters Index.
        spi: u32,
        /// Sequence number.
        sequence: u32,
    },
    /// Not understood.
    Unparsed(Reason),
}

/// What is inside an overlay packet, or inside a host's own packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inner {
    /// Not IP: ARP and the like. The value is the ethertype.
    NotIp(u16),
    /// A packet of a flow.
    Flow(Segment),
    /// Not understood.
    Unparsed(Reason),
}

/// One packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its network layer.
    pub network: Network,
    /// Source port; 0 where the protocol has none, or in a later fragment.
    pub source_port: u16,
    /// Destination port; 0 where the protocol has none, or in a later fragment.
    pub destination_port: u16,
    /// Offset of the payload behind the transport header.
    pub payload: usize,
    /// TCP flag byte, else 0.
    pub tcp_flags: u8,
}

impl Segment {
    /// Payload length in bytes by the packet's own length fields (a sample may hold fewer).
    #[inline(always)]
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.network.end.saturating_sub(self.payload)
    }
}

/// Walks from the start of an Ethernet frame to its encapsulation.
#[inline(always)]
pub fn outer<L: Load + ?Sized>(packet: &L, vxlan_ports: &Ports) -> Outer {
    let network = match frame(packet, 0) {
        Ok(Frame::Ip(network)) => network,
        Ok(Frame::Other(_)) => return Outer::NotIp,
        Err(reason) => return Outer::Unparsed(reason),
    };
    match network.protocol {
        udp::PROTOCOL => outer_udp(packet, network, vxlan_ports),
        esp::PROTOCOL => outer_esp(packet, network),
        next if matches!(network.version, Version::V6) && ipv6::is_extension(next) => {
            Outer::Unparsed(Reason::Ipv6Extension)
        }
        _ => Outer::Host(network),
    }
}

#[inline(always)]
fn outer_udp<L: Load + ?Sized>(packet: &L, network: Network, vxlan_ports: &Ports) -> Outer {
    if network.later_fragment {
        return Outer::Unparsed(Reason::Fragment);
    }
    let Some(header) = packet.load(network.l4) else {
        return Outer::Unparsed(Reason::UdpTruncated);
    };
    let header = udp::Udp(header);
    if !vxlan_ports.contains(header.destination()) {
        return Outer::Host(network);
    }
    if (header.length() as usize) < udp::LEN + vxlan::LEN && header.length() != 0 {
        return Outer::Unparsed(Reason::UdpLength);
    }
    let at = network.l4 + udp::LEN;
    let Some(header) = packet.load(at) else {
        return Outer::Unparsed(Reason::VxlanTruncated);
    };
    let header = vxlan::Vxlan(header);
    if !header.has_vni() {
        return Outer::Unparsed(Reason::VxlanNoVni);
    }
    Outer::Vxlan {
        network,
        vni: header.vni(),
        inner: at + vxlan::LEN,
    }
}

#[inline(always)]
fn outer_esp<L: Load + ?Sized>(packet: &L, network: Network) -> Outer {
    if network.later_fragment {
        return Outer::Unparsed(Reason::Fragment);
    }
    let Some(header) = packet.load(network.l4) else {
        return Outer::Unparsed(Reason::EspTruncated);
    };
    let header = esp::Esp(header);
    if header.spi() == 0 {
        return Outer::Unparsed(Reason::EspSpiZero);
    }
    Outer::Esp {
        network,
        spi: header.spi(),
        sequence: header.sequence(),
    }
}

/// Walks from the start of the Ethernet frame inside an overlay packet to its flow.
#[inline(always)]
pub fn inner<L: Load + ?Sized>(packet: &L, at: usize) -> Inner {
    match frame(packet, at) {
        Ok(Frame::Ip(network)) => segment(packet, network),
        Ok(Frame::Other(ethertype)) => Inner::NotIp(ethertype),
        Err(reason) => Inner::Unparsed(inside(reason)),
    }
}

/// Walks from the network layer of a packet to its flow.
#[inline(always)]
pub fn segment<L: Load + ?Sized>(packet: &L, network: Network) -> Inner {
    let without_ports = Segment {
        network,
        source_port: 0,
        destination_port: 0,
        payload: network.l4,
        tcp_flags: 0,
    };
    if network.later_fragment {
        return Inner::Flow(without_ports);
    }
    match network.protocol {
        tcp::PROTOCOL => {
            let Some(header) = packet.load(network.l4) else {
                return Inner::Unparsed(Reason::InnerTruncated);
            };
            let header = tcp::Tcp(header);
            if header.header_len() < tcp::LEN {
                return Inner::Unparsed(Reason::InnerMalformed);
            }
            Inner::Flow(Segment {
                source_port: header.source(),
                destination_port: header.destination(),
                payload: network.l4 + header.header_len(),
                tcp_flags: header.flags(),
                ..without_ports
            })
        }
        udp::PROTOCOL => {
            let Some(header) = packet.load(network.l4) else {
                return Inner::Unparsed(Reason::InnerTruncated);
            };
            let header = udp::Udp(header);
            Inner::Flow(Segment {
                source_port: header.source(),
                destination_port: header.destination(),
                payload: network.l4 + udp::LEN,
                ..without_ports
            })
        }
        _ => Inner::Flow(without_ports),
    }
}

/// Addresses of a network layer that was walked before.
///
/// Apart from the walk, because counting VXLAN does not need them and a load is not free.
#[inline(always)]
pub fn addresses<L: Load + ?Sized>(packet: &L, network: &Network) -> Option<Addresses> {
    Some(match network.version {
        Version::V4 => {
            let header = ipv4::Ipv4(packet.load(network.l3)?);
            Addresses::V4(header.source(), header.destination())
        }
        Version::V6 => {
            let header = ipv6::Ipv6(packet.load(network.l3)?);
            Addresses::V6(header.source(), header.destination())
        }
    })
}

enum Frame {
    Ip(Network),
    Other(u16),
}

/// An Ethernet frame with up to two VLAN tags, down to its network layer.
#[inline(always)]
fn frame<L: Load + ?Sized>(packet: &L, at: usize) -> Result<Frame, Reason> {
    let header = eth::Ethernet(packet.load(at).ok_or(Reason::EthernetTruncated)?);
    let l3 = at + eth::LEN;
    let ethertype = header.ethertype();
    if !eth::is_tag(ethertype) {
        return network(packet, ethertype, l3);
    }
    let tag = eth::Tag(packet.load(l3).ok_or(Reason::EthernetTruncated)?);
    let l3 = l3 + eth::TAG_LEN;
    let ethertype = tag.ethertype();
    if !eth::is_tag(ethertype) {
        return network(packet, ethertype, l3);
    }
    let tag = eth::Tag(packet.load(l3).ok_or(Reason::EthernetTruncated)?);
    let l3 = l3 + eth::TAG_LEN;
    let ethertype = tag.ethertype();
    if !eth::is_tag(ethertype) {
        return network(packet, ethertype, l3);
    }
    Err(Reason::VlanDepth)
}

#[inline(always)]
fn network<L: Load + ?Sized>(packet: &L, ethertype: u16, l3: usize) -> Result<Frame, Reason> {
    match ethertype {
        eth::IPV4 => {
            let header = ipv4::Ipv4(packet.load(l3).ok_or(Reason::Ipv4Truncated)?);
            let header_len = if header.is_plain() {
                // A constant on the usual path keeps the verifier's offsets exact and the code short.
                ipv4::LEN
            } else if header.version() == 4 && header.header_len() > ipv4::LEN {
                header.header_len()
            } else {
                return Err(Reason::Ipv4Malformed);
            };
            let total_len = header.total_len() as usize;
            let end = if total_len == 0 {
                packet.frame_len()
            } else if total_len < header_len {
                return Err(Reason::Ipv4Malformed);
            } else {
                l3 + total_len
            };
            Ok(Frame::Ip(Network {
                version: Version::V4,
                l3,
                l4: l3 + header_len,
                end,
                protocol: header.protocol(),
                later_fragment: header.is_later_fragment(),
            }))
        }
        eth::IPV6 => {
            let header = ipv6::Ipv6(packet.load(l3).ok_or(Reason::Ipv6Truncated)?);
            if header.version() != 6 {
                return Err(Reason::Ipv6Malformed);
            }
            let payload_len = header.payload_len() as usize;
            let l4 = l3 + ipv6::LEN;
            Ok(Frame::Ip(Network {
                version: Version::V6,
                l3,
                l4,
                end: if payload_len == 0 {
                    packet.frame_len()
                } else {
                    l4 + payload_len
                },
                protocol: header.next_header(),
                later_fragment: false,
            }))
        }
        other => Ok(Frame::Other(other)),
    }
}

/// The reason for an inner frame, where only "truncated" and "malformed" are told apart.
#[inline(always)]
const fn inside(reason: Reason) -> Reason {
    match reason {
        Reason::EthernetTruncated | Reason::Ipv4Truncated | Reason::Ipv6Truncated => {
            Reason::InnerTruncated
        }
        _ => Reason::InnerMalformed,
    }
}

#[cfg(test)]
mod tests;
