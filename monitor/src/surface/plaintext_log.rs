//! The first sight of each plaintext protocol in each network: a log that can run for months, and that forged VNIs
//! cannot fill.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::host::described_network::{shown, title};
use crate::traffic::sample_record::SampleRecord;
use monitor_classify::{CredentialKind, Exposure, Protocol};
use monitor_common::map_size::NETWORKS;

/// Lines about undescribed networks in one [`MINUTE`], at most.
const LINES: usize = 10;
/// The time that [`LINES`] counts for.
const MINUTE: Duration = Duration::from_secs(60);
/// Undescribed networks and protocols that are remembered. The one logged longest ago is forgotten first, so a network
/// that returns is logged again.
const REMEMBERED: usize = 4096;
/// Described networks and protocols that are remembered. Networks that were removed since are among them.
const DESCRIBED: usize = 16 * NETWORKS;
/// Undescribed networks and protocols without a line in one minute that are counted apart.
const LEFT_OUT: usize = 4096;

/// What was logged so far.
#[derive(Debug)]
pub struct PlaintextLog {
    /// Of described networks, and of the host's own traffic.
    described: Recent,
    undescribed: Recent,
    minute: Minute,
}

/// A protocol in a network, or a kind of credentials that it showed there.
type Place = (Option<u32>, Protocol, Option<CredentialKind>);

/// The last places that were logged, up to a limit.
#[derive(Debug)]
struct Recent {
    limit: usize,
    all: HashSet<Place>,
    /// The one logged longest ago first.
    order: VecDeque<Place>,
}

impl Recent {
    fn new(limit: usize) -> Recent {
        Recent {
            limit,
            all: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    fn insert(&mut self, place: Place) {
        if self.all.insert(place) {
            self.order.push_back(place);
        }
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

/// How a network is named in the log.
#[derive(Debug, PartialEq, Eq)]
struct NetworkName {
    title: String,
    name: Option<String>,
}

/// What is readable in plaintext for the first time, for the log.
#[derive(Debug, PartialEq, Eq)]
pub struct PlaintextFinding {
    /// VXLAN Network Identifier; `None` outside any overlay.
    pub vni: Option<u32>,
    /// Name of the network, escaped.
    pub network: Option<String>,
    /// The protocol.
    pub protocol: Protocol,
    /// Kinds of credentials that were seen, separated by commas; `None` without any.
    pub credentials: Option<String>,
    /// The line.
    pub text: String,
}

/// The minute that runs.
#[derive(Debug, Default)]
struct Minute {
    began: Option<Instant>,
    lines: usize,
    left_out: HashSet<Place>,
}

impl Default for PlaintextLog {
    fn default() -> PlaintextLog {
        PlaintextLog {
            described: Recent::new(DESCRIBED),
            undescribed: Recent::new(REMEMBERED),
            minute: Minute::default(),
        }
    }
}

impl PlaintextLog {
    /// What to log, if this record is the first to show this protocol in plaintext in this network, or the first to show
    /// a kind of credentials there. `name` returns the name of a described network, and `None` for every other one.
    pub fn first(
        &mut self,
        record: &SampleRecord,
        now: Instant,
        name: impl FnOnce(u32) -> Option<String>,
    ) -> Option<PlaintextFinding> {
        if record.verdict.exposure != Exposure::Plaintext {
            return None;
        }
        let inner = record.inner?;
        let place = (record.vni, record.verdict.protocol);
        let network = self.admit(place, &record.verdict.credentials, now, name)?;
        let evidence = record.verdict.evidence.as_deref().unwrap_or_default();
        let kinds = Vec::from_iter(record.verdict.credentials.iter().map(|kind| kind.name()));
        let mut and_credentials = String::new();
        if !kinds.is_empty() {
            and_credentials = format!("; credentials: {}", kinds.join(", "));
        }
        let inside = record
            .inner_vni()
            .map_or_else(String::new, |vni| format!(" in VNI {vni} inside it"));
        Some(PlaintextFinding {
            vni: record.vni,
            protocol: record.verdict.protocol,
            credentials: (!kinds.is_empty()).then(|| kinds.join(",")),
            text: format!(
                "{}: {} is readable in plaintext{inside}, first seen from {} port {} to {} port {}: {evidence}{and_credentials}",
                network.title,
                record.verdict.protocol,
                inner.source,
                record.source_port,
                inner.destination,
                record.destination_port
            ),
            network: network.name,
        })
    }

    /// The network, if this protocol or one of these kinds of credentials is to be logged there now.
    fn admit(
        &mut self,
        (vni, protocol): (Option<u32>, Protocol),
        credentials: &[CredentialKind],
        now: Instant,
        name: impl FnOnce(u32) -> Option<String>,
    ) -> Option<NetworkName> {
        let kinds = credentials.iter().map(|kind| Some(*kind));
        let places = std::iter::once(None)
            .chain(kinds)
            .map(|kind| (vni, protocol, kind));
        let is_known = |place: &Place| {
            self.described.all.contains(place) || self.undescribed.all.contains(place)
        };
        if places.clone().all(|place| is_known(&place)) {
            return None;
        }
        let Some(vni) = vni else {
            places.for_each(|place| self.described.insert(place));
            return Some(NetworkName {
                title: "outside any overlay".to_owned(),
                name: None,
            });
        };
        if let Some(name) = name(vni) {
            places.for_each(|place| self.described.insert(place));
            return Some(NetworkName {
                title: title(vni, &name),
                name: Some(shown(&name)).filter(|name| !name.is_empty()),
            });
        }
        if !self.minute.has_room((Some(vni), protocol, None), now) {
            return None;
        }
        places.for_each(|place| self.undescribed.insert(place));
        Some(NetworkName {
            title: title(vni, ""),
            name: None,
        })
    }

    /// A line for the log with the number of findings that got none in the minute that is over, if there were any. Call it
    /// every few seconds.
    pub fn left_out(&mut self, now: Instant) -> Option<String> {
        let began = self.minute.began?;
        if now.duration_since(began) < MINUTE {
            return None;
        }
        let count = std::mem::take(&mut self.minute).left_out.len();
        let at_least = if count == LEFT_OUT { "at least " } else { "" };
        (count != 0).then(|| {
            format!(
                "{at_least}{count} more protocols are readable in plaintext in networks without a name: not logged, \
                 because at most {LINES} such lines are written each minute; overlay-monitor tail shows them"
            )
        })
    }
}

impl Minute {
    /// Whether a place gets a line now. If it does not, it is counted as left out.
    fn has_room(&mut self, place: Place, now: Instant) -> bool {
        self.began.get_or_insert(now);
        if self.lines < LINES {
            self.lines += 1;
            return true;
        }
        if self.left_out.len() < LEFT_OUT {
            self.left_out.insert(place);
        }
        false
    }
}

#[cfg(test)]
mod tests;
