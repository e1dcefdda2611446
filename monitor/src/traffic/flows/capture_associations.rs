//! The security associations of a capture, by the headers on the wire.

use std::collections::BTreeMap;
use std::net::IpAddr;

use monitor_common::count::{Count, Total};
use monitor_common::encapsulation::Encapsulation;
use monitor_common::walk::Outer;

use super::flow_records::EspRecord;
use super::packet_walk::FlowPacket;
use crate::traffic::address::ip;
use crate::traffic::layer::Layer;

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
}

/// The associations of a capture.
#[derive(Default)]
pub(super) struct Associations {
    known: BTreeMap<Id, Activity>,
    /// Packets of associations beyond the limit.
    pub(super) overflow: u64,
}

impl Associations {
    /// Counts a packet of an association.
    pub(super) fn count(&mut self, packet: &FlowPacket<'_>, association: &Outer, time_ns: i64) {
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
                return;
            }
            None => self.known.entry(id).or_insert(Activity {
                count: Count::ZERO,
                sequence: (sequence, sequence),
                time_ns: (time_ns, time_ns),
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
        })
    }
}
