//! What a filter looks at.

use std::net::IpAddr;

use jiff::Timestamp;
use monitor_classify::{CredentialKind, Exposure, Protocol, Transport};
use monitor_common::encapsulation::Encapsulation;

use super::connection::Connection;
use crate::traffic::flows::{EspRecord, FlowRecord, FramesRecord};
use crate::traffic::json_object::timestamp;
use crate::traffic::layer::Layer;
use crate::traffic::sample_record::SampleRecord;

/// What a filter looks at: a sample, a flow or a security association.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The networks that it is in, from the outside in.
    vnis: Vec<u32>,
    /// The ends, then the nodes.
    addresses: [Option<IpAddr>; 4],
    /// Of both ends; 0 where the transport has none.
    ports: [u16; 2],
    pub(super) transport: Option<Transport>,
    pub(super) protocol: Protocol,
    pub(super) encapsulation: Encapsulation,
    pub(super) exposure: Exposure,
    pub(super) credentials: &'a [CredentialKind],
    /// When it ended.
    pub(super) time: Timestamp,
}

impl Subject<'_> {
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied().flatten()
    }

    pub(super) fn is_in(&self, vni: u32) -> bool {
        self.vnis.contains(&vni)
    }

    pub(super) fn is_of(&self, connection: &Connection) -> bool {
        let [one, other, ..] = self.addresses;
        one.zip(other).is_some_and(|(one, other)| {
            connection.is_between((one, self.ports[0]), (other, self.ports[1]))
        })
    }

    pub(super) fn has_port(&self, port: u16) -> bool {
        port != 0 && self.ports.contains(&port)
    }
}

impl<'a> From<&'a SampleRecord> for Subject<'a> {
    fn from(record: &'a SampleRecord) -> Subject<'a> {
        let (ends, nodes) = (record.inner, record.outer);
        Subject {
            vnis: vnis(record.vni, &record.layers),
            addresses: [
                ends.map(|ends| ends.source),
                ends.map(|ends| ends.destination),
                nodes.map(|nodes| nodes.source),
                nodes.map(|nodes| nodes.destination),
            ],
            ports: [record.source_port, record.destination_port],
            transport: record.transport,
            protocol: record.verdict.protocol,
            encapsulation: record.encapsulation,
            exposure: record.verdict.exposure,
            credentials: &record.verdict.credentials,
            time: record.time,
        }
    }
}

impl<'a> From<&'a FlowRecord> for Subject<'a> {
    fn from(flow: &'a FlowRecord) -> Subject<'a> {
        Subject {
            vnis: vnis(flow.vni, flow.layers.iter().map(|at| &at.layer)),
            addresses: [Some(flow.source.0), Some(flow.destination.0), None, None],
            ports: [flow.source.1, flow.destination.1],
            transport: Some(flow.transport),
            protocol: flow.verdict.protocol,
            encapsulation: Encapsulation::None,
            exposure: flow.verdict.exposure,
            credentials: &flow.verdict.credentials,
            time: timestamp(flow.time_ns.1),
        }
    }
}

impl From<&FramesRecord> for Subject<'_> {
    fn from(frames: &FramesRecord) -> Self {
        Subject {
            vnis: vnis(Some(frames.vni), frames.layers.iter().map(|at| &at.layer)),
            addresses: [None; 4],
            ports: [0; 2],
            transport: None,
            protocol: Protocol::Unknown,
            encapsulation: Encapsulation::None,
            exposure: Exposure::Unknown,
            credentials: &[],
            time: timestamp(frames.time_ns.1),
        }
    }
}

impl From<&EspRecord> for Subject<'_> {
    fn from(association: &EspRecord) -> Self {
        Subject {
            vnis: vnis(association.vni, []),
            addresses: [
                None,
                None,
                Some(association.source),
                Some(association.destination),
            ],
            ports: [0; 2],
            transport: None,
            protocol: Protocol::Ipsec,
            encapsulation: association.encapsulation,
            exposure: association.exposure,
            credentials: &[],
            time: timestamp(association.time_ns.1),
        }
    }
}

/// The networks of a packet: of its outermost overlay, and of its layers.
fn vnis<'a>(vni: Option<u32>, layers: impl IntoIterator<Item = &'a Layer>) -> Vec<u32> {
    let inner = layers.into_iter().filter_map(|layer| layer.vni);
    vni.into_iter().chain(inner).collect()
}
