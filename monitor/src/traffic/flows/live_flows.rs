//! Classifies live samples with the earlier samples of their flows.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::stream::{Continuity, Stream};
use super::verdict_merge::{better, is_conclusive};
use crate::base::hash::HashMap;
use crate::traffic::association_memory::AssociationMemory;
use crate::traffic::layer::Layer;
use crate::traffic::sample_record::SampleRecord;
use monitor_classify::{
    Exposure, Payload, Protocol, Transport, Verdict, classify, classify_on, http_body, http_rest,
};

/// Flows of one generation; two generations are kept.
const GENERATION: usize = 4096;
/// Most bytes kept of all flows together.
const BYTES: usize = 4 << 20;
/// After so long without a sample, packets between the same ports are another conversation.
const SILENCE: SignedDuration = SignedDuration::from_secs(60);

/// A flow: its network, transport and two ends, the lower end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LiveKey {
    /// VNIs of the outermost and the innermost network.
    vnis: [Option<u32>; 2],
    transport: Transport,
    ends: [(IpAddr, u16); 2],
}

/// A flow without a conclusive sample so far, or in the middle of a message.
#[derive(Clone, Debug)]
struct Open {
    streams: [Stream; 2],
    /// Its protocol, if that is known but not the exposure.
    named: Option<Protocol>,
    /// How many bytes of a message of HTTP are still to come from each end.
    bodies: [u64; 2],
    last: Timestamp,
}

/// The flows of live samples, each kept until one of its samples is conclusive: the bytes that the next packet may
/// continue, in both directions. Bounded in flows and bytes.
#[derive(Debug)]
pub struct LiveFlows {
    young: HashMap<LiveKey, Open>,
    old: HashMap<LiveKey, Open>,
    budget: usize,
    /// Security associations, which have no flow.
    pub(in crate::traffic) associations: AssociationMemory,
}

impl Default for LiveFlows {
    fn default() -> LiveFlows {
        LiveFlows {
            young: HashMap::default(),
            old: HashMap::default(),
            budget: BYTES,
            associations: AssociationMemory::default(),
        }
    }
}

impl LiveFlows {
    /// The verdict on a payload, alone or joined with earlier ones of its flow. `record` has the packet's endpoints and
    /// time; `sequence` is the TCP sequence number.
    pub(crate) fn classify(
        &mut self,
        record: &SampleRecord,
        payload: &Payload<'_>,
        sequence: Option<u32>,
    ) -> Verdict {
        let Some((key, end)) = key(record, payload) else {
            return classify(payload);
        };
        if let Some(body) = self.inside_body(&key, end, record.time, payload, sequence) {
            return body;
        }
        let alone = classify(payload);
        if is_conclusive(&alone) {
            match http_rest(payload) {
                rest @ 1.. if is_readable_http(&alone) => {
                    self.expect(key, end, rest, record.time, sequence, payload.wire_len);
                }
                _ => self.remove(&key),
            }
            return alone;
        }
        let mut open = self.take(&key, record.time);
        let is_nothing = (alone.protocol, alone.exposure) == (Protocol::Unknown, Exposure::Unknown);
        let alone = match open.named {
            Some(named) if is_nothing => classify_on(named, payload),
            Some(_) | None => alone,
        };
        let stream = &mut open.streams[end];
        let (_, continuity) = stream.advance(sequence, payload.wire_len);
        let rest = &mut open.bodies[end];
        match continuity {
            Continuity::Continues(old) if *rest != 0 && alone.exposure != Exposure::Encrypted => {
                if *rest != u64::MAX {
                    *rest =
                        rest.saturating_sub(u64::from(payload.wire_len).saturating_sub(old as u64));
                }
                let body = better(Some(http_body(payload)), alone);
                if open.bodies != [0; 2] {
                    self.keep(key, open);
                }
                return body;
            }
            Continuity::Continues(_) | Continuity::Gap => *rest = 0,
            Continuity::Repeated => {}
        }
        let joined = stream
            .join(payload, continuity, is_conclusive(&alone), &mut self.budget)
            .map(|payload| (classify(&payload), http_rest(&payload)));
        stream.settle(payload, &mut self.budget);
        let rest = joined.as_ref().map_or(0, |(_, rest)| *rest);
        let verdict = better(joined.map(|(verdict, _)| verdict), alone);
        if is_conclusive(&verdict) {
            release(&mut open, &mut self.budget);
            // A header split over two packets.
            if rest != 0 && is_readable_http(&verdict) {
                open.bodies[end] = rest;
                self.keep(key, open);
            }
            return verdict;
        }
        let is_open =
            verdict.protocol != Protocol::Unknown && verdict.exposure == Exposure::Unknown;
        if is_open {
            open.named = Some(verdict.protocol);
        }
        self.keep(key, open);
        verdict
    }

