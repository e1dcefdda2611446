//! Assembles the packets of a capture into records of flows.

use std::collections::HashMap;
use std::sync::Arc;

use monitor_common::address::Version;
use monitor_common::key::NetworkId;
use monitor_common::reason::Reason;

use super::capture_associations::Associations;
use super::capture_clock::CaptureClock;
use super::flow::Flow;
use super::flow_records::{EspRecord, FlowRecord};
use super::flow_table::{End, Key, Queue, Table};
use super::fragments::Fragments;
use super::frames_record::FramesRecord;
use super::network_frames::{Inside, NetworkFrames};
use super::packet_walk::{FlowPacket, Fragment, Walked, walk};
use super::paths::{PathId, Paths};
use super::reported_early::ReportedEarly;
use super::summary::Summary;
use crate::base::plural::counted;
use crate::base::udp_ports::UdpPorts;
use crate::traffic::address::ip;
use crate::traffic::capture::Packet;
use crate::traffic::history::{History, Repeat};
use crate::traffic::layer::{Layer, NamedLayer};
use crate::traffic::not_understood::NotUnderstood;
use crate::traffic::vxlan_recognition::VxlanRecognition;
use monitor_classify::Transport;

/// Most flows tracked at a time.
const FLOWS: usize = 262_144;
/// Most bytes kept of all flows together, to join them with later packets.
const KEPT: usize = 16 << 20;
/// Time on the capture's clock after which a closed connection is reported.
const CLOSED_NS: i64 = 60 * 1_000_000_000;

/// Names that the packets do not contain.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The node that captured the packets.
    pub node: Option<Arc<str>>,
    /// Names of networks by VNI, escaped for display.
    pub networks: HashMap<u32, Arc<str>>,
}

impl Names {
    /// These layers with the names of their networks.
    fn named(&self, layers: &[Layer]) -> Vec<NamedLayer> {
        let name = |vni| self.networks.get(&vni).cloned();
        let named = layers.iter().map(|layer| NamedLayer {
            layer: *layer,
            network: layer.vni.and_then(name),
        });
        named.collect()
    }
}

/// What is reported of a capture after its flows.
#[derive(Clone, Debug)]
pub struct Rest {
    /// Frames of networks that belong to no flow, by VNI.
    pub frames: Vec<FramesRecord>,
    /// Security associations.
    pub associations: Vec<EspRecord>,
    /// The totals.
    pub summary: Summary,
}

/// Tracks the flows of a capture.
pub struct Tracker {
    udp_ports: UdpPorts,
    names: Names,
    table: Table<Flow>,
    fragments: Fragments,
    associations: Associations,
    frames: NetworkFrames,
    paths: Paths,
    history: History,
    vxlan: VxlanRecognition,
    early: ReportedEarly,
    clock: CaptureClock,
    /// Now, on that clock.
    elapsed: i64,
    summary: Summary,
    /// Number of flows so far.
    flows: u64,
    /// Bytes that all flows together may still keep.
    budget: usize,
}

impl Tracker {
    /// A tracker that takes the service of each UDP port from this table.
    #[must_use]
    pub fn new(udp_ports: UdpPorts, names: Names) -> Tracker {
        Tracker::with_limit(udp_ports, names, FLOWS)
    }

    /// The same with another limit.
    #[must_use]
    pub(super) fn with_limit(udp_ports: UdpPorts, names: Names, limit: usize) -> Tracker {
        Tracker {
            udp_ports,
            names,
            table: Table::new(limit),
            fragments: Fragments::default(),
            associations: Associations::default(),
            frames: NetworkFrames::default(),
            paths: Paths::default(),
            history: History::default(),
            vxlan: VxlanRecognition::default(),
            early: ReportedEarly::default(),
            clock: CaptureClock::default(),
            elapsed: 0,
            summary: Summary::default(),
            flows: 0,
            budget: KEPT,
        }
    }

    /// Adds a packet. `emit` gets each flow that has ended, and its error ends the call.
    #[inline]
    pub fn add<E>(
        &mut self,
        packet: &Packet<'_>,
        mut emit: impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let now = packet.time_ns;
        self.summary.count_packet(packet.wire_len, now);
        self.elapsed = self.clock.at(now);
        self.expire(&mut emit)?;
        match walk(packet, &self.udp_ports, &mut self.history, &mut self.vxlan) {
            Walked::Flow(seen) => self.flow(&seen, now, &mut emit)?,
            Walked::Fragment(fragment) => self.fragment(&fragment, now),
            Walked::NotIp(ethertype, inside) => {
                self.summary.not_ip += 1;
                if let Some(inside) = inside {
                    self.frames.not_ip(inside, ethertype, now);
                }
            }
            Walked::NotUnderstood(why, inside) => self.not_understood(why, inside, now),
        }
        Ok(())
    }

