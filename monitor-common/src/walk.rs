//! From the first byte of a frame to its encapsulation, and from there to the inner flow.
//!
//! Pure functions over [`Load`]. They decide nothing and count nothing: who calls them maps the
//! outcome to an action. Everything is `inline(always)`, so that each eBPF program becomes one
//! function whose offsets the verifier can follow.

mod frame;
mod inner;
mod null;
mod outer;
pub mod usual;

pub use frame::{Frame, FrameKind, frame};
pub use inner::{inner, inner_reason, segment};
pub use null::{Null, may_be as may_be_null, null};
pub use outer::{encapsulation, outer};

use crate::label::Encapsulation;
use crate::load::Load;
use crate::reason::Reason;
use crate::wire::{ipv4, ipv6};

/// What a packet, or what is inside one, starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Link {
    /// An Ethernet header.
    Ethernet = 0,
    /// An IP header: a raw-IP interface, or an overlay of layer 3.
    Ip = 1,
    /// Something that is not walked (NSH, MPLS, …).
    Other = 2,
}

impl Link {
    /// The link of an index; [`Link::Other`] for a value that nobody writes.
    #[inline(always)]
    #[must_use]
    pub const fn from_index(index: u8) -> Link {
        match index {
            0 => Link::Ethernet,
            1 => Link::Ip,
            _ => Link::Other,
        }
    }
}

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
    /// The first of several fragments.
    pub first_fragment: bool,
    /// Identification of the packet that the fragments belong to; 0 where there is no fragment header
    /// (IPv6).
    pub fragment_id: u32,
}

impl Network {
    const NONE: Network = Network {
        version: Version::V4,
        l3: 0,
        l4: 0,
        end: 0,
        protocol: 0,
        later_fragment: false,
        first_fragment: false,
        fragment_id: 0,
    };
}

/// What a packet on the watched interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Neither IPv4 nor IPv6 (ARP, LLDP, …): nothing for us.
    NotIp = 0,
    /// IP outside any overlay.
    Host = 1,
    /// An overlay packet with a valid VNI that can be read: VXLAN, VXLAN-GPE, Geneve, VXLAN in ESP of the NULL cipher.
    Overlay = 2,
    /// A packet under a security association: ESP on IP or in UDP, AH.
    Association = 3,
    /// A tunnel without either: WireGuard, IKE.
    Tunnel = 4,
    /// A later fragment of what may be any of these.
    LaterFragment = 5,
    /// Not understood.
    Unparsed = 6,
}

/// What a packet on the watched interface is, and where its parts are.
///
/// Flat, every field always set: an enum with payloads leaves registers undefined on some paths, and
/// the verifier refuses to see those spilled. Read the fields that belong to `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Which of the fields below count.
    pub kind: Kind,
    /// What it is wrapped in ([`Kind::Overlay`], [`Kind::Association`], [`Kind::Tunnel`]).
    pub encapsulation: Encapsulation,
    /// Why it was not understood ([`Kind::Unparsed`]).
    pub reason: Reason,
    /// The packet between the nodes (all kinds but [`Kind::NotIp`] and [`Kind::Unparsed`]).
    pub network: Network,
    /// Virtual Network Identifier ([`Kind::Overlay`]).
    pub vni: u32,
    /// Offset of what is inside ([`Kind::Overlay`]), or of the ESP header ([`Kind::Association`], but for AH).
    pub inner: usize,
    /// What it starts with ([`Kind::Overlay`]).
    pub link: Link,
    /// Security Parameters Index ([`Kind::Association`]).
    pub spi: u32,
    /// Sequence number ([`Kind::Association`]).
    pub sequence: u32,
}

impl Outer {
    const NOT_IP: Outer = Outer {
        kind: Kind::NotIp,
        encapsulation: Encapsulation::None,
        reason: Reason::EthernetTruncated,
        network: Network::NONE,
        vni: 0,
        inner: 0,
        link: Link::Ethernet,
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

    #[inline(always)]
    const fn of(kind: Kind, encapsulation: Encapsulation, network: Network) -> Outer {
        Outer {
            kind,
            encapsulation,
            network,
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

#[cfg(test)]
mod tests;
