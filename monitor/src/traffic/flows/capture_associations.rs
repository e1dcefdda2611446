//! The security associations of a capture, by the headers on the wire.

use std::collections::BTreeMap;
use std::net::IpAddr;

use monitor_common::count::{Count, Total};
use monitor_common::encapsulation::Encapsulation;

use super::flow_records::EspRecord;
use super::packet_walk::FlowPacket;
use crate::traffic::address::ip;

/// Most associations counted one by one; packets of further ones are only summed.
const LIMIT: usize = 65_536;

/// Encapsulation, addresses and SPI.
type Id = (Encapsulation, IpAddr, IpAddr, u32);

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
    pub(super) fn count(&mut self, packet: &FlowPacket<'_>, spi: u32, sequence: u32, time_ns: i64) {
        let version = packet.addresses.version;
        let id = (
            packet.encapsulation,
            ip(version, packet.addresses.source),
            ip(version, packet.addresses.destination),
            spi,
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

    /// The record of each association, ordered by encapsulation, addresses and SPI.
    pub(super) fn records(&self) -> impl Iterator<Item = EspRecord> {
        self.known.iter().map(|(id, association)| EspRecord {
            encapsulation: id.0,
            source: id.1,
            destination: id.2,
            spi: id.3,
            count: association.count,
            sequence: association.sequence,
            time_ns: association.time_ns,
        })
    }
}
