//! From the first byte of a frame to its encapsulation, and from there to the inner flow.
//!
//! Pure functions over [`Load`]. They decide nothing and count nothing: who calls them maps the
//! outcome to an action. Everything is `inline(always)`, so that each eBPF program becomes one
//! function whose offsets the verifier can follow.

mod frame;
pub mod usual;

use frame::{FrameKind, frame};

use crate::load::Load;
use crate::reason::Reason;
use crate::wire::{esp, ipv4, ipv6, tcp, udp, vxlan};

/// Addresses of one IP header, each as two big-endian halves; IPv4 as IPv4-mapped IPv6 (RFC 4291,
/// 2.5.5.2).
///
/// Words, not bytes: the eBPF compiler keeps a byte array in as many stack slots as it has bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Which IP.
    pub version: Version,
    /// Source.
    pub source: [u64; 2],
    /// Destination.
    pub destination: [u64; 2],
}

impl Addresses {
    /// Two IPv4 addresses in host byte order.
    #[inline(always)]
    #[must_use]
    pub const fn v4(source: u32, destination: u32) -> Addresses {
        Addresses {
            version: Version::V4,
            source: mapped(source),
            destination: mapped(destination),
        }
    }

    /// Two IPv6 addresses as they stand on the wire.
    #[inline(always)]
    #[must_use]
    pub const fn v6(source: [u8; 16], destination: [u8; 16]) -> Addresses {
        Addresses {
            version: Version::V6,
            source: halves(source),
            destination: halves(destination),
        }
    }
}

#[inline(always)]
const fn mapped(address: u32) -> [u64; 2] {
    [0, 0xffff_0000_0000 | address as u64]
}

#[inline(always)]
const fn halves(address: [u8; 16]) -> [u64; 2] {
    let all = u128::from_be_bytes(address);
    [(all >> 64) as u64, all as u64]
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

impl Network {
    const NONE: Network = Network {
        version: Version::V4,
        l3: 0,
        l4: 0,
        end: 0,
        protocol: 0,
        later_fragment: false,
    };
}

/// What a frame on the watched interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Neither IPv4 nor IPv6 (ARP, LLDP, …): nothing for us.
    NotIp,
    /// IP outside any overlay.
    Host,
    /// VXLAN with a valid VNI.
    Vxlan,
    /// ESP directly on IP.
    Esp,
    /// Not understood.
    Unparsed,
}

/// What a frame on the watched interface is, and where its parts are.
///
/// Flat, every field always set: an enum with payloads leaves registers undefined on some paths, and
/// the verifier refuses to see those spilled. Read the fields that belong to `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Which of the fields below count.
    pub kind: Kind,
    /// Why it was not understood ([`Kind::Unparsed`]).
    pub reason: Reason,
    /// The packet between the nodes (all kinds but [`Kind::NotIp`] and [`Kind::Unparsed`]).
    pub network: Network,
    /// VXLAN Network Identifier ([`Kind::Vxlan`]).
    pub vni: u32,
    /// Offset of the inner Ethernet frame ([`Kind::Vxlan`]).
    pub inner: usize,
    /// Security Parameters Index ([`Kind::Esp`]).
    pub spi: u32,
    /// Sequence number ([`Kind::Esp`]).
    pub sequence: u32,
}

impl Outer {
    const NOT_IP: Outer = Outer {
        kind: Kind::NotIp,
        reason: Reason::EthernetTruncated,
        network: Network::NONE,
        vni: 0,
        inner: 0,
        spi: 0,
        sequence: 0,
    };

    #[inline(always)]
    const fn unparsed(reason: Reason) -> Outer {
        Outer {
            kind: Kind::Unparsed,
            reason,
            ..Outer::NOT_IP
        }
    }
}

/// What is inside an overlay packet, or inside a host's own packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InnerKind {
    /// Not IP: ARP and the like.
    NotIp,
    /// A packet of a flow.
    Flow,
    /// Not understood.
    Unparsed,
}

/// One packet of a flow, or why it is none. Flat for the same reason as [`Outer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// Which of the fields below count.
    pub kind: InnerKind,
    /// Why it was not understood ([`InnerKind::Unparsed`]).
    pub reason: Reason,
    /// Type of what is inside ([`InnerKind::NotIp`]).
    pub ethertype: u16,
    /// Its network layer ([`InnerKind::Flow`], and this holds for all below).
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

impl Inner {
    const NONE: Inner = Inner {
        kind: InnerKind::NotIp,
        reason: Reason::InnerTruncated,
        ethertype: 0,
        network: Network::NONE,
        source_port: 0,
        destination_port: 0,
        payload: 0,
        tcp_flags: 0,
    };

    #[inline(always)]
    const fn unparsed(reason: Reason) -> Inner {
        Inner {
            kind: InnerKind::Unparsed,
            reason,
            ..Inner::NONE
        }
    }

    /// Payload length in bytes by the packet's own length fields (a sample may hold fewer).
    #[inline(always)]
    #[must_use]
    pub const fn payload_len(&self) -> usize {
        self.network.end.saturating_sub(self.payload)
    }
}

