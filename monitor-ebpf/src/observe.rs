//! What happens to one packet: the outer headers are walked and counted, then, if anything wants to
//! know, the inner ones are walked and sampled.
//!
//! Two steps, because each has the kernel's 512 bytes of stack to itself then, and because what only
//! counts never pays for the second. Whatever reads beyond the bytes at hand says so before it has
//! counted anything, so that the step can be repeated with all the bytes.

use monitor_common::key::{EspKey, NO_VNI, flow_hash};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;
use monitor_common::sample::Cause;
use monitor_common::walk::{self, Inner, InnerKind, Kind, Outer};

use crate::ctx::Packet;
use crate::sample::About;
use crate::{count, sample, settings};

/// What is left to do for a packet.
#[derive(Clone, Copy)]
pub enum Step {
    /// Nothing: it was dealt with, or is none of our business.
    Done,
    /// The same step again, with all the bytes: its headers reach beyond those at hand.
    NeedsBytes,
    /// Look inside.
    Inside,
}

/// A [`Step`], and where to look inside: one word, so that a function of the kernel programs can
/// return it.
#[derive(Clone, Copy)]
pub struct Next(u64);

impl Next {
    const DONE: Next = Next(0);
    const NEEDS_BYTES: Next = Next(1);

    /// Look inside, at the Ethernet header `at` bytes from the start of the frame (at most 65,535).
    #[inline(always)]
    fn inside(vni: u32, at: usize) -> Next {
        Next(2 | ((at as u64 & 0xffff) << 8) | (u64::from(vni) << 32))
    }

    /// What is left to do.
    #[inline(always)]
    pub fn step(self) -> Step {
        match self.0 & 0xff {
            0 => Step::Done,
            1 => Step::NeedsBytes,
            _ => Step::Inside,
        }
    }

    /// Where to look inside.
    #[inline(always)]
    pub fn at(self) -> usize {
        (self.0 >> 8) as usize & 0xffff
    }

    /// VNI of what is inside; `NO_VNI` for a host's own packet, which is its own inside.
    #[inline(always)]
    pub fn vni(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Walks and counts the outer headers.
#[inline(always)]
pub fn outer<P: Packet>(packet: &P, direction: Direction) -> Next {
    let outer = walk::outer(packet, &settings::vxlan_ports());
    match outer.kind {
        Kind::NotIp => Next::DONE,
        Kind::Host if settings::host_flows_on() => Next::inside(NO_VNI, 0),
        Kind::Host => Next::DONE,
        Kind::Vxlan => vxlan(packet, direction, &outer),
        Kind::Esp => esp(packet, direction, &outer),
        Kind::Unparsed => unparsed(packet, direction, outer.reason),
    }
}

#[inline(always)]
fn vxlan<P: Packet>(packet: &P, direction: Direction, outer: &Outer) -> Next {
    let bytes = packet.frame_len() as u64;
    count::packet(packet.ifindex(), direction, Encapsulation::Vxlan, outer.vni, bytes);
    if settings::looks_inside() { Next::inside(outer.vni, outer.inner) } else { Next::DONE }
}

#[inline(always)]
fn esp<P: Packet>(packet: &P, direction: Direction, outer: &Outer) -> Next {
    let Some(addresses) = walk::addresses(packet, &outer.network) else { return Next::NEEDS_BYTES };
    let ifindex = packet.ifindex();
    let key = EspKey::new(ifindex, direction, outer.spi, &addresses);
    count::esp(&key, outer.sequence, packet.frame_len() as u64);
    sample_if_due(packet, About::packet(ifindex, direction));
    Next::DONE
}

#[inline(always)]
fn unparsed<P: Packet>(packet: &P, direction: Direction, reason: Reason) -> Next {
    if packet.is_partial() {
        return Next::NEEDS_BYTES;
    }
    let ifindex = packet.ifindex();
    count::reason(ifindex, direction, reason);
    sample_if_due(packet, About { reason: reason as u8, ..About::packet(ifindex, direction) });
    Next::DONE
}

/// Walks what is inside, and samples it. Returns whether it must be done again with all the bytes.
#[inline(always)]
pub fn inside<P: Packet>(packet: &P, direction: Direction, vni: u32, at: usize) -> bool {
    let inner = walk::inner(packet, at);
    if matches!(inner.kind, InnerKind::Unparsed) && packet.is_partial() {
        return true;
    }
    let ifindex = packet.ifindex();
    if vni == NO_VNI && matches!(inner.kind, InnerKind::Flow) {
        if !settings::watches_ports(inner.source_port, inner.destination_port) {
            return false;
        }
        let bytes = packet.frame_len() as u64;
        count::packet(ifindex, direction, Encapsulation::None, 0, bytes);
    }
    sample_inner(packet, About::packet(ifindex, direction), vni, &inner);
    false
}

#[inline(always)]
fn sample_inner<P: Packet>(packet: &P, mut about: About, vni: u32, inner: &Inner) {
    match inner.kind {
        InnerKind::Flow if is_flow_start(packet, &mut about, vni, inner) => {
            sample::emit(packet, about, Cause::FlowStart);
        }
        InnerKind::Flow | InnerKind::NotIp => sample_if_due(packet, about),
        InnerKind::Unparsed => {
            count::reason(about.ifindex, about.direction, inner.reason);
            about.reason = inner.reason as u8;
            sample_if_due(packet, about);
        }
    }
}

#[inline(always)]
fn sample_if_due<P: Packet>(packet: &P, about: About) {
    if sample::is_due() {
        sample::emit(packet, about, Cause::Periodic);
    }
}

#[inline(always)]
fn is_flow_start<P: Packet>(packet: &P, about: &mut About, vni: u32, inner: &Inner) -> bool {
    if settings::flow_samples() == 0 || inner.network.later_fragment || inner.payload_len() == 0 {
        return false;
    }
    let Some(addresses) = walk::addresses(packet, &inner.network) else { return false };
    let ports = (inner.source_port, inner.destination_port);
    let (flow, forward) =
        flow_hash(&settings::seed(), vni, inner.network.protocol, &addresses, ports);
    about.flow = flow;
    sample::is_flow_start(flow, forward)
}
