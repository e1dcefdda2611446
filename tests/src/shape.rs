//! Shapes of packets as data: what a packet is made of, its bytes, and how any decoder must read it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use crate::frame::{
    ah, esp, esp_null, ethernet, geneve, ip_between, ipv4_between, ipv6_between, tagged, tcp, udp,
    vxlan, vxlan_gpe, wireguard,
};

/// Transport of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP or ICMPv6, whichever belongs to the addresses: an echo request.
    Icmp,
}

/// Addresses and ports of one packet of a flow; ports are 0 for ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Transport.
    pub transport: Transport,
    /// Address and port it comes from.
    pub source: (IpAddr, u16),
    /// Address and port it goes to.
    pub destination: (IpAddr, u16),
}

impl Flow {
    /// The flow with its ends in an order that does not depend on which way the packet goes.
    #[must_use]
    pub fn sorted(self) -> Flow {
        if self.source <= self.destination {
            return self;
        }
        Flow {
            source: self.destination,
            destination: self.source,
            ..self
        }
    }

    /// IP protocol number, and what stands behind the IP header.
    fn segment(&self, payload: &[u8]) -> (u8, Vec<u8>) {
        let (source, destination) = (self.source.1, self.destination.1);
        match (self.transport, self.source.0) {
            (Transport::Tcp, _) => (6, tcp(source, destination, payload)),
            (Transport::Udp, _) => (17, udp(source, destination, payload)),
            (Transport::Icmp, IpAddr::V4(_)) => (1, [&[8, 0, 0, 0, 0, 1, 0, 1], payload].concat()),
            (Transport::Icmp, IpAddr::V6(_)) => {
                (58, [&[128, 0, 0, 0, 0, 1, 0, 1], payload].concat())
            }
        }
    }

    fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let (protocol, segment) = self.segment(payload);
        ip_between(self.source.0, self.destination.0, protocol, &segment)
    }

    fn ethertype(&self) -> u16 {
        if self.source.0.is_ipv4() {
            0x0800
        } else {
            0x86dd
        }
    }
}

/// What an overlay carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Ethernet frames.
    Ethernet,
    /// Ethernet frames with a VLAN tag.
    TaggedEthernet,
    /// IP packets.
    Ip,
}

/// What a packet is wrapped in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tunnel {
    /// Nothing: the host's own.
    None,
    /// VXLAN with this VNI.
    Vxlan(u32, Carried),
    /// What VXLAN sends without the I flag.
    VxlanNoVni(u32),
    /// VXLAN-GPE with this VNI.
    VxlanGpe(u32, Carried),
    /// Geneve with this VNI and so many words of options.
    Geneve(u32, Carried, u8),
    /// ESP with this SPI.
    Esp(u32),
    /// VXLAN with this VNI in ESP of the NULL cipher.
    EspNull(u32),
    /// The same, in UDP.
    EspUdpNull(u32),
    /// AH with this SPI around the flow.
    Ah(u32),
    /// AH around VXLAN with this VNI.
    AhVxlan(u32),
    /// ESP in UDP with this SPI.
    EspUdp(u32),
    /// IKE on the port of ESP in UDP.
    Ike,
    /// WireGuard, by type of its message.
    Wireguard(u8),
}

/// The outer IP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OuterIp {
    /// IPv4 with so many words of options.
    V4(u8),
    /// IPv6 with these extension headers: hop-by-hop (0), routing (43) or destination options (60).
    V6(Vec<u8>),
}

/// A packet as data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// VLAN tags, the outermost first: type and tag.
    pub tags: Vec<(u16, u16)>,
    /// The header between the nodes. The host's own flow has its own addresses, and only its version
    /// counts.
    pub outer: OuterIp,
    /// What it is wrapped in.
    pub tunnel: Tunnel,
    /// The flow inside, or the host's own.
    pub flow: Flow,
    /// Payload of the flow.
    pub payload: Vec<u8>,
}

