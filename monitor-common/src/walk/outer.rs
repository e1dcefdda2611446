//! From the first byte of a packet on the watched interface to its encapsulation.

use super::frame::{FrameKind, frame, hidden_reason};
use super::network::Network;
use super::null::null;
use crate::encapsulation::{Encapsulation, UdpPort};
use crate::link::Link;
use crate::load::Load;
use crate::reason::Reason;
use crate::udp_port::of_datagram;
use crate::wire::{ah, esp, geneve, udp, vxlan, vxlan_gpe, wireguard};

/// What a packet on the watched interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OuterKind {
    /// Neither IPv4 nor IPv6 (ARP, LLDP, …).
    NotIp = 0,
    /// IP outside any overlay.
    Host = 1,
    /// An overlay packet with a valid VNI that can be read: an encapsulation of
    /// [`Identity::Vni`](crate::encapsulation::Identity::Vni).
    Overlay = 2,
    /// A packet under a security association: an encapsulation of
    /// [`Identity::Spi`](crate::encapsulation::Identity::Spi).
    Association = 3,
    /// A tunnel without either: an encapsulation of [`Identity::Itself`](crate::encapsulation::Identity::Itself).
    Tunnel = 4,
    /// A later fragment of a packet that may be any of these.
    LaterFragment = 5,
    /// Not parsed.
    Unparsed = 6,
}

/// What a packet on the watched interface is, and where its parts are.
///
/// A flat struct in which every field is always set: an enum with payloads leaves registers undefined on some paths,
/// and the verifier refuses to see those spilled. Read only the fields that belong to `kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Which of the fields below are meaningful.
    pub kind: OuterKind,
    /// Its encapsulation ([`OuterKind::Overlay`], [`OuterKind::Association`], [`OuterKind::Tunnel`]).
    pub encapsulation: Encapsulation,
    /// Why it was not parsed ([`OuterKind::Unparsed`]).
    pub reason: Reason,
    /// The network layer of the packet between the nodes (all kinds but [`OuterKind::NotIp`] and [`OuterKind::Unparsed`]).
    pub network: Network,
    /// Virtual Network Identifier ([`OuterKind::Overlay`]).
    pub vni: u32,
    /// Offset of what is inside ([`OuterKind::Overlay`]), or of the ESP header ([`OuterKind::Association`], except AH).
    pub inner: usize,
    /// The first header of what is inside ([`OuterKind::Overlay`]).
    pub link: Link,
    /// Security Parameters Index ([`OuterKind::Association`]).
    pub spi: u32,
    /// Sequence number ([`OuterKind::Association`]).
    pub sequence: u32,
}

impl Outer {
    const NOT_IP: Outer = Outer {
        kind: OuterKind::NotIp,
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
            kind: OuterKind::Unparsed,
            reason,
            ..Outer::NOT_IP
        }
    }

    #[inline(always)]
    const fn of(kind: OuterKind, encapsulation: Encapsulation, network: Network) -> Outer {
        Outer {
            kind,
            encapsulation,
            network,
            ..Outer::NOT_IP
        }
    }
}

/// Walks from the first byte of a packet to its encapsulation. `ports` looks a UDP port up; it is called only for UDP.
#[inline(always)]
pub fn outer<L: Load + ?Sized>(packet: &L, link: Link, ports: impl Fn(u16) -> UdpPort) -> Outer {
    let frame = frame(packet, 0, link);
    match frame.kind {
        FrameKind::Other => match hidden_reason(frame.ethertype) {
            Some(reason) => Outer::unparsed(reason),
            None => Outer::NOT_IP,
        },
        FrameKind::Unparsed => Outer::unparsed(frame.reason),
        FrameKind::Ip => reveal(packet, encapsulation(packet, frame.network, &ports), &ports),
    }
}

/// Turns ESP with the NULL cipher into the overlay packet that it is; see [`super::null()`].
#[inline(always)]
pub fn reveal<L: Load + ?Sized>(packet: &L, outer: Outer, ports: impl Fn(u16) -> UdpPort) -> Outer {
    if !matches!(outer.kind, OuterKind::Association) || !outer.encapsulation.is_esp() {
        return outer;
    }
    let network = outer.network;
    let null = null(
        packet,
        outer.inner,
        network.end,
        network.first_fragment,
        ports,
    );
    if null.inner == 0 {
        return outer;
    }
    Outer {
        vni: null.vni,
        inner: null.inner,
        ..Outer::of(OuterKind::Overlay, Encapsulation::EspNull, network)
    }
}

/// Walks from the network layer of a packet to its encapsulation; see [`outer()`]. It does not look for the NULL cipher
/// in ESP.
#[inline(always)]
pub fn encapsulation<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    ports: impl Fn(u16) -> UdpPort,
) -> Outer {
    if network.later_fragment {
        return later_fragment(network);
    }
    let mut inside = network;
    let (mut is_authenticated, mut spi, mut sequence) = (false, 0, 0);
    if network.protocol == ah::PROTOCOL {
        let Some(header) = packet.load(network.l4) else {
            return Outer::unparsed(Reason::AhTruncated);
        };
        let header = ah::Ah(header);
        if header.header_len() < ah::LEN {
            return Outer::unparsed(Reason::AhTruncated);
        }
        (is_authenticated, spi, sequence) = (true, header.spi(), header.sequence());
        inside.protocol = header.next_header();
        inside.l4 = network.l4 + header.header_len();
    }
    // One call for both cases: it is most of the code, and the verifier follows each copy.
    let found = transport(packet, inside, ports);
    // The payload of AH is in the clear, so a packet in AH is what that payload is, and AH only if that is no overlay.
    if !is_authenticated || !matches!(found.kind, OuterKind::Host) {
        return found;
    }
    Outer {
        spi,
        sequence,
        ..Outer::of(OuterKind::Association, Encapsulation::Ah, network)
    }
}

