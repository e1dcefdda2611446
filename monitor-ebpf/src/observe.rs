//! What happens to one packet: the outer headers are walked and counted, then, if anything wants to
//! know, the inner ones are walked and sampled.
//!
//! Two steps, because each has the kernel's 512 bytes of stack to itself then, and because what only
//! counts never pays for the second. Whatever reads beyond the bytes at hand says so before it has
//! counted anything, so that the step can be repeated with all the bytes.

use monitor_common::key::{EspKey, NO_VNI, flow_hash};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;
use monitor_common::sample::{Cause, NO_REASON};
use monitor_common::walk::usual::{self, Shape};
use monitor_common::walk::{self, Addresses, Inner, InnerKind, Kind};

use crate::ctx::Packet;
use crate::sample::About;
use crate::{count, sample, settings};

/// What is left to do for a packet.
#[derive(Clone, Copy)]
pub enum Step {
    /// Nothing: it was dealt with, or is none of our business.
    Done,
    /// It takes the whole walk to tell what it is.
    Walk,
    /// The same step again, with all the bytes: its headers reach beyond those at hand.
    NeedsBytes,
    /// Sample it as it is.
    Sample,
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
    const WALK: Next = Next(3);

    /// Bits of an offset: the longest outer headers that are walked end before 8,192. Far below 65,535,
    /// where verifiers give up on a packet offset.
    const AT: usize = 0x1fff;

    /// Look inside, at the Ethernet header `at` bytes from the start of the frame.
    #[inline(always)]
    fn inside(vni: u32, at: usize) -> Next {
        Next(2 | (((at & Next::AT) as u64) << 8) | (u64::from(vni) << 32))
    }

    /// Sample the packet, with a [`Reason`] or [`NO_REASON`].
    #[inline(always)]
    fn sample(reason: u8) -> Next {
        Next(4 | (u64::from(reason) << 8))
    }

    /// Why it was not understood ([`Step::Sample`]).
    #[inline(always)]
    pub fn reason(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// What is left to do.
    #[inline(always)]
    pub fn step(self) -> Step {
        match self.0 & 0xff {
            0 => Step::Done,
            1 => Step::NeedsBytes,
            3 => Step::Walk,
            4 => Step::Sample,
            _ => Step::Inside,
        }
    }

    /// Where to look inside.
    #[inline(always)]
    pub fn at(self) -> usize {
        (self.0 >> 8) as usize & Next::AT
    }

    /// VNI of what is inside; `NO_VNI` for a host's own packet, which is its own inside.
    #[inline(always)]
    pub fn vni(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Counts a packet of the usual shape; leaves every other one to [`outer`].
#[inline(always)]
pub fn usual<P: Packet>(packet: &P, direction: Direction) -> Next {
    let Some(start) = usual::start(packet) else {
        return Next::WALK;
    };
    match start.shape(settings::is_vxlan) {
        Shape::Host if settings::host_flows_on() => Next::inside(NO_VNI, 0),
        Shape::Host => Next::DONE,
        Shape::Vxlan => vxlan(packet, direction, start.vni(), usual::INNER),
        Shape::Esp => esp(
            packet,
            direction,
            &start.addresses(),
            start.spi(),
            start.sequence(),
        ),
        Shape::Unusual => Next::WALK,
    }
}

/// Walks and counts the outer headers.
#[inline(always)]
pub fn outer<P: Packet>(packet: &P, direction: Direction) -> Next {
    let outer = walk::outer(packet, settings::is_vxlan);
    match outer.kind {
        Kind::NotIp => Next::DONE,
        Kind::Host if settings::host_flows_on() => Next::inside(NO_VNI, 0),
        Kind::Host => Next::DONE,
        Kind::Vxlan => vxlan(packet, direction, outer.vni, outer.inner),
        Kind::Esp => match walk::addresses(packet, &outer.network) {
            Some(addresses) => esp(packet, direction, &addresses, outer.spi, outer.sequence),
            None => Next::NEEDS_BYTES,
        },
        Kind::Unparsed => unparsed(packet, direction, outer.reason),
    }
}

#[inline(always)]
fn vxlan<P: Packet>(packet: &P, direction: Direction, vni: u32, inner: usize) -> Next {
    let bytes = packet.frame_len() as u64;
    count::packet(
        packet.ifindex(),
        direction,
        Encapsulation::Vxlan,
        vni,
        bytes,
    );
    if settings::looks_inside() {
        Next::inside(vni, inner)
    } else {
        Next::DONE
    }
}

#[inline(always)]
fn esp<P: Packet>(
    packet: &P,
    direction: Direction,
    addresses: &Addresses,
    spi: u32,
    sequence: u32,
) -> Next {
    let ifindex = packet.ifindex();
    count::esp(
        &EspKey::new(ifindex, direction, spi, addresses),
        sequence,
        packet.frame_len() as u64,
    );
    if sample::is_due() {
        Next::sample(NO_REASON)
    } else {
        Next::DONE
    }
}

#[inline(always)]
fn unparsed<P: Packet>(packet: &P, direction: Direction, reason: Reason) -> Next {
    if packet.is_partial() {
        return Next::NEEDS_BYTES;
    }
    count::reason(packet.ifindex(), direction, reason);
    if sample::is_due() {
        Next::sample(reason as u8)
    } else {
        Next::DONE
    }
}

/// Samples a packet as it is, without a look inside.
#[inline(always)]
pub fn whole<P: Packet>(packet: &P, direction: Direction, reason: u8) {
    let about = About {
        reason,
        ..About::packet(packet.ifindex(), direction)
    };
    sample::emit(packet, about, Cause::Periodic);
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
    let Some(addresses) = walk::addresses(packet, &inner.network) else {
        return false;
    };
    let ports = (inner.source_port, inner.destination_port);
    let (flow, forward) = flow_hash(
        &settings::seed(),
        vni,
        inner.network.protocol,
        &addresses,
        ports,
    );
    about.flow = flow;
    sample::is_flow_start(flow, forward)
}
