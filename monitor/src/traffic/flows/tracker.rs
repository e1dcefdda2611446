//! Packets in, records of flows out.

use std::collections::HashMap;
use std::sync::Arc;

use monitor_common::key::NetworkId;
use monitor_common::walk::Version;

use super::associations::Associations;
use super::flow::Flow;
use super::fragments::Fragments;
use super::packet::{FlowPacket, Fragment, Seen, walk};
use super::record::{EspRecord, FlowRecord};
use super::summary::Summary;
use super::table::{End, Key, Queue, Table};
use crate::base::udp_ports::Services;
use crate::traffic::address::ip;
use crate::traffic::capture::Packet;
use monitor_classify::Transport;

/// Flows that are followed at a time.
const FLOWS: usize = 262_144;
/// Bytes that are kept of all of them together, to join them with those that follow.
const KEPT: usize = 16 << 20;
/// Capture time after which a connection that has ended is told.
const CLOSED_NS: i64 = 60 * 1_000_000_000;
/// Capture time without a packet after which a flow has ended.
const IDLE_NS: i64 = 3600 * 1_000_000_000;

/// What is known beside the packets.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// The node that saw the packets.
    pub node: Option<Arc<str>>,
    /// Names of networks, by VNI, fit to be shown.
    pub networks: HashMap<u32, Arc<str>>,
}

/// Follows the flows of a capture.
pub struct Tracker {
    services: Services,
    names: Names,
    table: Table<Flow>,
    fragments: Fragments,
    associations: Associations,
    summary: Summary,
    flows: u64,
    budget: usize,
}

impl Tracker {
    /// Follows flows, with UDP ports that stand for these services.
    #[must_use]
    pub fn new(services: Services, names: Names) -> Tracker {
        Tracker::with_limit(services, names, FLOWS)
    }

    /// The same with another limit.
    #[must_use]
    pub(super) fn with_limit(services: Services, names: Names, limit: usize) -> Tracker {
        Tracker {
            services,
            names,
            table: Table::new(limit),
            fragments: Fragments::default(),
            associations: Associations::default(),
            summary: Summary::default(),
            flows: 0,
            budget: KEPT,
        }
    }

    /// Takes a packet into account, and hands over the flows that have ended.
    #[inline]
    pub fn take<E>(
        &mut self,
        packet: &Packet<'_>,
        mut emit: impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let now = packet.time_ns;
        self.summary.note(packet.wire_len, now);
        self.expire(now, &mut emit)?;
        match walk(packet, &self.services) {
            Seen::Flow(seen) => self.flow(&seen, now, &mut emit)?,
            Seen::Fragment(fragment) => self.fragment(&fragment, now),
            Seen::NotIp => self.summary.not_ip += 1,
            Seen::Unparsed(reason) => *self.summary.unparsed.entry(reason).or_default() += 1,
        }
        Ok(())
    }

    #[inline]
    fn flow<E>(
        &mut self,
        seen: &FlowPacket<'_>,
        now: i64,
        emit: &mut impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some((spi, sequence)) = seen.association {
            self.associations.count(seen, spi, sequence, now);
        }
        let ports = (seen.source_port, seen.destination_port);
        let (key, from) = Key::new(seen.network, seen.protocol, &seen.addresses, ports);
        if let Some(fragment) = &seen.fragments {
            self.fragments.note(fragment, key, from);
        }
        let mut is_new = true;
        if let Some(flow) = self.table.touch(&key) {
            is_new = flow.is_over(seen);
            if !is_new {
                let was_closed = flow.is_closed();
                flow.count(from, 1, seen.length, now);
                flow.take(from, seen, &mut self.budget);
                if flow.is_closed() != was_closed {
                    self.table.set_queue(&key, Queue::Closed);
                }
            }
        }
        if !is_new {
            return Ok(());
        }
        self.end(&key, true, emit)?;
        if self.table.is_full() {
            let closed = self.table.oldest(Queue::Closed).map(|(key, _)| *key);
            let open = self.table.oldest(Queue::Open).map(|(key, _)| *key);
            match (closed, open) {
                (Some(key), _) => self.end(&key, true, emit)?,
                (None, Some(key)) => self.end(&key, false, emit)?,
                (None, None) => {}
            }
        }
        let mut flow = Flow::new(self.flows, from, seen, now);
        self.flows += 1;
        flow.count(from, 1, seen.length, now);
        flow.take(from, seen, &mut self.budget);
        let is_closed = flow.is_closed();
        self.table.insert(key, flow);
        if is_closed {
            self.table.set_queue(&key, Queue::Closed);
        }
        Ok(())
    }

