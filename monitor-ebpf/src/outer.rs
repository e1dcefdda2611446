//! The outer headers of one packet: walked, then counted.

use core::mem::transmute;

use monitor_common::address::Addresses;
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{Class, EspKey, NetworkId};
use monitor_common::link::Link;
use monitor_common::reason::Reason;
use monitor_common::walk::{self, FrameKind, OuterKind};
use monitor_common::wire::{ah, esp, udp};

use crate::ctx::Packet;
use crate::verifier::opaque;
use crate::walked::{FIRST_FRAGMENT, LATER_FRAGMENT, Walked};
use crate::{count, exposure, fragment, policy, sample, settings, super_packet};

/// What is left to do for a packet.
#[derive(Clone, Copy, Default)]
#[repr(u32)]
pub enum Step {
    /// Nothing.
    #[default]
    Done,
    /// Walk it from its first byte: it does not have the usual shape.
    Walk,
    /// The same step again on a copy: its headers reach beyond the bytes at hand.
    NeedsBytes,
    /// Walk from the network layer to the encapsulation.
    Encapsulation,
    /// Look for the NULL cipher in ESP.
    Null,
    /// Count it by what was walked.
    Count,
    /// Walk what is inside, and account its flow.
    Inside,
    /// Sample it.
    Sample,
}

impl Step {
    /// The same step, about which the compiler knows nothing any more.
    #[inline(always)]
    pub fn opaque(self) -> Step {
        // SAFETY: the number of this very variant.
        unsafe { transmute(opaque(self as usize) as u32) }
    }
}

/// Walks from the first byte to the network layer, and notes it.
#[inline(always)]
pub fn network<P: Packet>(packet: &P, link: Link) -> Step {
    let frame = walk::frame(packet, 0, link);
    let hidden = walk::hidden_reason(frame.ethertype);
    let reason = match (frame.kind, hidden) {
        (FrameKind::Other, None) => return Step::Done,
        (FrameKind::Other, Some(reason)) => reason,
        (FrameKind::Unparsed | FrameKind::Ip, _) => frame.reason,
    };
    if matches!(frame.kind, FrameKind::Unparsed) && packet.is_partial() {
        return Step::NeedsBytes;
    }
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    *walked = Walked::EMPTY;
    walked.frame_link = link as u32;
    if !matches!(frame.kind, FrameKind::Ip) {
        walked.kind = OuterKind::Unparsed as u32;
        walked.reason = reason as u32;
        return Step::Count;
    }
    walked.set_network(&frame.network);
    Step::Encapsulation
}

/// Walks from the network layer to the encapsulation, and notes what it finds.
#[inline(always)]
pub fn encapsulation<P: Packet>(packet: &P) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    let network = walked.network();
    let outer = walk::encapsulation(packet, network, settings::udp_port);
    if matches!(outer.kind, OuterKind::Unparsed) && packet.is_partial() {
        return Step::NeedsBytes;
    }
    let is_fragment = network.first_fragment || network.later_fragment;
    match outer.kind {
        OuterKind::NotIp => return Step::Done,
        // The first fragment of a datagram outside any overlay is noted, so that the later ones are attributed to it.
        OuterKind::Host
            if !(settings::host_flows_on() || is_fragment && may_be_overlay(network.protocol)) =>
        {
            return Step::Done;
        }
        OuterKind::Unparsed => walked.reason = outer.reason as u32,
        OuterKind::Host
        | OuterKind::Overlay
        | OuterKind::Association
        | OuterKind::Tunnel
        | OuterKind::LaterFragment => {}
    }
    walked.kind = outer.kind as u32;
    walked.encapsulation = outer.encapsulation as u32;
    walked.vni = outer.vni;
    walked.spi = outer.spi;
    walked.sequence = outer.sequence;
    walked.inner_offset = outer.inner as u32;
    walked.link = outer.link as u32;
    walked.set_network(&outer.network);
    let wants_addresses = is_fragment
        || matches!(outer.kind, OuterKind::Association)
        || matches!(outer.kind, OuterKind::Overlay) && settings::policy_on();
    if wants_addresses {
        let Some(Addresses {
            version: _,
            source,
            destination,
        }) = walk::addresses(packet, &network)
        else {
            return Step::NeedsBytes;
        };
        walked.source = source;
        walked.destination = destination;
    }
    if matches!(outer.kind, OuterKind::Association) && outer.encapsulation.is_esp() {
        Step::Null
    } else {
        Step::Count
    }
}

