//! What was seen of each network over a window of time: cleartext and ESP, and how good the sight was.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use monitor_common::key::Count;
use monitor_common::label::Direction;

use crate::kernel::Attribution;
use crate::traffic::counted::{Counted, Vni};

/// Spans that a window is made of: what is older goes in such steps.
const SPANS: u32 = 12;
/// Networks that nobody described and that are followed all the same, at a time.
const STRANGERS: usize = 1024;

/// Packets and bytes each way: received first.
pub type BothWays = [Count; 2];

/// What was seen of one network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Not inside ESP. Bytes are those of the frames.
    pub cleartext: BothWays,
    /// Inside ESP. Bytes are those that ESP carries, from the UDP header on.
    pub encrypted: BothWays,
}

impl Seen {
    /// Cleartext packets, both ways.
    #[must_use]
    pub fn cleartext_packets(&self) -> u64 {
        self.cleartext.iter().map(|count| count.packets).sum()
    }

    /// Packets inside ESP, both ways.
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
            mine.packets = mine.packets.saturating_add(theirs.packets);
            mine.bytes = mine.bytes.saturating_add(theirs.bytes);
        }
    }

    fn since(mut self, before: &Seen) -> Seen {
        let theirs = before.cleartext.iter().chain(&before.encrypted);
        for (mine, theirs) in self.all_mut().zip(theirs) {
            mine.packets = mine.packets.saturating_sub(theirs.packets);
            mine.bytes = mine.bytes.saturating_sub(theirs.bytes);
        }
        self
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Count> {
        self.cleartext.iter_mut().chain(&mut self.encrypted)
    }
}

/// How good the sight was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// Something that should be watched was not, at least for a moment.
    pub blind: bool,
    /// ESP packets that nobody could tell the network of.
    pub unattributed: u64,
    /// Packets of networks that found no room in the maps.
    pub overflow: u64,
}

impl Sight {
    fn add(&mut self, more: &Sight) {
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
    sight: Sight,
}

/// What was seen over a window of time.
#[derive(Debug)]
pub struct History {
    window: Duration,
    /// The oldest first; the last one runs.
    spans: VecDeque<Span>,
    /// What was counted when it was looked at last.
    counted: HashMap<u32, Seen>,
    esp: u64,
    overflow: u64,
    lost: u64,
}

impl History {
    /// A history over this window, of counters that all begin with nothing.
    #[must_use]
    pub fn new(window: Duration) -> History {
        History {
            window,
            spans: VecDeque::new(),
            counted: HashMap::new(),
            esp: 0,
            overflow: 0,
            lost: 0,
        }
    }

    /// Takes a snapshot into account. `is_known` tells the networks that somebody described.
    pub fn note(&mut self, snapshot: &Counted, is_known: impl Fn(u32) -> bool, now: Instant) {
        let counted = count(snapshot);
        let mut seen = HashMap::new();
        for (vni, total) in &counted {
            let before = self.counted.get(vni).copied().unwrap_or_default();
            let new = total.since(&before);
            if !new.is_nothing() {
                seen.insert(*vni, new);
            }
        }
        let esp = snapshot
            .esp
            .iter()
            .filter(|row| row.encapsulation.is_esp())
            .map(|row| row.count.packets)
            .sum::<u64>();
        let others = snapshot.esp_others.iter().map(|row| row.count.packets);
        let overflow = snapshot.state.counters_overflow + others.sum::<u64>();
        let sight = Sight {
            blind: snapshot.lost > self.lost || snapshot.hooks.iter().any(|at| at.hook.is_none()),
            unattributed: match snapshot.attribution {
                Attribution::Exact => 0,
                Attribution::None | Attribution::Impossible(_) => esp.saturating_sub(self.esp),
            },
            overflow: overflow.saturating_sub(self.overflow),
        };
        (self.counted, self.esp, self.overflow) = (counted, esp, overflow);
        self.lost = snapshot.lost;
        self.advance(now);
        let all = self.spans.iter().flat_map(|span| span.seen.keys().copied());
        let mut strangers: HashSet<u32> = all.filter(|vni| !is_known(*vni)).collect();
        let Some(span) = self.spans.back_mut() else {
            return;
        };
        span.sight.add(&sight);
        // In order, so that the same strangers are followed from one look to the next.
        for (vni, new) in seen.into_iter().collect::<BTreeMap<_, _>>() {
            if !is_known(vni) && !strangers.contains(&vni) {
                if strangers.len() >= STRANGERS {
                    continue;
                }
                strangers.insert(vni);
            }
            span.seen.entry(vni).or_default().add(&new);
        }
    }

    /// Begins a new span if it is time to, and lets go of those that are over.
    fn advance(&mut self, now: Instant) {
        let length = self.window / SPANS;
        if self
            .spans
            .back()
            .is_none_or(|span| now.duration_since(span.start) >= length)
        {
            self.spans.push_back(Span {
                start: now,
                seen: HashMap::new(),
                sight: Sight::default(),
            });
        }
        // What a span holds came before the next one began.
        while self
            .spans
            .get(1)
            .is_some_and(|next| now.duration_since(next.start) > self.window)
        {
            self.spans.pop_front();
        }
    }

    /// What was seen of each network in the window, and how good the sight was.
    #[must_use]
    pub fn sum(&self) -> (BTreeMap<u32, Seen>, Sight) {
        let mut all = BTreeMap::<u32, Seen>::new();
        let mut sight = Sight::default();
        for span in &self.spans {
            sight.add(&span.sight);
            for (vni, seen) in &span.seen {
                all.entry(*vni).or_default().add(seen);
            }
        }
        (all, sight)
    }