    /// Counts a packet that was not understood.
    fn not_understood(&mut self, why: NotUnderstood, inside: Option<Inside>, now: i64) {
        *self.summary.unparsed.entry(why).or_default() += 1;
        if let Some(inside) = inside {
            self.frames.not_understood(inside, why, now);
        }
    }

    /// Adds a packet of a flow.
    #[inline]
    fn flow<E>(
        &mut self,
        seen: &FlowPacket<'_>,
        now: i64,
        emit: &mut impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let ports = (seen.source_port, seen.destination_port);
        let network = (seen.network, self.paths.id(&seen.layers));
        let (key, from) = Key::new(network, seen.protocol, &seen.addresses, ports);
        if self.is_repeated(seen, &key) {
            self.summary.repeated += 1;
            return Ok(());
        }
        let association = seen.association.and_then(|association| {
            let is_new = self.table.get_mut(&key).is_none();
            let verdict = self.associations.count(seen, &association, now, is_new)?;
            Some((association.spi, verdict))
        });
        if let Some(fragment) = &seen.fragments {
            self.fragments.insert(fragment, key, from);
        }
        let mut is_new = true;
        if let Some(flow) = self.table.touch(&key) {
            is_new = flow.is_followed_by(seen);
            if !is_new {
                let was_closed = flow.is_closed();
                flow.count(from, 1, seen.length, now);
                flow.touched = self.elapsed;
                flow.add(from, seen, &mut self.budget);
                if let Some((spi, verdict)) = &association {
                    flow.add_association(from, *spi, verdict);
                }
                if flow.is_closed() != was_closed {
                    self.table.set_queue(&key, Queue::Closed);
                }
            }
        }
        if !is_new {
            return Ok(());
        }
        self.end_flow(&key, true, emit)?;
        if self.table.is_full() {
            let closed = self.table.oldest(Queue::Closed).map(|(key, _)| *key);
            let open = self.table.oldest(Queue::Open).map(|(key, _)| *key);
            match (closed, open) {
                (Some(key), _) => self.end_flow(&key, true, emit)?,
                (None, Some(key)) => self.end_flow(&key, false, emit)?,
                (None, None) => {}
            }
        }
        let mut flow = Flow::new(self.flows, from, seen, now);
        flow.touched = self.elapsed;
        flow.is_rest = self.early.take(&key) && !flow.is_opened();
        self.flows += 1;
        flow.count(from, 1, seen.length, now);
        flow.add(from, seen, &mut self.budget);
        if let Some((spi, verdict)) = &association {
            flow.add_association(from, *spi, verdict);
        }
        let is_closed = flow.is_closed();
        self.table.insert(key, flow);
        if is_closed {
            self.table.set_queue(&key, Queue::Closed);
        }
        Ok(())
    }

    /// Whether this packet of a flow was counted on another device. Marks flows outside any overlay whose packets are seen
    /// inside one.
    fn is_repeated(&mut self, seen: &FlowPacket<'_>, key: &Key) -> bool {
        let repeat = seen.past.repeat;
        if repeat == Repeat::default() {
            return false;
        }
        if repeat.was_outside {
            let network = (NetworkId::HOST, PathId::default());
            let ports = (seen.source_port, seen.destination_port);
            let (outside, _) = Key::new(network, seen.protocol, &seen.addresses, ports);
            if let Some(flow) = self.table.get_mut(&outside) {
                flow.inside = seen.network.vni_number();
            }
        }
        let Some(flow) = self.table.get_mut(key) else {
            return false;
        };
        flow.inside = repeat.inside.or(flow.inside);
        flow.repeated += u64::from(repeat.is_repeated);
        repeat.is_repeated
    }

    /// Adds a later fragment.
    fn fragment(&mut self, fragment: &Fragment, now: i64) {
        if let Some(first) = self.fragments.first(fragment)
            && let Some(flow) = self.table.get_mut(&first.key)
        {
            flow.touched = self.elapsed;
            if first.is_packet {
                flow.count(first.from, 1, fragment.frame, now);
            } else {
                flow.count(first.from, 0, fragment.payload, now);
                self.summary.fragments += 1;
            }
        } else {
            let inside = fragment.network.vni_number().map(|vni| Inside {
                vni,
                layers: Vec::new(),
                length: fragment.frame,
            });
            self.not_understood(NotUnderstood::Walk(Reason::Fragment), inside, now);
        }
    }

