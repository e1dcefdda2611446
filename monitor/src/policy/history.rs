//! What was seen of each network over a window: cleartext, ESP, and how complete the coverage was.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use monitor_common::count::{Count, Total};
use monitor_common::direction::Direction;

use super::violation::{Breach, Since, Violation};
use crate::base::hash::HashMap;
use crate::kernel::Attribution;
use crate::traffic::counted::{Counted, Vni};

/// Spans of a window: old counts leave it in steps of one span.
const SPANS: u32 = 12;
/// Networks without a requirement that are tracked at a time.
const UNDESCRIBED: usize = 1024;

/// Packets and bytes of both directions, received first.
pub type BothWays = [Count; 2];

/// What was seen of one network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Outside ESP. Bytes are those of the frames.
    pub cleartext: BothWays,
    /// Inside ESP. Bytes are those that ESP carries, from the UDP header on.
    pub encrypted: BothWays,
}

impl Seen {
    /// Cleartext packets of both directions.
    #[must_use]
    pub fn cleartext_packets(&self) -> u64 {
        self.cleartext.iter().map(|count| count.packets).sum()
    }

    /// Packets inside ESP of both directions.
    #[must_use]
    pub fn encrypted_packets(&self) -> u64 {
        self.encrypted.iter().map(|count| count.packets).sum()
    }

    fn is_nothing(&self) -> bool {
        *self == Seen::default()
    }

    fn add(&mut self, more: &Seen) {
        let theirs = more.cleartext.iter().chain(&more.encrypted);
        for (mine, theirs) in self.all_mut().zip(theirs) {
            mine.add(*theirs);
        }
    }

    fn since(mut self, before: &Seen) -> Seen {
        let theirs = before.cleartext.iter().chain(&before.encrypted);
        for (mine, theirs) in self.all_mut().zip(theirs) {
            *mine = mine.since(*theirs);
        }
        self
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Count> {
        self.cleartext.iter_mut().chain(&mut self.encrypted)
    }
}

/// How complete the coverage was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// An interface that must be watched was not, at least for a moment.
    pub blind: bool,
    /// ESP packets whose network is unknown.
    pub unattributed: u64,
    /// Packets of networks without a row of their own in the maps.
    pub overflow: u64,
}

impl Coverage {
    fn add(&mut self, more: &Coverage) {
        self.blind |= more.blind;
        self.unattributed += more.unattributed;
        self.overflow += more.overflow;
    }
}

/// A span of the window.
#[derive(Debug)]
struct Span {
    start: Instant,
    seen: HashMap<u32, Seen>,
    coverage: Coverage,
}

/// What was seen of each network over a window.
#[derive(Debug)]
pub struct History {
    window: Duration,
    /// The oldest first; the last one is current.
    spans: VecDeque<Span>,
    /// Totals at the last update.
    totals: HashMap<u32, Seen>,
    esp: u64,
    overflow: u64,
    lost: u64,
    /// When the last update was.
    updated: Option<Instant>,
    /// For each known network, cleartext and encrypted, by direction: the start of the last time between updates in
    /// which packets came.
    grown: HashMap<u32, [[Option<Instant>; 2]; 2]>,
    /// Whether ESP was attributed to networks at the last update.
    attributed: bool,
}

/// Outside or inside ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carried {
    /// Outside ESP.
    Cleartext,
    /// Inside ESP.
    Encrypted,
}

impl History {
    /// A history over this window, of counters that start from zero.
    #[must_use]
    pub fn new(window: Duration) -> History {
        History {
            window,
            spans: VecDeque::new(),
            totals: HashMap::default(),
            esp: 0,
            overflow: 0,
            lost: 0,
            updated: None,
            grown: HashMap::default(),
            attributed: false,
        }
    }

    /// What was seen of the network of a violation, in its direction, after its last packet. `None`: that was before this
    /// host started.
    #[must_use]
    pub fn since(&self, violation: &Violation, last: Option<Instant>) -> Since {
        let (vni, way) = (violation.vni, violation.direction);
        let came = |carried| last.is_some_and(|last| self.came_after(vni, carried, way, last));
        match violation.breach {
            Breach::Cleartext if came(Carried::Encrypted) => Since::Kept,
            Breach::Cleartext if !self.attributed => Since::Unseen,
            Breach::Encrypted if came(Carried::Cleartext) => Since::Kept,
            Breach::Cleartext | Breach::Encrypted => Since::Silent,
        }
    }

    /// What was counted so far is of another process's time, and not of the window.
    pub fn begin_at(&mut self, counted: &Counted, now: Instant) {
        self.record(counted, |_| false, now);
        self.spans.clear();
    }