    fn fragment(&mut self, fragment: &Fragment, now: i64) {
        if let Some(first) = self.fragments.first(fragment)
            && let Some(flow) = self.table.get_mut(&first.key)
        {
            if first.is_packet {
                flow.count(first.from, 1, fragment.frame, now);
            } else {
                flow.count(first.from, 0, fragment.payload, now);
                self.summary.fragments += 1;
            }
        } else {
            let reason = monitor_common::reason::Reason::Fragment.label();
            *self.summary.unparsed.entry(reason).or_default() += 1;
        }
    }

    /// Ends the flows that were silent for long.
    #[inline]
    fn expire<E>(
        &mut self,
        now: i64,
        emit: &mut impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        for (queue, patience) in [(Queue::Closed, CLOSED_NS), (Queue::Open, IDLE_NS)] {
            while let Some((key, flow)) = self.table.oldest(queue)
                && now.saturating_sub(flow.last_ns) > patience
            {
                let key = *key;
                self.end(&key, true, emit)?;
            }
        }
        Ok(())
    }

    /// Hands over a flow, if there is one of this key.
    fn end<E>(
        &mut self,
        key: &Key,
        complete: bool,
        emit: &mut impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((key, mut flow)) = self.table.remove(key) else {
            return Ok(());
        };
        flow.forget(&mut self.budget);
        let record = self.record(&key, flow, complete);
        self.summary.add(&record);
        emit(&record)
    }

    fn record(&self, key: &Key, flow: Flow, complete: bool) -> FlowRecord {
        let version = if key.is_v6 { Version::V6 } else { Version::V4 };
        let end = |end: End| {
            let (address, port) = match end {
                End::Low => key.low,
                End::High => key.high,
            };
            (ip(version, address), port)
        };
        let vni = (key.network != NetworkId::HOST.0).then_some(key.network);
        let (sent, received) = (flow.sent(flow.opener), flow.sent(flow.opener.other()));
        FlowRecord {
            node: self.names.node.clone(),
            vni,
            network: vni.and_then(|vni| self.names.networks.get(&vni).cloned()),
            transport: Transport::from(key.protocol),
            source: end(flow.opener),
            destination: end(flow.opener.other()),
            verdict: flow.verdict,
            sent: (sent.packets, sent.bytes),
            received: (received.packets, received.bytes),
            time_ns: (flow.first_ns, flow.last_ns),
            complete,
        }
    }

    /// Notes that a file was opened.
    pub fn begin_file(&mut self) {
        self.summary.files += 1;
    }

    /// Notes that a file was not read to a whole end.
    pub fn break_off(&mut self) {
        self.summary.truncated = true;
    }

    /// Hands over all flows that are left, in the order in which they began; then gives the associations and the
    /// summary.
    pub fn finish<E>(
        mut self,
        mut emit: impl FnMut(&FlowRecord) -> Result<(), E>,
    ) -> Result<(Vec<EspRecord>, Summary), E> {
        for (key, flow) in self.table.drain_by(|flow| flow.number) {
            let complete = flow.is_closed() || !self.summary.truncated;
            let record = self.record(&key, flow, complete);
            self.summary.add(&record);
            emit(&record)?;
        }
        let associations = self.associations.records().collect();
        if self.associations.overflow != 0 {
            tracing::warn!(
                "{} packets of further associations are not told apart",
                self.associations.overflow
            );
        }
        Ok((associations, self.summary))
    }
}