/// How a packet is decoded, by any decoder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decoded {
    /// Encapsulation by the label of the metrics, or the reason why there is none.
    pub encapsulation: &'static str,
    /// VNI, where it has one.
    pub vni: Option<u32>,
    /// SPI, where it has one.
    pub spi: Option<u32>,
    /// The flow that can be read.
    pub flow: Option<Flow>,
}

impl Shape {
    /// How any decoder must read it.
    #[must_use]
    pub fn expected(&self) -> Decoded {
        let read = |encapsulation, vni, spi, flow| Decoded {
            encapsulation,
            vni,
            spi,
            flow,
        };
        let flow = Some(self.flow);
        match self.tunnel {
            Tunnel::None => read("none", None, None, flow),
            Tunnel::Vxlan(vni, _) | Tunnel::AhVxlan(vni) => read("vxlan", Some(vni), None, flow),
            Tunnel::VxlanNoVni(_) => read("vxlan_no_vni", None, None, None),
            Tunnel::VxlanGpe(vni, _) => read("vxlan_gpe", Some(vni), None, flow),
            Tunnel::Geneve(vni, ..) => read("geneve", Some(vni), None, flow),
            Tunnel::EspNull(vni) | Tunnel::EspUdpNull(vni) => {
                read("esp_null", Some(vni), None, flow)
            }
            Tunnel::Esp(spi) => read("esp", None, Some(spi), None),
            Tunnel::Ah(spi) => read("ah", None, Some(spi), None),
            Tunnel::EspUdp(spi) => read("esp_udp", None, Some(spi), None),
            Tunnel::Ike => read("ike", None, None, None),
            Tunnel::Wireguard(_) => read("wireguard", None, None, None),
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let (protocol, behind_ip) = self.behind_outer_ip();
        let source = matches!(self.tunnel, Tunnel::None).then_some(self.flow);
        let (ethertype, packet) = match &self.outer {
            OuterIp::V4(words) => {
                let options = vec![1; usize::from(*words) * 4];
                let (from, to) = match source.map(|flow| (flow.source.0, flow.destination.0)) {
                    Some((IpAddr::V4(from), IpAddr::V4(to))) => (from, to),
                    _ => (
                        Ipv4Addr::new(192, 168, 77, 1),
                        Ipv4Addr::new(192, 168, 77, 2),
                    ),
                };
                (
                    0x0800,
                    ipv4_between(from, to, protocol, &options, &behind_ip),
                )
            }
            OuterIp::V6(extensions) => {
                let (from, to) = match source.map(|flow| (flow.source.0, flow.destination.0)) {
                    Some((IpAddr::V6(from), IpAddr::V6(to))) => (from, to),
                    _ => (
                        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1),
                        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2),
                    ),
                };
                let mut next = protocol;
                let mut behind = behind_ip;
                for extension in extensions.iter().rev() {
                    // Of eight bytes: options of padding, or a routing header of an
                    // experimental type (RFC 4727, 3.4) that is done.
                    let rest = match extension {
                        43 => [0, 253, 0, 0, 0, 0, 0],
                        _ => [0, 1, 4, 0, 0, 0, 0],
                    };
                    behind = [&[next][..], &rest, &behind].concat();
                    next = *extension;
                }
                (0x86dd, ipv6_between(from, to, next, &behind))
            }
        };
        let tags = self.tags.iter().rev();
        tags.fold(ethernet(ethertype, &packet), |frame, (kind, tag)| {
            tagged(*kind, *tag, &frame)
        })
    }

    /// IP protocol number of the outer header, and what stands behind it.
    fn behind_outer_ip(&self) -> (u8, Vec<u8>) {
        let inner = |carried: Carried| {
            let packet = self.flow.packet(&self.payload);
            let frame = || ethernet(self.flow.ethertype(), &packet);
            match carried {
                Carried::Ip => packet.clone(),
                Carried::Ethernet => frame(),
                Carried::TaggedEthernet => tagged(0x8100, 42, &frame()),
            }
        };
        let datagram = |port, payload: &[u8]| (17, udp(49_153, port, payload));
        // Of a check value of 96 bits: what tshark takes every one for.
        let null = |vni| {
            let (_, datagram) = datagram(4789, &vxlan(vni, &inner(Carried::Ethernet)));
            esp_null(0x1234, &datagram, 0, 12)
        };
        match self.tunnel {
            Tunnel::None => self.flow.segment(&self.payload),
            Tunnel::Vxlan(vni, carried) => datagram(4789, &vxlan(vni, &inner(carried))),
            Tunnel::VxlanNoVni(vni) => {
                let mut packet = vxlan(vni, &inner(Carried::Ethernet));
                packet[0] = 0;
                datagram(4789, &packet)
            }
            Tunnel::VxlanGpe(vni, carried) => {
                let next = match (carried, self.flow.source.0) {
                    (Carried::Ip, IpAddr::V4(_)) => 1,
                    (Carried::Ip, IpAddr::V6(_)) => 2,
                    (Carried::Ethernet | Carried::TaggedEthernet, _) => 3,
                };
                datagram(4790, &vxlan_gpe(vni, next, &inner(carried)))
            }
            Tunnel::Geneve(vni, carried, words) => {
                let protocol = match carried {
                    Carried::Ip => self.flow.ethertype(),
                    Carried::Ethernet | Carried::TaggedEthernet => 0x6558,
                };
                // Of one word each: class 0xff00 (experimental), no data (RFC 8926, 3.5).
                let options = [0xff, 0, 1, 0].repeat(usize::from(words));
                datagram(6081, &geneve(vni, protocol, &options, &inner(carried)))
            }
            Tunnel::EspNull(vni) => (50, null(vni)),
            Tunnel::EspUdpNull(vni) => (17, udp(4500, 4500, &null(vni))),
            Tunnel::Esp(spi) => (50, esp(spi, 7)),
            Tunnel::Ah(spi) => {
                let (protocol, segment) = self.flow.segment(&self.payload);
                (51, ah(spi, protocol, &segment))
            }
            Tunnel::AhVxlan(vni) => {
                let (protocol, datagram) = datagram(4789, &vxlan(vni, &inner(Carried::Ethernet)));
                (51, ah(0x1234, protocol, &datagram))
            }
            Tunnel::EspUdp(spi) => (17, udp(4500, 4500, &esp(spi, 7))),
            Tunnel::Ike => {
                // The marker, then an ISAKMP header of version 2: an informational request without
                // payloads (RFC 7296, 3.1).
                let mut packet = vec![0; 4];
                packet.extend([0x11; 16]);
                packet.extend([0, 0x20, 37, 8, 0, 0, 0, 1, 0, 0, 0, 28]);
                (17, udp(4500, 4500, &packet))
            }
            Tunnel::Wireguard(message) => (17, udp(51_820, 51_820, &wireguard(message))),
        }
    }
}

