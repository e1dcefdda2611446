//! Accounting of one packet of a flow: it is counted under the verdict on the flow, and sampled while there is none.

use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{Class, FlowState, NetworkId};
use monitor_common::reason::Reason;
use monitor_common::sample::NO_REASON;
use monitor_common::walk::InnerKind;

use crate::ctx::Packet;
use crate::outer::Step;
use crate::walked::{COUNTED, DUE, FIRST_FRAGMENT, FORWARD, OPENS, PAYLOAD, Walked};
use crate::{count, exposure, fragment, sample, settings};

/// A flow that still has no verdict after its first samples is sampled once in this many packets.
const RETRY: u64 = 64;

/// Counts a packet by what was found inside, and takes a first sample of its flow if one is wanted. [`Step::Sample`] if
/// its turn to be sampled has come.
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
        if settings::host_flows_by_port() && walked.fragment == FIRST_FRAGMENT {
            fragment::note(walked, ports);
        }
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
        // A packet of the host's own traffic that was not parsed is counted by its reason only.
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
            // Ports are reused: the verdict on the last connection between them does not hold for this one.
            exposure::forget(walked.flow);
        } else if let Some(class) = exposure::verdict(walked.flow) {
            exposure::count(direction, network, class, counted);
            return if_due(walked);
        }
        exposure::pending(direction, network, walked.flow, counted)
    } else if settings::flow_samples() != 0 && walked.flags & PAYLOAD != 0 {
        exposure::sampled(walked.flow)
    } else {
        None
    };
    if opens && let Some(state) = state {
        // SAFETY: an element of the map.
        unsafe { ((*state).forward, (*state).reverse) = (0, 0) };
    }
    match state {
        Some(state) if sample_first(state, walked, direction, packet) => Step::Done,
        Some(_) | None => if_due(walked),
    }
}

/// Takes a sample of a flow without a verdict, if its first ones are not taken yet; whether one was due.
#[inline(always)]
fn sample_first<P: Packet>(
    state: *mut FlowState,
    walked: &mut Walked,
    direction: Direction,
    packet: &P,
) -> bool {
    let wanted = settings::flow_samples();
    if wanted == 0 || walked.flags & PAYLOAD == 0 {
        return false;
    }
    // SAFETY: an element of the map. A lost update makes a number of samples wrong by one, which is harmless.
    unsafe {
        let taken = if walked.flags & FORWARD != 0 {
            &raw mut (*state).forward
        } else {
            &raw mut (*state).reverse
        };
        // One packet of a super-packet may be the one with that number.
        let packets = (*state).rx_packets + (*state).tx_packets;
        let is_retry = settings::exposure_on()
            && packets / RETRY != packets.wrapping_sub(walked.packets) / RETRY;
        if *taken >= wanted && !is_retry {
            return false;
        }
        let is_first = *taken == 0;
        let group = (*state).group();
        if sample::flow_start(packet, walked, direction, group, is_first) {
            *taken += 1;
        }
    }
    true
}

/// Samples the packet if its turn has come.
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
