//! What happens to one packet: walk, count, sample. In this order, so that a packet whose bytes
//! could not be reached is looked at again without having been counted.

use monitor_common::key::{EspKey, NO_VNI, flow_hash};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;
use monitor_common::sample::Cause;
use monitor_common::walk::{self, Inner, Network, Outer, Segment};

use crate::ctx::Packet;
use crate::sample::About;
use crate::{count, sample, settings};

/// Whether the packet was dealt with.
pub enum Seen {
    /// It was: counted, sampled if due, or none of our business.
    Whole,
    /// Nothing was done: its headers reach beyond the bytes at hand.
    NeedsBytes,
}

/// Looks at one packet.
#[inline(always)]
pub fn observe<P: Packet>(packet: &P, direction: Direction) -> Seen {
    match walk::outer(packet, &settings::vxlan_ports()) {
        Outer::NotIp => Seen::Whole,
        Outer::Host(network) => host(packet, direction, network),
        Outer::Vxlan { network: _, vni, inner } => vxlan(packet, direction, vni, inner),
        Outer::Esp { network, spi, sequence } => esp(packet, direction, &network, spi, sequence),
        Outer::Unparsed(reason) => unparsed(packet, direction, reason),
    }
}

#[inline(always)]
fn vxlan<P: Packet>(packet: &P, direction: Direction, vni: u32, inner: usize) -> Seen {
    // Without flow samples the inner frame is not looked at: counting needs only the VNI.
    let inner = if settings::flow_samples() == 0 { None } else { Some(walk::inner(packet, inner)) };
    if is_short(&inner) && packet.is_partial() {
        return Seen::NeedsBytes;
    }
    let ifindex = packet.ifindex();
    count::packet(ifindex, direction, Encapsulation::Vxlan, vni, packet.frame_len() as u64);
    if let Some(Inner::Unparsed(reason)) = inner {
        count::reason(ifindex, direction, reason);
    }
    sample_inner(packet, ifindex, direction, vni, inner);
    Seen::Whole
}

#[inline(always)]
fn host<P: Packet>(packet: &P, direction: Direction, network: Network) -> Seen {
    if !settings::host_flows_on() {
        return Seen::Whole;
    }
    let inner = walk::segment(packet, network);
    let segment = match inner {
        Inner::Flow(segment) => segment,
        Inner::NotIp(_) => return Seen::Whole,
        Inner::Unparsed(_) if packet.is_partial() => return Seen::NeedsBytes,
        Inner::Unparsed(reason) => {
            count::reason(packet.ifindex(), direction, reason);
            return Seen::Whole;
        }
    };
    if !settings::watches_ports(segment.source_port, segment.destination_port) {
        return Seen::Whole;
    }
    let ifindex = packet.ifindex();
    count::packet(ifindex, direction, Encapsulation::None, 0, packet.frame_len() as u64);
    sample_inner(packet, ifindex, direction, NO_VNI, Some(inner));
    Seen::Whole
}

#[inline(always)]
fn esp<P: Packet>(packet: &P, direction: Direction, network: &Network, spi: u32, sequence: u32) -> Seen {
    let ifindex = packet.ifindex();
    let bytes = packet.frame_len() as u64;
    let Some(addresses) = walk::addresses(packet, network) else { return Seen::Whole };
    count::esp(&EspKey::new(ifindex, direction, spi, &addresses), sequence, bytes);
    if sample::is_due() {
        sample::emit(packet, About::packet(ifindex, direction), Cause::Periodic);
    }
    Seen::Whole
}

#[inline(always)]
fn unparsed<P: Packet>(packet: &P, direction: Direction, reason: Reason) -> Seen {
    if packet.is_partial() {
        return Seen::NeedsBytes;
    }
    let ifindex = packet.ifindex();
    count::reason(ifindex, direction, reason);
    if sample::is_due() {
        let about = About { reason: reason as u8, ..About::packet(ifindex, direction) };
        sample::emit(packet, about, Cause::Periodic);
    }
    Seen::Whole
}

#[inline(always)]
fn sample_inner<P: Packet>(packet: &P, ifindex: u32, direction: Direction, vni: u32, inner: Option<Inner>) {
    let mut about = About::packet(ifindex, direction);
    let cause = match inner {
        Some(Inner::Flow(segment)) if segment.payload_len() != 0 && is_flow_start(packet, &mut about, vni, &segment) => {
            Cause::FlowStart
        }
        Some(Inner::Unparsed(reason)) => {
            about.reason = reason as u8;
            if !sample::is_due() {
                return;
            }
            Cause::Periodic
        }
        Some(Inner::Flow(_) | Inner::NotIp(_)) | None => {
            if !sample::is_due() {
                return;
            }
            Cause::Periodic
        }
    };
    sample::emit(packet, about, cause);
}

#[inline(always)]
fn is_flow_start<P: Packet>(packet: &P, about: &mut About, vni: u32, segment: &Segment) -> bool {
    if settings::flow_samples() == 0 || segment.network.later_fragment {
        return false;
    }
    let Some(addresses) = walk::addresses(packet, &segment.network) else { return false };
    let ports = (segment.source_port, segment.destination_port);
    let (flow, forward) = flow_hash(&settings::seed(), vni, segment.network.protocol, &addresses, ports);
    about.flow = flow;
    sample::is_flow_start(flow, forward)
}

#[inline(always)]
fn is_short(inner: &Option<Inner>) -> bool {
    matches!(inner, Some(Inner::Unparsed(Reason::InnerTruncated)))
}
