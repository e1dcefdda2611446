//! What becomes of a packet's inside: it is counted under its exposure, and sampled while its flow has
//! no verdict.

use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{Class, FlowState, NetworkId};
use monitor_common::reason::Reason;
use monitor_common::sample::NO_REASON;
use monitor_common::walk::InnerKind;

use crate::ctx::Packet;
use crate::outer::Step;
use crate::walked::{COUNTED, DUE, FORWARD, OPENS, PAYLOAD, Walked};
use crate::{count, exposure, sample, settings};

/// A flow that still has no verdict after its first samples is sampled once in so many packets.
const RETRY: u64 = 64;

/// Counts and samples by what was found inside.
#[inline(always)]
pub fn account<P: Packet>(packet: &P, direction: Direction) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    let counted = Count {
        packets: walked.packets,
        bytes: walked.bytes,
    };
    let network = NetworkId(walked.network_id);
    if walked.network_id == NetworkId::HOST.0 && walked.inner_kind == InnerKind::Flow as u32 {
        let ports = walked.ports;
        if !settings::watches_ports((ports >> 16) as u16, ports as u16) {
            return Step::Done;
        }
        count::packet(packet.ifindex(), direction, Encapsulation::None, 0, counted);
    }
    if walked.inner_kind == InnerKind::Unparsed as u32
        && let Some(reason) = Reason::from_index(walked.reason as u8)
    {
        count::reason(packet.ifindex(), direction, reason, counted.packets);
    }
    if walked.flow == 0 {
        // A host's own packet that was not understood is counted as such, and as nothing else.
        let is_counted =
            walked.network_id != NetworkId::HOST.0 || walked.inner_kind == InnerKind::Flow as u32;
        if settings::exposure_on() && is_counted {
            exposure::count(direction, network, Class::UNKNOWN, counted);
        }
        return if_due(walked);
    }
    if walked.flags & COUNTED != 0 {
        return if_due(walked);
    }
    let opens = walked.flags & OPENS != 0;
    let state = if settings::exposure_on() {
        if opens {
            // Ports come again: what the last connection between them spoke says nothing of this one.
            exposure::forget(walked.flow);
        } else if let Some(class) = exposure::verdict(walked.flow) {
            exposure::count(direction, network, class, counted);
            return if_due(walked);
        }
        exposure::pending(direction, network, walked.flow, counted)
    } else if settings::flow_samples() != 0 && walked.flags & PAYLOAD != 0 {
        exposure::state_of(walked.flow, network)
    } else {
        None
    };
    if opens && let Some(state) = state {
        // SAFETY: an element of the map.
        unsafe { ((*state).forward, (*state).reverse) = (0, 0) };
    }
    match state {
        Some(state) if wants_sample(state, walked, direction, packet) => Step::Done,
        Some(_) | None => if_due(walked),
    }
}

/// Takes a sample of a flow that has no verdict, if its first ones are not taken yet; whether it did.
#[inline(always)]
fn wants_sample<P: Packet>(
    state: *mut FlowState,
    walked: &mut Walked,
    direction: Direction,
    packet: &P,
) -> bool {
    let wanted = settings::flow_samples();
    if wanted == 0 || walked.flags & PAYLOAD == 0 {
        return false;
    }
    // SAFETY: an element of the map; a lost update moves a number of samples by one, no harm.
    unsafe {
        let taken = if walked.flags & FORWARD != 0 {
            &raw mut (*state).forward
        } else {
            &raw mut (*state).reverse
        };
        // Of a super-packet, whichever of its packets comes to that number.
        let packets = (*state).rx_packets + (*state).tx_packets;
        let is_retry = settings::exposure_on()
            && packets / RETRY != packets.wrapping_sub(walked.packets) / RETRY;
        if *taken >= wanted && !is_retry {
            return false;
        }
        let is_first = *taken == 0;
        if sample::flow_start(packet, walked, direction, is_first) {
            *taken += 1;
        }
    }
    true
}

#[inline(always)]
fn if_due(walked: &mut Walked) -> Step {
    if walked.inner_kind != InnerKind::Unparsed as u32 {
        walked.reason = u32::from(NO_REASON);
    }
    if walked.flags & DUE != 0 || sample::is_due() {
        Step::Sample
    } else {
        Step::Done
    }
}
