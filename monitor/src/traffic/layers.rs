//! Opens what a packet is wrapped in, layer by layer: an overlay inside another overlay, inside GRE or inside IP.
//!
//! The kernel programs identify the outermost encapsulation and count by it. User space goes on from there, because what
//! can be read is in the innermost packet.

use monitor_common::encapsulation::Encapsulation;
use monitor_common::link::Link;
use monitor_common::load::{Captured, Load};
use monitor_common::walk::{self, Inner, InnerKind, Network, Outer, OuterKind};
use monitor_common::wire::{ah, esp, gre, ipv4, ipv6, udp, vxlan};

use super::layer::{Layer, Wrapping};
use super::not_understood::NotUnderstood;
use super::vxlan_recognition::{Around, VxlanRecognition, is_usual};
use crate::base::udp_ports::UdpPorts;

/// Most layers that are opened below the first; what is deeper is the payload of the last.
const DEPTH: usize = 4;

/// A packet down to its innermost headers.
pub(super) struct Opened<'a> {
    /// The bytes. The length ends with the innermost datagram that has something else behind it.
    pub(super) packet: Captured<'a>,
    /// What the packet on the wire is.
    pub(super) outer: Outer,
    /// Each encapsulation from the outside in, with the network layer in front of it; empty if the packet has only the one
    /// that `outer` describes, or none.
    pub(super) layers: Vec<(Layer, Network)>,
    /// Where the innermost frame starts, and its first header; 0 outside any overlay.
    pub(super) start: usize,
    pub(super) link: Link,
    /// The innermost packet; `None` where the walk of `outer` leads to none.
    pub(super) inner: Option<Inner>,
    /// ESP or AH inside an overlay or tunnel.
    pub(super) association: Option<Outer>,
    /// UDP port that is not configured for VXLAN, on which it was recognised.
    pub(super) recognised_port: Option<u16>,
}

impl Opened<'_> {
    /// The layers, without where they are.
    pub(super) fn path(&self) -> Vec<Layer> {
        self.layers.iter().map(|(layer, _)| *layer).collect()
    }

    /// The network layer between the nodes: that of the packet on the wire.
    pub(super) fn nodes(&self) -> Option<&Network> {
        match self.outer.kind {
            OuterKind::NotIp | OuterKind::Unparsed => None,
            OuterKind::Host if self.layers.is_empty() => None,
            _ => Some(&self.outer.network),
        }
    }
}

/// Opens a packet, as the kernel programs see it.
#[inline]
pub(super) fn open<'a>(packet: &Captured<'a>, link: Link, ports: &UdpPorts) -> Opened<'a> {
    Opening {
        ports,
        recognition: None,
    }
    .open(packet, link)
}

/// Opens a packet of a capture, in which VXLAN is recognised on any port.
#[inline]
pub(super) fn open_captured<'a>(
    packet: &Captured<'a>,
    link: Link,
    ports: &UdpPorts,
    recognition: &mut VxlanRecognition,
) -> Opened<'a> {
    Opening {
        ports,
        recognition: Some(recognition),
    }
    .open(packet, link)
}

/// How encapsulations are recognised.
struct Opening<'p> {
    ports: &'p UdpPorts,
    /// Of a capture.
    recognition: Option<&'p mut VxlanRecognition>,
}

impl Opening<'_> {
    #[inline]
    fn open<'a>(mut self, packet: &Captured<'a>, link: Link) -> Opened<'a> {
        let outer = walk::outer(packet, link, |port| self.ports.of(port));
        let (outer, recognised_port) =
            self.recognise(packet, &outer.network, outer, Around::Nothing);
        let mut opened = Opened {
            packet: *packet,
            outer,
            layers: Vec::new(),
            start: 0,
            link,
            inner: None,
            association: None,
            recognised_port,
        };
        match outer.kind {
            OuterKind::NotIp | OuterKind::LaterFragment | OuterKind::Unparsed => return opened,
            OuterKind::Host | OuterKind::Association | OuterKind::Tunnel => {
                opened.inner = Some(walk::segment(packet, outer.network));
            }
            OuterKind::Overlay => {
                (opened.start, opened.link) = (outer.inner, outer.link);
                opened.limit(outer.encapsulation, outer.inner);
                opened.inner = Some(walk::inner(&opened.packet, outer.inner, outer.link));
            }
        }
        if matches!(outer.kind, OuterKind::Host | OuterKind::Overlay) {
            opened.descend(&mut self);
        }
        opened
    }

    /// What was found behind a network layer, as VXLAN if it is that on another port, and that port.
    #[inline]
    fn recognise(
        &mut self,
        packet: &Captured<'_>,
        network: &Network,
        found: Outer,
        around: Around,
    ) -> (Outer, Option<u16>) {
        let recognition = self.recognition.as_mut();
        match recognition.and_then(|at| at.recognise(packet, network, &found, around)) {
            Some((outer, port)) => (outer, Some(port)),
            None => (found, None),
        }
    }
}

