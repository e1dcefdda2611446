//! What happens to one packet: the outer headers are walked and counted, then, if anything wants to
//! know, the inner ones are walked, and what they are is judged.
//!
//! Steps, because each has the kernel's 512 bytes of stack to itself then, and because what only
//! counts never pays for the others. Whatever reads beyond the bytes at hand says so before it has
//! counted anything, so that the step can be repeated with all the bytes.

use monitor_common::key::{Class, EspKey, NetworkId, flow_hash};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;
use monitor_common::sample::NO_REASON;
use monitor_common::walk::usual::{self, Shape};
use monitor_common::walk::{self, Addresses, FrameKind, InnerKind, Kind, Link};
use monitor_common::wire::{ah, esp, tcp, udp};

use crate::ctx::Packet;
use crate::fragment;
use crate::walked::{COUNTED, DUE, FIRST_FRAGMENT, FORWARD, OPENS, PAYLOAD, Walked};
use crate::weight::Weight;
use crate::{count, exposure, policy, sample, settings};

/// What is left to do for a packet.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Step {
    /// Nothing: it was dealt with, or is none of our business.
    Done = 0,
    /// It takes the whole walk to tell what it is.
    Walk = 1,
    /// The same step again, with all the bytes: its headers reach beyond those at hand.
    NeedsBytes = 2,
    /// Walk from the network layer to the encapsulation.
    Outer = 3,
    /// Look whether this ESP hides anything.
    Null = 8,
    /// Count it by what was walked.
    Count = 4,
    /// Look inside.
    Inside = 5,
    /// Walk from the inner network layer to the flow.
    Flow = 6,
    /// Sample it as it is.
    Sample = 7,
}

/// Counts a packet of the usual shape; leaves every other one to [`network`].
#[inline(always)]
pub fn usual<P: Packet>(packet: &P, direction: Direction) -> Step {
    let Some(start) = usual::start(packet) else {
        return Step::Walk;
    };
    let shape = start.shape(settings::service);
    match shape {
        Shape::Host if settings::host_flows_on() => return Step::Walk,
        Shape::Host => return Step::Done,
        Shape::Unusual => return usual_v6(packet, direction),
        Shape::Vxlan | Shape::Esp => {}
    }
    if packet.segments().0 != 0 || is_decrypted(packet, direction) {
        return Step::Walk;
    }
    let weight = Weight::single(packet);
    let ifindex = packet.ifindex();
    if let Shape::Esp = shape {
        if walk::may_be_null(packet, settings::service) {
            return Step::Walk;
        }
        let key = EspKey::new(
            ifindex,
            direction,
            Encapsulation::Esp,
            start.spi(),
            &start.addresses(),
        );
        count::esp(&key, start.sequence(), weight, 0);
        return if_due(|walked| walked.frame_link = Link::Ethernet as u32);
    }
    let vni = start.vni();
    if policy::is_required(vni) {
        policy::cleartext(direction, vni, &start.addresses(), weight);
    }
    if let Some(step) = vxlan(packet, direction, vni, weight) {
        return step;
    }
    let mut flags = 0;
    if settings::exposure_on()
        && let Some(flow) = usual::flow(packet)
    {
        let (hash, _) = flow_hash(
            &settings::seed(),
            hashed_network(Encapsulation::Vxlan as u32, vni),
            flow.protocol,
            &flow.addresses,
            (flow.source_port, flow.destination_port),
        );
        if let Some(class) = exposure::verdict(hash) {
            exposure::count(direction, NetworkId::vni(vni), class, weight);
            if !sample::is_due() {
                return Step::Done;
            }
            flags = COUNTED | DUE;
        }
    }
    inside_of_vxlan(vni, usual::INNER, weight, flags)
}

/// The same on IPv6, where the flow is left to [`inside`].
#[inline(always)]
fn usual_v6<P: Packet>(packet: &P, direction: Direction) -> Step {
    let (shape, vni) = usual::v6::shape(packet, settings::service);
    match shape {
        Shape::Host if !settings::host_flows_on() => return Step::Done,
        Shape::Host | Shape::Esp | Shape::Unusual => return Step::Walk,
        Shape::Vxlan => {}
    }
    if packet.segments().0 != 0 || is_decrypted(packet, direction) {
        return Step::Walk;
    }
    let weight = Weight::single(packet);
    if policy::is_required(vni)
        && let Some(addresses) = usual::v6::addresses(packet)
    {
        policy::cleartext(direction, vni, &addresses, weight);
    }
    match vxlan(packet, direction, vni, weight) {
        Some(step) => step,
        None => inside_of_vxlan(vni, usual::v6::INNER, weight, 0),
    }
}