    /// Adds what was counted since the last update. `is_known` is whether a network has a requirement.
    pub fn record(&mut self, counted: &Counted, is_known: impl Fn(u32) -> bool, now: Instant) {
        let totals = totals(counted);
        let mut seen = HashMap::default();
        for (vni, total) in &totals {
            let before = self.totals.get(vni).copied().unwrap_or_default();
            let new = total.since(&before);
            if !new.is_nothing() {
                seen.insert(*vni, new);
            }
        }
        self.grown.retain(|vni, _| is_known(*vni));
        if let Some(before) = self.updated.replace(now) {
            for (vni, new) in seen.iter().filter(|(vni, _)| is_known(**vni)) {
                let grown = self.grown.entry(*vni).or_default();
                for (at, ways) in grown.iter_mut().zip([&new.cleartext, &new.encrypted]) {
                    for (at, count) in at.iter_mut().zip(ways) {
                        if count.packets != 0 {
                            *at = Some(before);
                        }
                    }
                }
            }
        }
        self.attributed = matches!(counted.attribution, Attribution::Exact);
        let esp = counted
            .esp
            .iter()
            .filter(|row| row.encapsulation.is_esp())
            .map(|row| row.count.packets)
            .sum::<u64>();
        let others = counted.esp_others.iter().map(|row| row.count.packets);
        let overflow = counted.state.counters_overflow + others.sum::<u64>();
        let coverage = Coverage {
            blind: counted.lost > self.lost || counted.hooks.iter().any(|at| at.hook.is_none()),
            unattributed: match counted.attribution {
                Attribution::Exact => 0,
                Attribution::None | Attribution::Impossible(_) => esp.saturating_sub(self.esp),
            },
            overflow: overflow.saturating_sub(self.overflow),
        };
        (self.totals, self.esp, self.overflow) = (totals, esp, overflow);
        self.lost = counted.lost;
        self.advance(now);
        let all = self.spans.iter().flat_map(|span| span.seen.keys().copied());
        let mut undescribed: HashSet<u32> = all.filter(|vni| !is_known(*vni)).collect();
        let Some(span) = self.spans.back_mut() else {
            return;
        };
        span.coverage.add(&coverage);
        // In order, so that the same networks are tracked from one update to the next.
        for (vni, new) in seen.into_iter().collect::<BTreeMap<_, _>>() {
            if !is_known(vni) && !undescribed.contains(&vni) {
                if undescribed.len() >= UNDESCRIBED {
                    continue;
                }
                undescribed.insert(vni);
            }
            span.seen.entry(vni).or_default().add(&new);
        }
    }

    /// Begins a new span if it is due, and drops the spans that left the window.
    fn advance(&mut self, now: Instant) {
        let length = self.window / SPANS;
        if self
            .spans
            .back()
            .is_none_or(|span| now.duration_since(span.start) >= length)
        {
            self.spans.push_back(Span {
                start: now,
                seen: HashMap::default(),
                coverage: Coverage::default(),
            });
        }
        // All counts of a span came before the next span began.
        while self
            .spans
            .get(1)
            .is_some_and(|next| now.duration_since(next.start) > self.window)
        {
            self.spans.pop_front();
        }
    }

    /// What was seen of each network in the window, and how complete the coverage was.
    #[must_use]
    pub fn sum(&self) -> (BTreeMap<u32, Seen>, Coverage) {
        let mut all = BTreeMap::<u32, Seen>::new();
        let mut coverage = Coverage::default();
        for span in &self.spans {
            coverage.add(&span.coverage);
            for (vni, seen) in &span.seen {
                all.entry(*vni).or_default().add(seen);
            }
        }
        (all, coverage)
    }

    /// Whether packets of a known network certainly came after a moment. Those of the update in which the moment was
    /// may have come before it.
    fn came_after(
        &self,
        vni: u32,
        carried: Carried,
        direction: Direction,
        moment: Instant,
    ) -> bool {
        let grown = self.grown.get(&vni);
        grown
            .and_then(|at| at[carried as usize][direction as usize])
            .is_some_and(|start| start >= moment)
    }

    /// Whether a network has a row of its own among the counters.
    #[must_use]
    pub fn is_counted(&self, vni: u32) -> bool {
        self.totals.contains_key(&vni)
    }
}

/// What was counted of each network since the start.
fn totals(counted: &Counted) -> HashMap<u32, Seen> {
    let mut all = HashMap::<u32, Seen>::default();
    let mut add = |vni, count: &Count, to: fn(&mut Seen) -> &mut BothWays, direction: Direction| {
        to(all.entry(vni).or_default())[direction as usize].add(*count);
    };
    for row in &counted.traffic {
        if let Vni::Id(vni) = row.vni {
            add(vni, &row.count, |seen| &mut seen.cleartext, row.direction);
        }
    }
    for row in &counted.esp_networks {
        add(
            row.vni,
            &row.count.count(),
            |seen| &mut seen.encrypted,
            row.direction,
        );
    }
    all
}

#[cfg(test)]
mod tests;