/// Walks from the start of an Ethernet frame to its encapsulation. `is_vxlan` tells whether a UDP
/// destination port is one of VXLAN; it is asked only for UDP.
#[inline(always)]
pub fn outer<L: Load + ?Sized>(packet: &L, is_vxlan: impl FnOnce(u16) -> bool) -> Outer {
    let frame = frame(packet, 0);
    match frame.kind {
        FrameKind::Other => return Outer::NOT_IP,
        FrameKind::Unparsed => return Outer::unparsed(frame.reason),
        FrameKind::Ip => {}
    }
    let network = frame.network;
    match network.protocol {
        udp::PROTOCOL => outer_udp(packet, network, is_vxlan),
        esp::PROTOCOL => outer_esp(packet, network),
        _ => Outer {
            kind: Kind::Host,
            network,
            ..Outer::NOT_IP
        },
    }
}

#[inline(always)]
fn outer_udp<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    is_vxlan: impl FnOnce(u16) -> bool,
) -> Outer {
    if network.later_fragment {
        return Outer::unparsed(Reason::Fragment);
    }
    let Some(header) = packet.load(network.l4) else {
        return Outer::unparsed(Reason::UdpTruncated);
    };
    let header = udp::Udp(header);
    if !is_vxlan(header.destination()) {
        return Outer {
            kind: Kind::Host,
            network,
            ..Outer::NOT_IP
        };
    }
    if (header.length() as usize) < udp::LEN + vxlan::LEN && header.length() != 0 {
        return Outer::unparsed(Reason::UdpLength);
    }
    let at = network.l4 + udp::LEN;
    let Some(header) = packet.load(at) else {
        return Outer::unparsed(Reason::VxlanTruncated);
    };
    let header = vxlan::Vxlan(header);
    if !header.has_vni() {
        return Outer::unparsed(Reason::VxlanNoVni);
    }
    Outer {
        kind: Kind::Vxlan,
        network,
        vni: header.vni(),
        inner: at + vxlan::LEN,
        ..Outer::NOT_IP
    }
}

#[inline(always)]
fn outer_esp<L: Load + ?Sized>(packet: &L, network: Network) -> Outer {
    if network.later_fragment {
        return Outer::unparsed(Reason::Fragment);
    }
    let Some(header) = packet.load(network.l4) else {
        return Outer::unparsed(Reason::EspTruncated);
    };
    let header = esp::Esp(header);
    if header.spi() == 0 {
        return Outer::unparsed(Reason::EspSpiZero);
    }
    Outer {
        kind: Kind::Esp,
        network,
        spi: header.spi(),
        sequence: header.sequence(),
        ..Outer::NOT_IP
    }
}

/// Walks from the start of the Ethernet frame inside an overlay packet to its flow.
#[inline(always)]
pub fn inner<L: Load + ?Sized>(packet: &L, at: usize) -> Inner {
    let frame = frame(packet, at);
    match frame.kind {
        FrameKind::Other => Inner {
            ethertype: frame.ethertype,
            ..Inner::NONE
        },
        FrameKind::Unparsed => Inner::unparsed(inside(frame.reason)),
        FrameKind::Ip => segment(packet, frame.network),
    }
}

/// Walks from the network layer of a packet to its flow.
#[inline(always)]
pub fn segment<L: Load + ?Sized>(packet: &L, network: Network) -> Inner {
    let without_ports = Inner {
        kind: InnerKind::Flow,
        network,
        payload: network.l4,
        ..Inner::NONE
    };
    if network.later_fragment {
        return without_ports;
    }
    match network.protocol {
        tcp::PROTOCOL => {
            let Some(header) = packet.load(network.l4) else {
                return Inner::unparsed(Reason::InnerTruncated);
            };
            let header = tcp::Tcp(header);
            if header.header_len() < tcp::LEN {
                return Inner::unparsed(Reason::InnerMalformed);
            }
            Inner {
                source_port: header.source(),
                destination_port: header.destination(),
                payload: network.l4 + header.header_len(),
                tcp_flags: header.flags(),
                ..without_ports
            }
        }
        udp::PROTOCOL => {
            let Some(header) = packet.load(network.l4) else {
                return Inner::unparsed(Reason::InnerTruncated);
            };
            let header = udp::Udp(header);
            Inner {
                source_port: header.source(),
                destination_port: header.destination(),
                payload: network.l4 + udp::LEN,
                ..without_ports
            }
        }
        _ => without_ports,
    }
}

/// Addresses of a network layer that was walked before.
///
/// Apart from the walk, because counting VXLAN does not need them and a load is not free.
#[inline(always)]
pub fn addresses<L: Load + ?Sized>(packet: &L, network: &Network) -> Option<Addresses> {
    match network.version {
        Version::V4 => {
            let header = ipv4::Ipv4(packet.load(network.l3)?);
            Some(Addresses::v4(header.source(), header.destination()))
        }
        Version::V6 => {
            let source = packet.load(network.l3 + ipv6::SOURCE)?;
            Some(Addresses::v6(
                source,
                packet.load(network.l3 + ipv6::DESTINATION)?,
            ))
        }
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
