//! What is inside a packet: walked down to its flow.

use monitor_common::key::{NetworkId, flow_hash};
use monitor_common::link::Link;
use monitor_common::sample::NO_REASON;
use monitor_common::walk::{self, FrameKind, InnerKind};
use monitor_common::wire::tcp;

use crate::ctx::Packet;
use crate::settings;
use crate::walked::{FORWARD, OPENS, PAYLOAD, Walked};

/// What is left to do before the inside of a packet is known.
#[derive(Clone, Copy, Default)]
#[repr(u32)]
pub enum InnerStep {
    /// Nothing: it is known, or known not to be parsed.
    #[default]
    Known,
    /// The same step again on a copy: its headers reach beyond the bytes at hand.
    NeedsBytes,
    /// Walk from the inner network layer to the flow.
    Flow,
}

/// Walks from the first byte inside to the inner network layer, and notes it.
#[inline(always)]
pub fn network<P: Packet>(packet: &P) -> InnerStep {
    let Some(walked) = Walked::slot() else {
        return InnerStep::Known;
    };
    let link = Link::from_index(walked.link as u8);
    let frame = walk::frame(packet, walked.inner(), link);
    walked.reason = u32::from(NO_REASON);
    walked.flow = 0;
    match frame.kind {
        FrameKind::Other => walked.inner_kind = InnerKind::NotIp as u32,
        FrameKind::Unparsed => {
            if packet.is_partial() {
                return InnerStep::NeedsBytes;
            }
            walked.inner_kind = InnerKind::Unparsed as u32;
            walked.reason = walk::inner_reason(frame.reason) as u32;
        }
        FrameKind::Ip => {
            walked.set_network(&frame.network);
            return InnerStep::Flow;
        }
    }
    InnerStep::Known
}

/// Walks from the inner network layer to the flow, and notes it.
#[inline(always)]
pub fn flow<P: Packet>(packet: &P) -> InnerStep {
    let Some(walked) = Walked::slot() else {
        return InnerStep::Known;
    };
    let inner = walk::segment(packet, walked.network());
    if matches!(inner.kind, InnerKind::Unparsed) {
        if packet.is_partial() {
            return InnerStep::NeedsBytes;
        }
        walked.inner_kind = InnerKind::Unparsed as u32;
        walked.reason = inner.reason as u32;
        return InnerStep::Known;
    }
    walked.inner_kind = InnerKind::Flow as u32;
    if inner.network.later_fragment {
        // The ports of the host's own traffic are known from its first fragment.
        return InnerStep::Known;
    }
    walked.ports = (u32::from(inner.source_port) << 16) | u32::from(inner.destination_port);
    let Some(addresses) = walk::addresses(packet, &inner.network) else {
        return InnerStep::NeedsBytes;
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
    InnerStep::Known
}

/// The network in the flow hash. The encapsulation is part of it, because two of them may have the same VNI.
#[inline(always)]
pub fn hashed_network(encapsulation: u32, vni: u32) -> u32 {
    vni | ((encapsulation & 0xff) << 24)
}