    /// Reports the connections that were closed a while ago. Any other flow may go on, however long it was silent.
    #[inline]
    fn expire<E>(&mut self, emit: &mut impl FnMut(&FlowRecord) -> Result<(), E>) -> Result<(), E> {
        while let Some((key, flow)) = self.table.oldest(Queue::Closed)
            && self.elapsed.saturating_sub(flow.touched) > CLOSED_NS
        {
            let key = *key;
            self.end_flow(&key, true, emit)?;
        }
        Ok(())
    }

    /// Removes and reports a flow, if the key is in the table.
    fn end_flow<E>(
        &mut self,
        key: &Key,
        complete: bool,
        emit: &mut impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((key, mut flow)) = self.table.remove(key) else {
            return Ok(());
        };
        flow.clear(&mut self.budget);
        if !complete {
            self.early.insert(&key);
        }
        let record = self.record_of(&key, flow, complete);
        self.summary.add_flow(&record);
        emit(&record)
    }

    /// The record of a flow.
    fn record_of(&self, key: &Key, flow: Flow, complete: bool) -> FlowRecord {
        let version = if key.is_v6 { Version::V6 } else { Version::V4 };
        let end = |end: End| {
            let (address, port) = match end {
                End::Low => key.low,
                End::High => key.high,
            };
            (ip(version, address), port)
        };
        let layers = self.paths.layers(key.path);
        let vni = NetworkId(key.network).vni_number();
        let vni = vni.or_else(|| Layer::outermost_vni(layers));
        FlowRecord {
            node: self.names.node.clone(),
            vni,
            network: vni.and_then(|vni| self.names.networks.get(&vni).cloned()),
            layers: self.names.named(layers),
            recognised_port: flow.recognised_port,
            transport: Transport::from(key.protocol),
            source: end(flow.opener),
            destination: end(flow.opener.other()),
            doubts: flow.doubts(),
            inside: flow.inside,
            repeated: flow.repeated,
            sent: flow.sent(flow.opener),
            received: flow.sent(flow.opener.other()),
            verdict: flow.verdict,
            time_ns: (flow.first_ns, flow.last_ns),
            complete: complete && !flow.is_rest,
        }
    }

    /// Counts a file.
    pub fn begin_file(&mut self) {
        self.summary.files += 1;
        self.history = History::default();
        self.vxlan.begin_file();
    }

    /// Marks the capture as truncated: a file was not read to the end of a packet.
    pub fn mark_truncated(&mut self) {
        self.summary.truncated = true;
    }

    /// Reports the remaining flows in the order of their first packets, and returns what is left of the capture.
    pub fn finish<E>(
        mut self,
        mut emit: impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<Rest, E> {
        for (key, flow) in self.table.drain_by(|flow| flow.number) {
            let complete = flow.is_closed() || !self.summary.truncated;
            let record = self.record_of(&key, flow, complete);
            self.summary.add_flow(&record);
            emit(&record)?;
        }
        self.summary.recognised = self.vxlan.ports().list(&self.udp_ports);
        let frames = self
            .frames
            .rows()
            .map(|((vni, layers, content), row)| FramesRecord {
                node: self.names.node.clone(),
                vni: *vni,
                network: self.names.networks.get(vni).cloned(),
                layers: self.names.named(layers),
                content: *content,
                count: row.count,
                time_ns: row.time_ns,
            });
        let frames = frames.collect();
        let associations = self.associations.records().collect();
        if self.paths.overflow != 0 {
            tracing::warn!(
                "reported under the outermost network alone: {}; the capture has more networks inside others than are distinguished",
                counted(self.paths.overflow, "packet")
            );
        }
        if self.frames.overflow != 0 {
            tracing::warn!(
                "not reported by network: {} that belong to no flow; the capture has more networks than are counted one by one",
                counted(self.frames.overflow, "frame")
            );
        }
        if self.associations.overflow != 0 {
            tracing::warn!(
                "not reported by association: {}; the capture has more associations than are counted one by one",
                counted(self.associations.overflow, "packet")
            );
        }
        Ok(Rest {
            frames,
            associations,
            summary: self.summary,
        })
    }
}