/// One step further in.
struct Next {
    layer: Layer,
    start: usize,
    link: Link,
    recognised_port: Option<u16>,
}

impl Opened<'_> {
    #[inline]
    fn descend(&mut self, opening: &mut Opening<'_>) {
        for _ in 0..DEPTH {
            let Some(inner) = self.inner else {
                return;
            };
            let may_hold = inner.kind == InnerKind::Flow
                && !inner.network.later_fragment
                && matches!(
                    inner.network.protocol,
                    udp::PROTOCOL
                        | esp::PROTOCOL
                        | ah::PROTOCOL
                        | gre::PROTOCOL
                        | ipv4::IN_IP
                        | ipv6::IN_IP
                );
            if !may_hold || !self.enter(&inner.network, opening) {
                return;
            }
        }
    }

    /// Opens what follows this network layer. False if that is no encapsulation.
    fn enter(&mut self, network: &Network, opening: &mut Opening<'_>) -> bool {
        let Some(next) = self.next(network, opening) else {
            return false;
        };
        let before = self.packet;
        if let Wrapping::Encapsulation(encapsulation) = next.layer.wrapping {
            self.limit(encapsulation, next.start);
        }
        let inner = walk::inner(&self.packet, next.start, next.link);
        // A port or protocol number alone is no proof: what is inside must be a frame or packet.
        let is_nothing = match inner.kind {
            InnerKind::Flow => false,
            InnerKind::NotIp => next.link == Link::Ip,
            InnerKind::Unparsed => {
                NotUnderstood::of(inner.reason, &self.packet) != NotUnderstood::SnapLength
            }
        };
        if is_nothing {
            self.packet = before;
            return false;
        }
        if self.layers.is_empty() && self.outer.kind == OuterKind::Overlay {
            let outermost = Layer {
                wrapping: Wrapping::Encapsulation(self.outer.encapsulation),
                vni: Some(self.outer.vni),
            };
            self.layers.push((outermost, self.outer.network));
        }
        self.layers.push((next.layer, *network));
        (self.start, self.link) = (next.start, next.link);
        self.inner = Some(inner);
        self.recognised_port = self.recognised_port.or(next.recognised_port);
        true
    }

    fn next(&mut self, network: &Network, opening: &mut Opening<'_>) -> Option<Next> {
        let packet = &self.packet;
        let plain = |wrapping, start, link| {
            Some(Next {
                layer: Layer {
                    wrapping,
                    vni: None,
                },
                start,
                link,
                recognised_port: None,
            })
        };
        match network.protocol {
            gre::PROTOCOL => {
                let header = gre::Gre(packet.load(network.l4)?);
                let link = header.inner();
                let start = network.l4 + header.header_len()?;
                (link != Link::Other).then(|| plain(Wrapping::Gre, start, link))?
            }
            ipv4::IN_IP | ipv6::IN_IP => plain(Wrapping::Ip, network.l4, Link::Ip),
            // The host's own were looked at by the walk from the outside.
            _ if self.layers.is_empty() && self.outer.kind == OuterKind::Host => None,
            _ => {
                let ports = |port| opening.ports.of(port);
                let found = walk::encapsulation(packet, *network, ports);
                let found = walk::reveal(packet, found, ports);
                let (found, recognised_port) =
                    opening.recognise(packet, network, found, self.around());
                match found.kind {
                    OuterKind::Association if found.encapsulation != Encapsulation::EspUdp => {
                        self.association = Some(found);
                        None
                    }
                    OuterKind::Overlay if is_plausible(packet, &found) => Some(Next {
                        layer: Layer {
                            wrapping: Wrapping::Encapsulation(found.encapsulation),
                            vni: Some(found.vni),
                        },
                        start: found.inner,
                        link: found.link,
                        recognised_port,
                    }),
                    _ => None,
                }
            }
        }
    }

    /// What is around the innermost packet.
    fn around(&self) -> Around {
        let vni = self.layers.iter().rev().find_map(|(layer, _)| layer.vni);
        let outermost = (self.outer.kind == OuterKind::Overlay).then_some(self.outer.vni);
        match vni.or(outermost) {
            Some(vni) => Around::Network(vni),
            None => Around::Tunnel,
        }
    }

    /// Ends the packet with the datagram around `inner`, behind which is the trailer of ESP.
    fn limit(&mut self, encapsulation: Encapsulation, inner: usize) {
        if encapsulation != Encapsulation::EspNull {
            return;
        }
        let start = inner.saturating_sub(udp::LEN + vxlan::LEN);
        if let Some(header) = self.packet.load(start) {
            let end = start + usize::from(udp::Udp(header).length());
            self.packet.frame_len = self.packet.frame_len.min(end);
        }
    }
}

/// Whether this is an overlay by more than its port: containers may use that port for anything.
fn is_plausible(packet: &Captured<'_>, found: &Outer) -> bool {
    found.encapsulation != Encapsulation::Vxlan || is_usual(packet, found)
}

#[cfg(test)]
mod tests;
