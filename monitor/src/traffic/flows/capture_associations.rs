//! The security associations of a capture, by the headers on the wire.

use std::collections::BTreeMap;
use std::net::IpAddr;

use monitor_common::count::{Count, Total};
use monitor_common::encapsulation::Encapsulation;
use monitor_common::walk::Outer;

use super::flow_records::EspRecord;
use super::packet_walk::FlowPacket;
use crate::traffic::address::ip;
use crate::traffic::association_memory::Inspected;
use crate::traffic::layer::Layer;
use monitor_classify::{Verdict, ah, esp};

/// Most associations counted one by one; packets of further ones are only summed.
const LIMIT: usize = 65_536;

/// VNI of the network around it, encapsulation, addresses and SPI.
type Id = (Option<u32>, Encapsulation, IpAddr, IpAddr, u32);

/// The packets of one association.
#[derive(Clone, Copy, Debug)]
struct Activity {
    count: Count,
    /// Lowest and highest sequence number.
    sequence: (u32, u32),
    /// Times of the first and last packet.
    time_ns: (i64, i64),
    inspected: Inspected,
}

/// The associations of a capture.
#[derive(Default)]
pub(super) struct Associations {
    known: BTreeMap<Id, Activity>,
    /// Packets of associations beyond the limit.
    pub(super) overflow: u64,
}

impl Associations {
    /// Counts a packet of an association. Returns the verdict on one of ESP, unless the packet was not
    /// inspected: the first of a flow gets one in any case.
    pub(super) fn count(
        &mut self,
        packet: &FlowPacket<'_>,
        association: &Outer,
        time_ns: i64,
        is_new_flow: bool,
    ) -> Option<Verdict> {
        let sequence = association.sequence;
        let around = packet.network.vni_number();
        let version = packet.addresses.version;
        let id = (
            around.or_else(|| Layer::outermost_vni(&packet.layers)),
            association.encapsulation,
            ip(version, packet.addresses.source),
            ip(version, packet.addresses.destination),
            association.spi,
        );
        let is_full = self.known.len() >= LIMIT;
        let association = match self.known.get_mut(&id) {
            Some(known) => known,
            None if is_full => {
                self.overflow += 1;
                return packet.as_esp().map(|packet| esp(&packet));
            }
            None => self.known.entry(id).or_insert(Activity {
                count: Count::ZERO,
                sequence: (sequence, sequence),
                time_ns: (time_ns, time_ns),
                inspected: Inspected::default(),
            }),
        };
        association.count.add(Count {
            packets: 1,
            bytes: packet.length.into(),
        });
        let (low, high) = association.sequence;
        association.sequence = (low.min(sequence), high.max(sequence));
        let (first, last) = association.time_ns;
        association.time_ns = (first.min(time_ns), last.max(time_ns));
        let verdict = association.inspected.add(&packet.as_esp()?);
        verdict.or_else(|| is_new_flow.then(|| association.inspected.verdict()))
    }

    /// The record of each association, ordered by network, encapsulation, addresses and SPI.
    pub(super) fn records(&self) -> impl Iterator<Item = EspRecord> {
        self.known.iter().map(|(id, association)| EspRecord {
            vni: id.0,
            encapsulation: id.1,
            source: id.2,
            destination: id.3,
            spi: id.4,
            count: association.count,
            sequence: association.sequence,
            time_ns: association.time_ns,
            exposure: match id.1 {
                Encapsulation::Ah => ah().exposure,
                _ => association.inspected.verdict().exposure,
            },
        })
    }
}