/// Turns ESP with the NULL cipher into the overlay packet that it is.
///
/// A step of its own, so that the verifier follows it once, and not once for each path to ESP.
#[inline(always)]
pub fn null<P: Packet>(packet: &P) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    let network = walked.network();
    let found = walk::null(
        packet,
        walked.inner(),
        network.end,
        network.first_fragment,
        settings::udp_port,
    );
    if found.inner != 0 {
        walked.kind = OuterKind::Overlay as u32;
        walked.encapsulation = Encapsulation::EspNull as u32;
        walked.vni = found.vni;
        walked.spi = 0;
        walked.sequence = 0;
        walked.inner_offset = found.inner as u32;
        walked.link = Link::Ethernet as u32;
    }
    Step::Count
}

/// Whether later fragments of this protocol may belong to an overlay.
#[inline(always)]
fn may_be_overlay(protocol: u8) -> bool {
    matches!(protocol, udp::PROTOCOL | esp::PROTOCOL | ah::PROTOCOL)
}

/// Counts a packet by what the steps before have noted.
#[inline(always)]
pub fn count<P: Packet>(packet: &P, direction: Direction) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    let counted = super_packet::count(packet, walked.segment_headers);
    if is_decrypted(packet, direction) {
        if let Some(state) = count::state() {
            // SAFETY: this CPU's own slot.
            unsafe { (*state).decrypted += counted.packets };
        }
        return Step::Done;
    }
    let ifindex = packet.ifindex();
    walked.packets = counted.packets;
    walked.bytes = counted.bytes;
    let mut is_later = false;
    // Of the host's own traffic only those with a port that is watched are counted: the first fragment has the ports.
    let is_of_host = settings::host_flows_by_port()
        && walked.kind == OuterKind::Host as u32
        && walked.fragment == LATER_FRAGMENT;
    if walked.kind == OuterKind::LaterFragment as u32 || is_of_host {
        is_later = true;
        if !fragment::attribute(walked) {
            walked.reason = Reason::Fragment as u32;
            walked.kind = OuterKind::Unparsed as u32;
        }
    } else if walked.fragment == FIRST_FRAGMENT && may_be_overlay(walked.protocol as u8) {
        fragment::note(walked, walked.vni | walked.spi);
    }
    let encapsulation = walked.encapsulation as u8;
    if walked.kind == OuterKind::Overlay as u32 {
        let Some(encapsulation) = Encapsulation::from_index(encapsulation) else {
            return Step::Done;
        };
        let admitted = count::packet(ifindex, direction, encapsulation, walked.vni, counted);
        if policy::is_required(walked.vni) {
            policy::cleartext(direction, walked.vni, &walked.addresses(), counted);
        }
        if !settings::looks_inside() {
            return Step::Done;
        }
        if !admitted {
            return not_admitted(direction, counted);
        }
        walked.network_id = NetworkId::vni(walked.vni).0;
        if is_later {
            if settings::exposure_on() {
                exposure::count(
                    direction,
                    NetworkId(walked.network_id),
                    Class::UNKNOWN,
                    counted,
                );
            }
            return due();
        }
        return Step::Inside;
    }
    if walked.kind == OuterKind::Association as u32 {
        let Some(encapsulation) = Encapsulation::from_index(encapsulation) else {
            return Step::Done;
        };
        let key = EspKey::new(
            ifindex,
            direction,
            encapsulation,
            walked.spi,
            &walked.addresses(),
        );
        let (sequence, fragments) = if is_later {
            (0, counted.packets)
        } else {
            (walked.sequence, 0)
        };
        count::esp(&key, sequence, counted, fragments);
        return due();
    }
    if walked.kind == OuterKind::Tunnel as u32 {
        let Some(encapsulation) = Encapsulation::from_index(encapsulation) else {
            return Step::Done;
        };
        count::packet(ifindex, direction, encapsulation, 0, counted);
        return due();
    }
    if walked.kind == OuterKind::Unparsed as u32 {
        if let Some(reason) = Reason::from_index(walked.reason as u8) {
            count::reason(ifindex, direction, reason, counted.packets);
        }
        return due();
    }
    if !settings::host_flows_on() {
        return Step::Done;
    }
    walked.network_id = NetworkId::HOST.0;
    walked.inner_offset = 0;
    walked.link = walked.frame_link;
    Step::Inside
}

/// Counts the exposure of packets whose network found no room. Their inside is not walked, so that forged VNIs cannot
/// take samples and rows from real networks.
#[inline(always)]
pub fn not_admitted(direction: Direction, counted: Count) -> Step {
    if settings::exposure_on() {
        exposure::count(direction, NetworkId::OTHER, Class::UNKNOWN, counted);
    }
    Step::Done
}

/// Whether IPsec has decrypted the packet, so that it is not a packet of the wire.
#[inline(always)]
pub fn is_decrypted<P: Packet>(packet: &P, direction: Direction) -> bool {
    matches!(direction, Direction::Rx) && settings::ipsec() && packet.is_decrypted()
}

/// Samples the packet if its turn has come.
#[inline(always)]
fn due() -> Step {
    if sample::is_due() {
        Step::Sample
    } else {
        Step::Done
    }
}