/// VNIs of the shapes: few, so that the counters of all of them are quickly read.
const VNIS: [u32; 6] = [0, 1, 4096, 4097, 0x00ab_cdef, 0x00ff_ffff];
/// SPIs of the shapes. Those up to 255 are reserved, but appear (RFC 4303, 2.1).
const SPIS: [u32; 4] = [1, 256, 0x2ad4_577a, 0xffff_ffff];

fn addresses() -> impl Strategy<Value = (IpAddr, IpAddr)> {
    // Unlike the nodes' own, and no multicast.
    let v4 = (1..=250u8, any::<u8>(), 1..=250u8)
        .prop_map(|(a, b, c)| IpAddr::V4(Ipv4Addr::new(10, a, b, c)));
    let v6 = (any::<u16>(), any::<u16>(), 1..=u16::MAX)
        .prop_map(|(a, b, c)| IpAddr::V6(Ipv6Addr::new(0xfd01, a, 0, 0, 0, b, 0, c)));
    prop_oneof![(v4.clone(), v4), (v6.clone(), v6)]
}

/// Any flow. The ports are such that no tunnel stands on them.
fn flows() -> impl Strategy<Value = Flow> {
    let transport = prop_oneof![
        3 => Just(Transport::Tcp),
        2 => Just(Transport::Udp),
        1 => Just(Transport::Icmp)
    ];
    (transport, addresses(), 20_000..30_000u16, 30_000..40_000u16).prop_map(
        |(transport, (source, destination), from, to)| {
            let (from, to) = match transport {
                Transport::Icmp => (0, 0),
                Transport::Tcp | Transport::Udp => (from, to),
            };
            Flow {
                transport,
                source: (source, from),
                destination: (destination, to),
            }
        },
    )
}

