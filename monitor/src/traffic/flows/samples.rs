//! Samples as they come from the kernel, each with what is known of its flow.

use std::collections::HashMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::flow::{better, is_told};
use super::stream::Stream;
use crate::traffic::record::Record;
use monitor_classify::{Exposure, Payload, Protocol, Transport, Verdict, classify, classify_on};

/// Flows of one generation; two are kept.
const GENERATION: usize = 4096;
/// Bytes that are kept of all flows together.
const BYTES: usize = 4 << 20;
/// What comes later between the same ports is another conversation.
const SILENCE: SignedDuration = SignedDuration::from_secs(60);

/// The two ends of a flow, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    vni: Option<u32>,
    transport: Transport,
    ends: [(IpAddr, u16); 2],
}

/// A flow whose samples do not speak for themselves.
#[derive(Clone, Debug)]
struct Open {
    streams: [Stream; 2],
    /// What it speaks, while nothing says whether that can be read.
    named: Option<Protocol>,
    last: Timestamp,
}

/// What is kept of flows until a sample of them speaks for itself: what a packet continues, in both directions.
///
/// Bounded in flows and bytes, whatever comes.
#[derive(Debug)]
pub struct Samples {
    young: HashMap<Key, Open>,
    old: HashMap<Key, Open>,
    budget: usize,
}

impl Default for Samples {
    fn default() -> Samples {
        Samples {
            young: HashMap::new(),
            old: HashMap::new(),
            budget: BYTES,
        }
    }
}

impl Samples {
    /// What can be read in a payload, alone or with what came before it in its flow. `record` has the packet's ends and
    /// time; `sequence` is TCP's.
    pub(crate) fn judge(
        &mut self,
        record: &Record,
        payload: &Payload<'_>,
        sequence: Option<u32>,
    ) -> Verdict {
        let alone = classify(payload);
        let Some((key, end)) = key(record, payload) else {
            return alone;
        };
        if is_told(&alone) {
            self.forget(&key);
            return alone;
        }
        let mut open = self.take(&key, record.time);
        let is_nothing = (alone.protocol, alone.exposure) == (Protocol::Unknown, Exposure::Unknown);
        let alone = match open.named {
            Some(named) if is_nothing => classify_on(named, payload),
            Some(_) | None => alone,
        };
        let stream = &mut open.streams[end];
        let (_, follows) = stream.note(sequence, payload.wire_len);
        let joined = stream
            .join(payload, follows, is_told(&alone), &mut self.budget)
            .map(|payload| classify(&payload));
        stream.settle(payload, &mut self.budget);
        let verdict = better(joined, alone);
        if is_told(&verdict) {
            release(&mut open, &mut self.budget);
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

    /// What is known of a flow; it is not kept any more.
    fn take(&mut self, key: &Key, now: Timestamp) -> Open {
        let known = self.young.remove(key).or_else(|| self.old.remove(key));
        let new = || Open {
            streams: Default::default(),
            named: None,
            last: now,
        };
        match known {
            Some(mut open) if now.duration_since(open.last) > SILENCE => {
                release(&mut open, &mut self.budget);
                new()
            }
            Some(open) => Open { last: now, ..open },
            None => new(),
        }
    }

    fn keep(&mut self, key: Key, open: Open) {
        self.young.insert(key, open);
        if self.young.len() >= GENERATION {
            let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            for (_, mut open) in old {
                release(&mut open, &mut self.budget);
            }
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(mut open) = self.young.remove(key).or_else(|| self.old.remove(key)) {
            release(&mut open, &mut self.budget);
        }
    }
}

#[cfg(test)]
impl Samples {
    /// Flows, and bytes by the budget.
    pub(super) fn kept(&self) -> (usize, usize) {
        (self.young.len() + self.old.len(), BYTES - self.budget)
    }

    /// Bytes that are really kept.
    pub(super) fn held(&self) -> usize {
        let all = self.young.values().chain(self.old.values());
        all.flat_map(|open| &open.streams).map(Stream::held).sum()
    }
}

fn release(open: &mut Open, budget: &mut usize) {
    for stream in &mut open.streams {
        stream.forget(budget);
    }
}

/// Which flow, and which of its ends sent this.
fn key(record: &Record, payload: &Payload<'_>) -> Option<(Key, usize)> {
    let inner = record.inner?;
    let source = (inner.source, payload.src_port);
    let destination = (inner.destination, payload.dst_port);
    let is_first = source <= destination;
    let key = Key {
        vni: record.vni,
        transport: payload.transport,
        ends: if is_first {
            [source, destination]
        } else {
            [destination, source]
        },
    };
    Some((key, usize::from(!is_first)))
}