/// Counts a VXLAN packet; what is left to do, unless it is to look inside.
#[inline(always)]
fn vxlan<P: Packet>(packet: &P, direction: Direction, vni: u32, weight: Weight) -> Option<Step> {
    let ifindex = packet.ifindex();
    let admitted = count::packet(ifindex, direction, Encapsulation::Vxlan, vni, weight);
    if !settings::looks_inside() {
        return Some(Step::Done);
    }
    if !admitted {
        return Some(not_admitted(direction, weight));
    }
    None
}

/// Notes where the inside of a VXLAN packet is.
#[inline(always)]
fn inside_of_vxlan(vni: u32, inner: usize, weight: Weight, flags: u32) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    walked.frame_link = Link::Ethernet as u32;
    walked.encapsulation = Encapsulation::Vxlan as u32;
    walked.vni = vni;
    walked.inner_offset = inner as u32;
    walked.link = Link::Ethernet as u32;
    walked.network_id = NetworkId::vni(vni).0;
    walked.packets = weight.packets;
    walked.bytes = weight.bytes;
    walked.flags = flags;
    Step::Inside
}

/// Walks to the network layer, and notes it.
#[inline(always)]
pub fn network<P: Packet>(packet: &P, link: Link) -> Step {
    let frame = walk::frame(packet, 0, link);
    if matches!(frame.kind, FrameKind::Other) {
        return Step::Done;
    }
    if matches!(frame.kind, FrameKind::Unparsed) && packet.is_partial() {
        return Step::NeedsBytes;
    }
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    *walked = Walked::EMPTY;
    walked.frame_link = link as u32;
    if matches!(frame.kind, FrameKind::Unparsed) {
        walked.kind = Kind::Unparsed as u32;
        walked.reason = frame.reason as u32;
        return Step::Count;
    }
    walked.set_network(&frame.network);
    Step::Outer
}

/// Walks from the network layer to the encapsulation, and notes what it finds.
#[inline(always)]
pub fn outer<P: Packet>(packet: &P) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    let network = walked.network();
    let outer = walk::encapsulation(packet, network, settings::service);
    if matches!(outer.kind, Kind::Unparsed) && packet.is_partial() {
        return Step::NeedsBytes;
    }
    let is_fragment = network.first_fragment || network.later_fragment;
    match outer.kind {
        Kind::NotIp => return Step::Done,
        // The first fragment of a datagram that is none of ours says so of the later ones.
        Kind::Host
            if !(settings::host_flows_on() || is_fragment && may_be_ours(network.protocol)) =>
        {
            return Step::Done;
        }
        Kind::Unparsed => walked.reason = outer.reason as u32,
        Kind::Host | Kind::Overlay | Kind::Association | Kind::Tunnel | Kind::LaterFragment => {}
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
        || matches!(outer.kind, Kind::Association)
        || matches!(outer.kind, Kind::Overlay) && settings::policy_on();
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
    if matches!(outer.kind, Kind::Association) && outer.encapsulation.is_esp() {
        Step::Null
    } else {
        Step::Count
    }
}

/// Makes of ESP with the NULL cipher the overlay packet that it is.
///
/// A step, so that the verifier follows it once, and not once for each way to ESP.
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
        settings::service,
    );
    if found.inner != 0 {
        walked.kind = Kind::Overlay as u32;
        walked.encapsulation = Encapsulation::EspNull as u32;
        walked.vni = found.vni;
        walked.spi = 0;
        walked.sequence = 0;
        walked.inner_offset = found.inner as u32;
        walked.link = Link::Ethernet as u32;
    }
    Step::Count
}

#[inline(always)]
fn may_be_ours(protocol: u8) -> bool {
    matches!(protocol, udp::PROTOCOL | esp::PROTOCOL | ah::PROTOCOL)
}