fn tunnels() -> impl Strategy<Value = Tunnel> {
    let vni = || prop::sample::select(&VNIS[..]);
    let spi = || prop::sample::select(&SPIS[..]);
    let frames = || prop_oneof![3 => Just(Carried::Ethernet), 1 => Just(Carried::TaggedEthernet)];
    let any_carried = || prop_oneof![2 => frames(), 1 => Just(Carried::Ip)];
    prop_oneof![
        2 => Just(Tunnel::None),
        4 => (vni(), frames()).prop_map(|(vni, carried)| Tunnel::Vxlan(vni, carried)),
        1 => vni().prop_map(Tunnel::VxlanNoVni),
        2 => (vni(), any_carried()).prop_map(|(vni, carried)| Tunnel::VxlanGpe(vni, carried)),
        2 => (vni(), any_carried(), 0..=15u8)
            .prop_map(|(vni, carried, words)| Tunnel::Geneve(vni, carried, words)),
        2 => spi().prop_map(Tunnel::Esp),
        1 => vni().prop_map(Tunnel::EspNull),
        1 => vni().prop_map(Tunnel::EspUdpNull),
        1 => spi().prop_map(Tunnel::Ah),
        1 => vni().prop_map(Tunnel::AhVxlan),
        1 => spi().prop_map(Tunnel::EspUdp),
        1 => Just(Tunnel::Ike),
        1 => (1..=4u8).prop_map(Tunnel::Wireguard),
    ]
}

/// Any well-formed packet.
pub fn shapes() -> impl Strategy<Value = Shape> {
    let tags = prop_oneof![
        4 => Just(vec![]),
        1 => (1..4095u16).prop_map(|tag| vec![(0x8100, tag)]),
        1 => (1..4095u16, 1..4095u16).prop_map(|(one, two)| vec![(0x88a8, one), (0x8100, two)]),
    ];
    // Each at most once, hop-by-hop options first (RFC 8200, 4.1).
    let extensions = prop::sample::subsequence(vec![0u8, 60, 43], 0..=3);
    let outer = prop_oneof![
        3 => Just(OuterIp::V4(0)),
        1 => (1..=10u8).prop_map(OuterIp::V4),
        2 => extensions.prop_map(OuterIp::V6),
    ];
    let payload = prop::collection::vec(any::<u8>(), 1..64);
    (tags, outer, tunnels(), flows(), payload).prop_map(|(tags, outer, tunnel, flow, payload)| {
        // The host's own flow decides the version itself.
        let fits = matches!(outer, OuterIp::V4(_)) == flow.source.0.is_ipv4();
        let outer = match (&tunnel, fits) {
            (Tunnel::None | Tunnel::Ah(_), false) if flow.source.0.is_ipv4() => OuterIp::V4(0),
            (Tunnel::None | Tunnel::Ah(_), false) => OuterIp::V6(vec![]),
            _ => outer,
        };
        Shape {
            tags,
            outer,
            tunnel,
            flow,
            payload,
        }
    })
}