    /// Whether a network has a row of its own among the counters.
    #[must_use]
    pub fn is_counted(&self, vni: u32) -> bool {
        self.counted.contains_key(&vni)
    }
}

/// What was counted of each network, ever.
fn count(snapshot: &Counted) -> HashMap<u32, Seen> {
    let mut all = HashMap::<u32, Seen>::new();
    let mut add = |vni, count: &Count, to: fn(&mut Seen) -> &mut BothWays, direction: Direction| {
        let place = &mut to(all.entry(vni).or_default())[direction as usize];
        place.packets += count.packets;
        place.bytes += count.bytes;
    };
    for row in &snapshot.traffic {
        if let Vni::Id(vni) = row.vni {
            add(vni, &row.count, |seen| &mut seen.cleartext, row.direction);
        }
    }
    for row in &snapshot.esp_networks {
        add(
            row.vni,
            &row.count,
            |seen| &mut seen.encrypted,
            row.direction,
        );
    }
    all
}

#[cfg(test)]
mod tests {
    use monitor_common::key::EspCount;
    use monitor_common::label::Encapsulation;

    use super::*;
    use crate::kernel::attach::Hook;
    use crate::traffic::activity::Association;
    use crate::traffic::counted::{EspNetwork, HookState, Traffic};

    fn traffic(vni: Vni, direction: Direction, packets: u64) -> Traffic {
        Traffic {
            interface: "eth0".to_owned(),
            direction,
            encapsulation: Encapsulation::Vxlan,
            vni,
            count: Count {
                packets,
                bytes: packets * 100,
            },
        }
    }

    fn esp(packets: u64) -> Association {
        Association {
            interface: "eth0".to_owned(),
            direction: Direction::Rx,
            encapsulation: Encapsulation::Esp,
            addresses: None,
            spi: 0,
            count: EspCount {
                packets,
                ..EspCount::default()
            },
        }
    }

    fn counted(cleartext: u64, encrypted: u64) -> Counted {
        Counted {
            traffic: vec![
                traffic(Vni::Id(4096), Direction::Tx, cleartext),
                traffic(Vni::Other, Direction::Rx, 7),
            ],
            esp_networks: vec![EspNetwork {
                direction: Direction::Rx,
                vni: 4096,
                peer: "192.168.77.2".parse().unwrap(),
                count: Count {
                    packets: encrypted,
                    bytes: encrypted,
                },
            }],
            attribution: Attribution::Exact,
            ..Counted::default()
        }
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = History::new(Duration::from_secs(60));
        for seconds in 0..30 {
            history.note(&counted(5, 0), |_| true, at(seconds));
        }
        history.note(&counted(5, 9), |_| true, at(30));
        let (seen, _) = history.sum();
        assert_eq!(seen[&4096].cleartext[Direction::Tx as usize].packets, 5);
        assert_eq!(seen[&4096].encrypted[Direction::Rx as usize].packets, 9);
        for seconds in 31..67 {
            history.note(&counted(5, 9), |_| true, at(seconds));
        }
        let (seen, _) = history.sum();
        assert_eq!(seen[&4096].cleartext_packets(), 0, "more than a window ago");
        assert_eq!(seen[&4096].encrypted_packets(), 9);
        for seconds in 67..400 {
            history.note(&counted(5, 9), |_| true, at(seconds));
            assert!(history.spans.len() <= SPANS as usize + 2);
        }
        assert!(history.sum().0.is_empty());
    }

    #[test]
    fn bad_sight_is_remembered_for_a_window() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut history = History::new(Duration::from_secs(12));
        let hook = |hook| HookState {
            interface: "eth0".to_owned(),
            direction: Direction::Rx,
            hook,
            first: true,
        };
        let mut blind = counted(0, 0);
        blind.hooks = vec![hook(Some(Hook::Tcx)), hook(None)];
        blind.attribution = Attribution::Impossible("no BTF".to_owned());
        blind.esp = vec![esp(11)];
        blind.state.counters_overflow = 3;
        history.note(&blind, |_| true, at(0));
        let bad = Sight {
            blind: true,
            unattributed: 11,
            overflow: 3,
        };
        assert_eq!(history.sum().1, bad);
        blind.hooks = vec![hook(Some(Hook::Tcx))];
        blind.lost = 1;
        history.note(&blind, |_| true, at(6));
        assert_eq!(history.sum().1, bad, "nothing new");
        for seconds in 7..30 {
            history.note(&blind, |_| true, at(seconds));
        }
        assert_eq!(history.sum().1, Sight::default());
    }

    #[test]
    fn a_scan_of_vnis_is_bounded_and_hides_no_known_network() {
        let mut snapshot = Counted::default();
        let many = (0..20_000).map(|vni| traffic(Vni::Id(vni), Direction::Rx, 1));
        snapshot.traffic = many.collect();
        let mut history = History::new(Duration::from_secs(60));
        let start = Instant::now();
        history.note(&snapshot, |vni| vni == 19_999, start);
        let (seen, _) = history.sum();
        assert_eq!(seen.len(), STRANGERS + 1);
        assert!(seen.contains_key(&19_999));
        // Others, a while later.
        let many = (20_000..40_000).map(|vni| traffic(Vni::Id(vni), Direction::Rx, 1));
        snapshot.traffic.extend(many);
        history.note(
            &snapshot,
            |vni| vni == 19_999,
            start + Duration::from_secs(30),
        );
        assert_eq!(history.sum().0.len(), STRANGERS + 1);
    }
}
