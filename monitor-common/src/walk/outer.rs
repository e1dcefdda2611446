//! From the first byte of a packet on the watched interface to its encapsulation.

use super::frame::{FrameKind, frame};
use super::null::null;
use super::{Kind, Link, Network, Outer};
use crate::label::Encapsulation;
use crate::load::Load;
use crate::reason::Reason;
use crate::service::{self, Service};
use crate::wire::{ah, esp, geneve, udp, vxlan, vxlan_gpe, wireguard};

/// Walks from the first byte of a packet to its encapsulation. `ports` tells what a UDP port stands
/// for; it is asked only for UDP.
#[inline(always)]
pub fn outer<L: Load + ?Sized>(packet: &L, link: Link, ports: impl Fn(u16) -> Service) -> Outer {
    let frame = frame(packet, 0, link);
    match frame.kind {
        FrameKind::Other => Outer::NOT_IP,
        FrameKind::Unparsed => Outer::unparsed(frame.reason),
        FrameKind::Ip => reveal(packet, encapsulation(packet, frame.network, &ports), &ports),
    }
}

/// Makes of ESP with the NULL cipher the overlay packet that it is; see [`super::null`].
#[inline(always)]
fn reveal<L: Load + ?Sized>(packet: &L, outer: Outer, ports: impl Fn(u16) -> Service) -> Outer {
    if !matches!(outer.kind, Kind::Association) || !outer.encapsulation.is_esp() {
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
        ..Outer::of(Kind::Overlay, Encapsulation::EspNull, network)
    }
}

/// Walks from the network layer of a packet to its encapsulation; see [`outer`]. ESP is ESP here, whatever its cipher.
#[inline(always)]
pub fn encapsulation<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    ports: impl Fn(u16) -> Service,
) -> Outer {
    if network.later_fragment {
        return later_fragment(network);
    }
    if network.protocol == ah::PROTOCOL {
        return authenticated(packet, network, ports);
    }
    transport(packet, network, ports)
}

#[inline(always)]
fn later_fragment(network: Network) -> Outer {
    let kind = match network.protocol {
        udp::PROTOCOL | esp::PROTOCOL | ah::PROTOCOL => Kind::LaterFragment,
        _ => Kind::Host,
    };
    Outer::of(kind, Encapsulation::None, network)
}

/// What AH protects is in the clear, so it is that which counts; AH itself only where it is no overlay.
#[inline(always)]
fn authenticated<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    ports: impl Fn(u16) -> Service,
) -> Outer {
    let Some(header) = packet.load(network.l4) else {
        return Outer::unparsed(Reason::AhTruncated);
    };
    let header = ah::Ah(header);
    if header.header_len() < ah::LEN {
        return Outer::unparsed(Reason::AhTruncated);
    }
    let inside = Network {
        l4: network.l4 + header.header_len(),
        protocol: header.next_header(),
        ..network
    };
    let found = transport(packet, inside, ports);
    if !matches!(found.kind, Kind::Host) {
        return found;
    }
    Outer {
        spi: header.spi(),
        sequence: header.sequence(),
        ..Outer::of(Kind::Association, Encapsulation::Ah, network)
    }
}

#[inline(always)]
fn transport<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    ports: impl Fn(u16) -> Service,
) -> Outer {
    match network.protocol {
        udp::PROTOCOL => datagram(packet, network, ports),
        esp::PROTOCOL => association(packet, network, network.l4, Encapsulation::Esp),
        _ => Outer::of(Kind::Host, Encapsulation::None, network),
    }
}

#[inline(always)]
fn datagram<L: Load + ?Sized>(
    packet: &L,
    network: Network,
    ports: impl Fn(u16) -> Service,
) -> Outer {
    let Some(header) = packet.load(network.l4) else {
        return Outer::unparsed(Reason::UdpTruncated);
    };
    let header = udp::Udp(header);
    let service = service::of_datagram(ports, header.source(), header.destination());
    let len = header.length() as usize;
    let at = network.l4 + udp::LEN;
    // Zero is a jumbogram (RFC 2675, 4). The three headers are of one length.
    let needs_header = matches!(
        service,
        Service::Vxlan | Service::VxlanGpe | Service::Geneve
    );
    if needs_header && len < udp::LEN + vxlan::LEN && len != 0 {
        return Outer::unparsed(Reason::UdpLength);
    }
    match service {
        Service::None => Outer::of(Kind::Host, Encapsulation::None, network),
        Service::Vxlan => {
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
                ..Outer::of(Kind::Overlay, Encapsulation::Vxlan, network)
            }
        }
        Service::VxlanGpe => {
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
                ..Outer::of(Kind::Overlay, Encapsulation::VxlanGpe, network)
            }
        }
        Service::Geneve => {
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
                ..Outer::of(Kind::Overlay, Encapsulation::Geneve, network)
            }
        }
        Service::EspUdp => esp_in_udp(packet, network, at, len.saturating_sub(udp::LEN)),
        Service::Wireguard => wireguard(packet, network, at, len.saturating_sub(udp::LEN)),
    }
}

/// A port that anybody may use: what is no message is the host's own, and no failure.
#[inline(always)]
fn wireguard<L: Load + ?Sized>(packet: &L, network: Network, at: usize, len: usize) -> Outer {
    if len < wireguard::LEN {
        return Outer::of(Kind::Host, Encapsulation::None, network);
    }
    let Some(header) = packet.load(at) else {
        return Outer::unparsed(Reason::UdpTruncated);
    };
    if wireguard::Message(header).is_valid(len) {
        Outer::of(Kind::Tunnel, Encapsulation::Wireguard, network)
    } else {
        Outer::of(Kind::Host, Encapsulation::None, network)
    }
}

/// ESP, IKE behind four zero bytes where the SPI would be, or a NAT keepalive of a single byte
/// (RFC 3948, 2).
#[inline(always)]
fn esp_in_udp<L: Load + ?Sized>(packet: &L, network: Network, at: usize, len: usize) -> Outer {
    if len == esp::NAT_KEEPALIVE_LEN {
        return Outer::of(Kind::Tunnel, Encapsulation::Ike, network);
    }
    match packet.load::<4>(at) {
        Some([0, 0, 0, 0]) => Outer::of(Kind::Tunnel, Encapsulation::Ike, network),
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
        ..Outer::of(Kind::Association, encapsulation, network)
    }
}
