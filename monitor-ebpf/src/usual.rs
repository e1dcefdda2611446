//! Packets of the usual shape: counted at fixed offsets, without a walk.

use monitor_common::address::Addresses;
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{EspKey, NetworkId, flow_hash};
use monitor_common::link::Link;
use monitor_common::walk;
use monitor_common::walk::usual::inner::{self, Flow};
use monitor_common::walk::usual::{Shape, v4, v6};
use monitor_common::wire::vxlan;

use crate::ctx::Packet;
use crate::inner::hashed_network;
use crate::outer::{Step, is_decrypted, not_admitted};
use crate::walked::{COUNTED, DUE, Walked};
use crate::{count, esp_slots, exposure, policy, sample, settings, slots, super_packet};

/// Counts a packet of the usual shape. [`Step::Walk`] for every other one: none of it is counted.
#[inline(always)]
pub fn count<P: Packet>(packet: &P, direction: Direction) -> Step {
    let Some(start) = v4::start(packet) else {
        return Step::Walk;
    };
    let shape = start.shape(settings::udp_port);
    match shape {
        Shape::Host if settings::host_flows_on() => return Step::Walk,
        Shape::Host => return Step::Done,
        Shape::Unusual => return count_v6(packet, direction),
        Shape::Vxlan | Shape::Esp => {}
    }
    if is_decrypted(packet, direction) {
        return Step::Walk;
    }
    let is_one = super_packet::is_one(packet);
    let addresses = start.addresses();
    if let Shape::Esp = shape {
        if !is_one || walk::may_be_null_in_v4(packet, settings::udp_port) {
            return Step::Walk;
        }
        return esp(
            packet,
            direction,
            (start.spi(), start.sequence()),
            &addresses,
            super_packet::one(packet),
        );
    }
    let vni = start.vni();
    let counted = if is_one {
        super_packet::one(packet)
    } else if let Some(ends) = inner::ends_in_v4(packet) {
        super_packet::count_of_flow(packet, ends, v4::INNER - vxlan::LEN)
    } else {
        return Step::Walk;
    };
    if policy::is_required(vni) {
        policy::cleartext(direction, vni, &addresses, counted);
    }
    let flow = if settings::exposure_on() {
        inner::in_v4(packet)
    } else {
        None
    };
    count_vxlan(packet, direction, vni, flow, v4::INNER, counted)
}

/// As [`count`], on IPv6.
#[inline(always)]
fn count_v6<P: Packet>(packet: &P, direction: Direction) -> Step {
    let shape = v6::shape(packet, settings::udp_port);
    match shape {
        Shape::Host if !settings::host_flows_on() => return Step::Done,
        Shape::Host | Shape::Unusual => return Step::Walk,
        Shape::Vxlan | Shape::Esp => {}
    }
    if is_decrypted(packet, direction) {
        return Step::Walk;
    }
    let is_one = super_packet::is_one(packet);
    if let Shape::Esp = shape {
        if !is_one || walk::may_be_null_in_v6(packet, settings::udp_port) {
            return Step::Walk;
        }
        let (Some(association), Some(addresses)) = (v6::association(packet), v6::addresses(packet))
        else {
            return Step::Walk;
        };
        let one = super_packet::one(packet);
        return esp(packet, direction, association, &addresses, one);
    }
    let Some(vni) = v6::vni(packet) else {
        return Step::Walk;
    };
    let counted = if is_one {
        super_packet::one(packet)
    } else if let Some(ends) = inner::ends_in_v6(packet) {
        super_packet::count_of_flow(packet, ends, v6::INNER - vxlan::LEN)
    } else {
        return Step::Walk;
    };
    if policy::is_required(vni)
        && let Some(addresses) = v6::addresses(packet)
    {
        policy::cleartext(direction, vni, &addresses, counted);
    }
    let flow = if settings::exposure_on() {
        inner::in_v6(packet)
    } else {
        None
    };
    count_vxlan(packet, direction, vni, flow, v6::INNER, counted)
}

/// Counts an ESP packet, of an association by its SPI and sequence number.
#[inline(always)]
fn esp<P: Packet>(
    packet: &P,
    direction: Direction,
    (spi, sequence): (u32, u32),
    addresses: &Addresses,
    one: Count,
) -> Step {
    let ifindex = packet.ifindex();
    if !esp_slots::count(ifindex, direction, (spi, sequence), addresses, one) {
        let key = EspKey::new(ifindex, direction, Encapsulation::Esp, spi, addresses);
        count::esp(&key, sequence, one, 0);
    }
    if_due(|walked| walked.frame_link = Link::Ethernet as u32)
}

/// Counts a VXLAN packet whose frame starts at `inner_at`. `flow` if exposure is on and its flow has the usual shape.
#[inline(always)]
fn count_vxlan<P: Packet>(
    packet: &P,
    direction: Direction,
    vni: u32,
    flow: Option<Flow>,
    inner_at: usize,
    counted: Count,
) -> Step {
    let Some(flow) = flow else {
        return match by_vni(packet, direction, vni, counted) {
            Some(step) => step,
            None => inside_of_vxlan(vni, inner_at, counted, 0),
        };
    };
    let (hash, _) = flow_hash(
        &settings::seed(),
        hashed_network(Encapsulation::Vxlan as u32, vni),
        flow.protocol,
        &flow.addresses,
        (flow.source_port, flow.destination_port),
    );
    if !slots::count(hash, packet.ifindex(), direction, vni, counted) {
        if let Some(step) = by_vni(packet, direction, vni, counted) {
            return step;
        }
        let Some(class) = exposure::verdict(hash) else {
            return inside_of_vxlan(vni, inner_at, counted, 0);
        };
        exposure::count(direction, NetworkId::vni(vni), class, counted);
    }
    if !sample::is_due() {
        return Step::Done;
    }
    inside_of_vxlan(vni, inner_at, counted, COUNTED | DUE)
}

/// Counts a VXLAN packet under its VNI. `None` if its inside is to be walked, else what is left to do.
#[inline(always)]
fn by_vni<P: Packet>(packet: &P, direction: Direction, vni: u32, counted: Count) -> Option<Step> {
    let ifindex = packet.ifindex();
    let admitted = count::packet(ifindex, direction, Encapsulation::Vxlan, vni, counted);
    if !settings::looks_inside() {
        return Some(Step::Done);
    }
    if !admitted {
        return Some(not_admitted(direction, counted));
    }
    None
}

/// Notes the place of the inside of a VXLAN packet.
#[inline(always)]
fn inside_of_vxlan(vni: u32, inner: usize, counted: Count, flags: u32) -> Step {
    let Some(walked) = Walked::slot() else {
        return Step::Done;
    };
    walked.frame_link = Link::Ethernet as u32;
    walked.encapsulation = Encapsulation::Vxlan as u32;
    walked.vni = vni;
    walked.inner_offset = inner as u32;
    walked.link = Link::Ethernet as u32;
    walked.network_id = NetworkId::vni(vni).0;
    walked.packets = counted.packets;
    walked.bytes = counted.bytes;
    walked.flags = flags;
    Step::Inside
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