#[inline(always)]
fn later_fragment(network: Network) -> Outer {
    let kind = match network.protocol {
        udp::PROTOCOL | esp::PROTOCOL | ah::PROTOCOL => OuterKind::LaterFragment,
        _ => OuterKind::Host,
    };
    Outer::of(kind, Encapsulation::None, network)
}

#[inline(always)]
fn transport<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    ports: impl Fn(u16) -> UdpPort,
) -> Outer {
    match network.protocol {
        udp::PROTOCOL => datagram(packet, network, ports),
        esp::PROTOCOL => association(packet, network, network.l4, Encapsulation::Esp),
        _ => Outer::of(OuterKind::Host, Encapsulation::None, network),
    }
}

#[inline(always)]
fn datagram<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    ports: impl Fn(u16) -> UdpPort,
) -> Outer {
    let Some(header) = packet.load(network.l4) else {
        return Outer::unparsed(Reason::UdpTruncated);
    };
    let header = udp::Udp(header);
    let service = of_datagram(ports, header.source(), header.destination());
    let len = header.length() as usize;
    let at = network.l4 + udp::LEN;
    // Zero is a jumbogram (RFC 2675, 4). The three headers have the same length.
    let needs_header = matches!(
        service,
        UdpPort::Vxlan | UdpPort::VxlanGpe | UdpPort::Geneve
    );
    if needs_header && len < udp::LEN + vxlan::LEN && len != 0 {
        return Outer::unparsed(Reason::UdpLength);
    }
    match service {
        UdpPort::None => Outer::of(OuterKind::Host, Encapsulation::None, network),
        UdpPort::Vxlan => {
            let Some(header) = packet.load(at) else {
                return Outer::unparsed(Reason::VxlanTruncated);
            };
            let header = vxlan::Vxlan(header);
            if !header.has_vni() {
                return Outer::unparsed(Reason::VxlanNoVni);
            }
            Outer {
                vni: header.vni(),
                inner: at + vxlan::LEN,
                ..Outer::of(OuterKind::Overlay, Encapsulation::Vxlan, network)
            }
        }
        UdpPort::VxlanGpe => {
            let Some(header) = packet.load(at) else {
                return Outer::unparsed(Reason::VxlanTruncated);
            };
            let header = vxlan_gpe::VxlanGpe(header);
            if !header.is_version_0() {
                return Outer::unparsed(Reason::TunnelVersion);
            }
            if !header.has_vni() {
                return Outer::unparsed(Reason::VxlanNoVni);
            }
            Outer {
                vni: header.vni(),
                inner: at + vxlan_gpe::LEN,
                link: header.inner(),
                ..Outer::of(OuterKind::Overlay, Encapsulation::VxlanGpe, network)
            }
        }
        UdpPort::Geneve => {
            let Some(header) = packet.load(at) else {
                return Outer::unparsed(Reason::GeneveTruncated);
            };
            let header = geneve::Geneve(header);
            if header.version() != 0 {
                return Outer::unparsed(Reason::TunnelVersion);
            }
            Outer {
                vni: header.vni(),
                inner: at + header.header_len(),
                link: header.inner(),
                ..Outer::of(OuterKind::Overlay, Encapsulation::Geneve, network)
            }
        }
        UdpPort::EspUdp => esp_in_udp(packet, network, at, len.saturating_sub(udp::LEN)),
        UdpPort::Wireguard => wireguard(packet, network, at, len.saturating_sub(udp::LEN)),
    }
}

/// Any program may use the port, so a datagram that is no message is the host's own, and no error.
#[inline(always)]
fn wireguard<L: Load + ?Sized>(packet: &L, network: Network, at: usize, len: usize) -> Outer {
    if len < wireguard::LEN {
        return Outer::of(OuterKind::Host, Encapsulation::None, network);
    }
    let Some(header) = packet.load(at) else {
        return Outer::unparsed(Reason::UdpTruncated);
    };
    if wireguard::Message(header).is_valid(len) {
        Outer::of(OuterKind::Tunnel, Encapsulation::Wireguard, network)
    } else {
        Outer::of(OuterKind::Host, Encapsulation::None, network)
    }
}

/// ESP; IKE behind four zero bytes in place of the SPI; or a NAT keepalive of one byte (RFC 3948, 2).
#[inline(always)]
fn esp_in_udp<L: Load + ?Sized>(packet: &L, network: Network, at: usize, len: usize) -> Outer {
    if len == esp::NAT_KEEPALIVE_LEN {
        return Outer::of(OuterKind::Tunnel, Encapsulation::Ike, network);
    }
    match packet.load::<4>(at) {
        Some([0, 0, 0, 0]) => Outer::of(OuterKind::Tunnel, Encapsulation::Ike, network),
        _ => association(packet, network, at, Encapsulation::EspUdp),
    }
}

#[inline(always)]
fn association<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    at: usize,
    encapsulation: Encapsulation,
) -> Outer {
    let Some(header) = packet.load(at) else {
        return Outer::unparsed(Reason::EspTruncated);
    };
    let header = esp::Esp(header);
    if header.spi() == 0 {
        return Outer::unparsed(Reason::EspSpiZero);
    }
    Outer {
        spi: header.spi(),
        sequence: header.sequence(),
        inner: at,
        ..Outer::of(OuterKind::Association, encapsulation, network)
    }
}