    /// The verdict on a payload that is inside the body of a message of HTTP, by the length in the header of that and by the
    /// sequence number. Bytes of a body may look like any protocol, and most samples of long messages are of bodies: no
    /// classifier is asked.
    fn inside_body(
        &mut self,
        key: &LiveKey,
        end: usize,
        now: Timestamp,
        payload: &Payload<'_>,
        sequence: Option<u32>,
    ) -> Option<Verdict> {
        if !self.young.contains_key(key) {
            let open = self.old.remove(key)?;
            self.young.insert(*key, open);
        }
        let open = self.young.get_mut(key)?;
        let rest = open.bodies[end];
        let is_recent = now.duration_since(open.last).abs() <= SILENCE;
        let is_inside = rest != u64::MAX && rest >= u64::from(payload.wire_len);
        if !is_recent || !is_inside || !open.streams[end].is_next(sequence) {
            return None;
        }
        open.last = now;
        open.streams[end].advance(sequence, payload.wire_len);
        open.bodies[end] = rest - u64::from(payload.wire_len);
        if open.bodies == [0; 2] {
            self.remove(key);
        }
        Some(http_body(payload))
    }

    /// Keeps a flow for the rest of a message, whose first packet was conclusive.
    fn expect(
        &mut self,
        key: LiveKey,
        end: usize,
        rest: u64,
        now: Timestamp,
        sequence: Option<u32>,
        length: u32,
    ) {
        let mut open = self.take(&key, now);
        release(&mut open, &mut self.budget);
        open.streams[end].advance(sequence, length);
        open.bodies[end] = rest;
        self.keep(key, open);
    }

    /// Removes a flow and returns it; a new one if it is unknown or was idle for too long.
    fn take(&mut self, key: &LiveKey, now: Timestamp) -> Open {
        let known = self.young.remove(key).or_else(|| self.old.remove(key));
        let new = || Open {
            streams: Default::default(),
            named: None,
            bodies: [0; 2],
            last: now,
        };
        match known {
            // A wall clock that was set back ends it as well, rather than keep it for as long.
            Some(mut open) if now.duration_since(open.last).abs() > SILENCE => {
                release(&mut open, &mut self.budget);
                new()
            }
            Some(open) => Open { last: now, ..open },
            None => new(),
        }
    }

    /// Stores a flow, and drops the older generation when the younger is full.
    fn keep(&mut self, key: LiveKey, open: Open) {
        self.young.insert(key, open);
        if self.young.len() >= GENERATION {
            self.forget_silent();
        }
    }

    /// Drops the flows without a sample since this was called last. They are another conversation after a silence.
    pub(crate) fn forget_silent(&mut self) {
        let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        for (_, mut open) in old {
            release(&mut open, &mut self.budget);
        }
    }

    /// Drops the associations without a sample since this was called last.
    pub(crate) fn forget_associations(&mut self) {
        self.associations.forget_silent();
    }

    /// Drops a flow.
    fn remove(&mut self, key: &LiveKey) {
        if let Some(mut open) = self.young.remove(key).or_else(|| self.old.remove(key)) {
            release(&mut open, &mut self.budget);
        }
    }
}

#[cfg(test)]
impl LiveFlows {
    /// Number of flows kept, and of bytes by the budget.
    pub(in crate::traffic) fn kept(&self) -> (usize, usize) {
        (self.young.len() + self.old.len(), BYTES - self.budget)
    }

    /// Number of bytes allocated.
    pub(in crate::traffic) fn held(&self) -> usize {
        let all = self.young.values().chain(self.old.values());
        all.flat_map(|open| &open.streams).map(Stream::held).sum()
    }
}

/// Returns a flow's bytes to the budget.
fn release(open: &mut Open, budget: &mut usize) {
    for stream in &mut open.streams {
        stream.clear(budget);
    }
}

/// Whether a payload is HTTP that can be read.
fn is_readable_http(verdict: &Verdict) -> bool {
    (verdict.protocol, verdict.exposure) == (Protocol::Http, Exposure::Plaintext)
}

/// The flow of a payload, and which of its ends sent it (0 is the lower one).
fn key(record: &SampleRecord, payload: &Payload<'_>) -> Option<(LiveKey, usize)> {
    let inner = record.inner?;
    let source = (inner.source, payload.src_port);
    let destination = (inner.destination, payload.dst_port);
    let is_first = source <= destination;
    let key = LiveKey {
        vnis: [record.vni, Layer::innermost_vni(&record.layers)],
        transport: payload.transport,
        ends: if is_first {
            [source, destination]
        } else {
            [destination, source]
        },
    };
    Some((key, usize::from(!is_first)))
}