/// Counts a packet by what [`outer`] has noted.
#[inline(always)]
pub fn count<P: Packet>(packet: &P, direction: Direction) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    let weight = Weight::of(packet, walked.segment_headers);
    if is_decrypted(packet, direction) {
        if let Some(state) = count::state() {
            // SAFETY: this CPU's own slot.
            unsafe { (*state).decrypted += weight.packets };
        }
        return Step::Done;
    }
    let ifindex = packet.ifindex();
    walked.packets = weight.packets;
    walked.bytes = weight.bytes;
    let mut later = false;
    if walked.kind == Kind::LaterFragment as u32 {
        later = true;
        if !fragment::attribute(walked) {
            walked.reason = Reason::Fragment as u32;
            walked.kind = Kind::Unparsed as u32;
        }
    } else if walked.fragment == FIRST_FRAGMENT && may_be_ours(walked.protocol as u8) {
        fragment::note(walked);
    }
    let encapsulation = walked.encapsulation as u8;
    if walked.kind == Kind::Overlay as u32 {
        let Some(encapsulation) = Encapsulation::from_index(encapsulation) else {
            return Step::Done;
        };
        let admitted = count::packet(ifindex, direction, encapsulation, walked.vni, weight);
        if policy::is_required(walked.vni) {
            policy::cleartext(direction, walked.vni, &walked.addresses(), weight);
        }
        if !settings::looks_inside() {
            return Step::Done;
        }
        if !admitted {
            return not_admitted(direction, weight);
        }
        walked.network_id = NetworkId::vni(walked.vni).0;
        if later {
            if settings::exposure_on() {
                exposure::count(
                    direction,
                    NetworkId(walked.network_id),
                    Class::UNKNOWN,
                    weight,
                );
            }
            return due();
        }
        return Step::Inside;
    }
    if walked.kind == Kind::Association as u32 {
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
        let (sequence, fragments) = if later {
            (0, weight.packets)
        } else {
            (walked.sequence, 0)
        };
        count::esp(&key, sequence, weight, fragments);
        return due();
    }
    if walked.kind == Kind::Tunnel as u32 {
        let Some(encapsulation) = Encapsulation::from_index(encapsulation) else {
            return Step::Done;
        };
        count::packet(ifindex, direction, encapsulation, 0, weight);
        return due();
    }
    if walked.kind == Kind::Unparsed as u32 {
        if let Some(reason) = Reason::from_index(walked.reason as u8) {
            count::reason(ifindex, direction, reason, weight.packets);
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

/// Walks what is inside to its network layer, and notes it.
#[inline(always)]
pub fn inside<P: Packet>(packet: &P) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    let link = Link::from_index(walked.link as u8);
    let frame = walk::frame(packet, walked.inner(), link);
    walked.reason = u32::from(NO_REASON);
    walked.flow = 0;
    match frame.kind {
        FrameKind::Other => walked.inner_kind = InnerKind::NotIp as u32,
        FrameKind::Unparsed => {
            if packet.is_partial() {
                return Step::NeedsBytes;
            }
            walked.inner_kind = InnerKind::Unparsed as u32;
            walked.reason = walk::inner_reason(frame.reason) as u32;
        }
        FrameKind::Ip => {
            walked.set_network(&frame.network);
            return Step::Flow;
        }
    }
    Step::Done
}

/// Walks from the inner network layer to the flow, and notes it.
#[inline(always)]
pub fn flow<P: Packet>(packet: &P) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    let inner = walk::segment(packet, walked.network());
    if matches!(inner.kind, InnerKind::Unparsed) {
        if packet.is_partial() {
            return Step::NeedsBytes;
        }
        walked.inner_kind = InnerKind::Unparsed as u32;
        walked.reason = inner.reason as u32;
        return Step::Done;
    }
    walked.inner_kind = InnerKind::Flow as u32;
    walked.ports = (u32::from(inner.source_port) << 16) | u32::from(inner.destination_port);
    if inner.network.later_fragment {
        return Step::Done;
    }
    let Some(addresses) = walk::addresses(packet, &inner.network) else {
        return Step::NeedsBytes;
    };
    let network = if walked.network_id == NetworkId::HOST.0 {
        walked.network_id
    } else {
        hashed_network(walked.encapsulation, walked.vni)
    };
    let (flow, forward) = flow_hash(
        &settings::seed(),
        network,
        inner.network.protocol,
        &addresses,
        (inner.source_port, inner.destination_port),
    );
    walked.flow = flow;
    if forward {
        walked.flags |= FORWARD;
    }
    if inner.payload_len() != 0 {
        walked.flags |= PAYLOAD;
    }
    if inner.network.protocol == tcp::PROTOCOL && tcp::opens(inner.tcp_flags) {
        walked.flags |= OPENS;
    }
    Step::Done
}

/// The network as the flow hash has it: two encapsulations may have the same VNI.
#[inline(always)]
fn hashed_network(encapsulation: u32, vni: u32) -> u32 {
    vni | ((encapsulation & 0xff) << 24)
}

/// Packets of a network that found no room: counted, and not looked into, so that whoever makes up
/// networks takes nothing away from those that there are.
#[inline(always)]
fn not_admitted(direction: Direction, weight: Weight) -> Step {
    if settings::exposure_on() {
        exposure::count(direction, NetworkId::OTHER, Class::UNKNOWN, weight);
    }
    Step::Done
}

#[inline(always)]
fn is_decrypted<P: Packet>(packet: &P, direction: Direction) -> bool {
    matches!(direction, Direction::Rx) && settings::ipsec() && packet.is_decrypted()
}

#[inline(always)]
fn due() -> Step {
    if sample::is_due() {
        Step::Sample
    } else {
        Step::Done
    }
}

/// Samples a packet that was counted without a walk, if its turn has come.
#[inline(always)]
fn if_due(note: impl FnOnce(&mut Walked)) -> Step {
    if !sample::is_due() {
        return Step::Done;
    }
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    *walked = Walked::EMPTY;
    note(walked);
    Step::Sample
}
