//! The required networks of the fleet over a time.
//!
//! A coarse look finds where something changed: a process, a run of the states, a count of violations. There, and at both
//! ends, the samples are read as they were scraped. What lies between does not change, so the result is as exact as if all
//! samples had been read, and a month of a fleet takes seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;

use super::counted_cleartext::{Counted, count};
use super::coverage::{self, Stretch};
use super::raw_samples::{self, LOOKBACK, timestamp};
use super::source::Fleet;
use crate::base::failure::Failure;
use crate::host::described_network::Requirement;
use crate::surface::prometheus::{Answer, Instance, Selector, Series};
use crate::surface::report::fleet::{
    CleartextSeen, FleetHistory, Hole, Missing, NetworkHistory, Scope,
};

/// Moments of the coarse look: as many as there is room for in an answer, between these.
const MOMENTS: std::ops::RangeInclusive<usize> = 60..=720;
/// Samples of a coarse answer.
const COARSE_SAMPLES: usize = 500_000;
/// The shortest step.
const STEP_MIN: f64 = 5.0;
/// Stretches of one node that are read as they were scraped.
const STRETCHES_MAX: usize = 5_000;
/// Nodes, and networks on them, that are read together.
const GROUP_NODES: usize = 50;
const GROUP_NETWORKS: usize = 2_000;
/// VNIs that an expression lists; with more it takes all networks.
const LISTED_MAX: usize = 200;
/// How far the begin of a run may move between two moments: its samples are some milliseconds apart from their scrapes.
const MOVES: f64 = coverage::SLACK;

/// The time of the report.
#[derive(Clone, Copy)]
struct Times {
    window: Stretch,
    to: Timestamp,
    step: f64,
}

pub(super) async fn of(
    fleet: &mut Fleet,
    mut scope: Scope,
    from: Timestamp,
    tolerated: Duration,
) -> Result<FleetHistory, Failure> {
    let window = Stretch {
        from: seconds(from),
        to: seconds(scope.to),
    };
    let networks = required(fleet, scope.to, window).await?;
    let nodes = nodes(fleet, scope.to, window, networks.keys()).await?;
    let pairs: usize = networks.values().map(BTreeMap::len).sum();
    let moments = COARSE_SAMPLES / pairs.max(nodes.len()).max(1);
    let moments = moments.clamp(*MOMENTS.start(), *MOMENTS.end());
    let times = Times {
        window,
        to: scope.to,
        step: (window.length() / moments as f64).max(STEP_MIN),
    };
    let vnis: BTreeSet<u32> = networks
        .values()
        .flat_map(BTreeMap::keys)
        .copied()
        .collect();
    let listed = (vnis.len() <= LISTED_MAX).then(|| {
        let vnis: Vec<String> = vnis.iter().map(u32::to_string).collect();
        vnis.join("|")
    });
    let peers = peers(fleet, scope.to, window, listed.as_deref()).await?;
    let coarse = Coarse::look(fleet, times, listed.as_deref()).await?;
    let mut rows = Vec::new();
    let none = BTreeMap::new();
    for nodes in groups(&nodes, &networks) {
        let mut stretches = BTreeMap::new();
        for node in nodes {
            let of_node = coarse.changes(node, times);
            if of_node.len() > STRETCHES_MAX {
                return Err(Failure::runtime(anyhow!(
                    "more than {STRETCHES_MAX} changes on {node}; ask for a shorter time"
                )));
            }
            stretches.insert(node.clone(), of_node);
        }
        let samples = raw_samples::read(fleet, &stretches, window, listed.as_deref()).await?;
        for (node, samples) in samples {
            let process = samples.process();
            let down = coverage::of_node(&process, window, coarse.process.is_there(&node, times));
            let known = networks.get(&node).unwrap_or(&none);
            if known.is_empty() {
                scope.missing.extend(missing(&node, &down, tolerated)?);
            }
            for (vni, name) in known {
                let key = (node.clone(), *vni);
                let is_there = coarse.runs.is_there(&key, times);
                let covered = coverage::of_network(&samples.states(*vni), window, is_there);
                let (holes, undescribed) = coverage::holes(&covered.gaps, &down);
                let holes = holes.into_iter().map(|(at, uncovered)| hole(at, uncovered));
                let counted = samples
                    .counts(*vni)
                    .map(|samples| count(&samples, &process, window))
                    .fold(Counted::default(), Counted::and);
                rows.push(NetworkHistory {
                    node: node.clone(),
                    vni: *vni,
                    name: name.clone(),
                    states: covered.states.map(length),
                    undescribed: length(undescribed),
                    holes: holes.collect::<Result<_, Failure>>()?,
                    cleartext: cleartext(counted, peers.get(&key).cloned().unwrap_or_default())?,
                });
            }
        }
    }
    rows.sort_by(|a, b| (a.vni, &a.node).cmp(&(b.vni, &b.node)));
    scope.nodes = nodes.len();
    scope.warnings = fleet.take_warnings();
    Ok(FleetHistory {
        scope,
        from,
        tolerated,
        rows,
    })
}

/// The nodes in groups that are read together: as many as have some networks among them, so that neither a question nor
/// what its answer takes in memory grows with the fleet.
fn groups<'a>(
    nodes: &'a BTreeSet<Instance>,
    networks: &BTreeMap<Instance, BTreeMap<u32, String>>,
) -> Vec<Vec<&'a Instance>> {
    let mut groups: Vec<Vec<&Instance>> = Vec::new();
    let mut taken = 0;
    for node in nodes {
        let of_node = networks.get(node).map_or(0, BTreeMap::len);
        match groups.last_mut() {
            Some(group) if taken + of_node <= GROUP_NETWORKS && group.len() < GROUP_NODES => {
                taken += of_node;
                group.push(node);
            }
            _ => {
                taken = of_node;
                groups.push(vec![node]);
            }
        }
    }
    groups
}

/// The networks that were required at any time of the window, with their names, by node.
async fn required(
    fleet: &mut Fleet,
    to: Timestamp,
    window: Stretch,
) -> Result<BTreeMap<Instance, BTreeMap<u32, String>>, Failure> {
    let selector = fleet
        .selector
        .with("required", Requirement::Required.name());
    let range = window.length().ceil() as u64;
    let expression = format!(
        "group by (instance, vni, network) (last_over_time(overlay_network_info{selector}[{range}s]))"
    );
    let mut networks: BTreeMap<Instance, BTreeMap<u32, String>> = BTreeMap::new();
    for series in fleet.at(&expression, to).await?.series {
        if let Some(vni) = series.vni() {
            let of = networks.entry(series.instance()).or_default();
            of.insert(vni, series.label("network").to_owned());
        }
    }
    Ok(networks)
}

/// The nodes that took part in violations of the window, as far as an agent listed them, by its node and the network.
async fn peers(
    fleet: &mut Fleet,
    to: Timestamp,
    window: Stretch,
    vnis: Option<&str>,
) -> Result<BTreeMap<(Instance, u32), BTreeSet<IpAddr>>, Failure> {
    let selector = match vnis {
        Some(vnis) => fleet.selector.matching("vni", vnis),
        None => fleet.selector.clone(),
    };
    let range = window.length().ceil() as u64;
    let expression = format!(
        "max by (instance, vni, peer) (max_over_time(overlay_violation_peer_timestamp_seconds{selector}[{range}s])) >= {}",
        window.from.floor()
    );
    let mut peers: BTreeMap<(Instance, u32), BTreeSet<IpAddr>> = BTreeMap::new();
    for series in fleet.at(&expression, to).await?.series {
        if let (Some(vni), Ok(peer)) = (series.vni(), series.label("peer").parse()) {
            let of = peers.entry((series.instance(), vni)).or_default();
            of.insert(peer);
        }
    }
    Ok(peers)
}

/// The nodes that were scraped at any time of the window, have a network, or must be there.
async fn nodes(
    fleet: &mut Fleet,
    to: Timestamp,
    window: Stretch,
    with_networks: impl Iterator<Item = &Instance>,
) -> Result<BTreeSet<Instance>, Failure> {
    let selector = &fleet.selector;
    let range = window.length().ceil() as u64;
    let expression = format!("group by (instance) (last_over_time(up{selector}[{range}s]))");
    let answer = fleet.at(&expression, to).await?;
    let mut nodes = BTreeSet::from_iter(answer.series.iter().map(Series::instance));
    nodes.extend(with_networks.cloned());
    nodes.extend(fleet.expected.iter().cloned());
    Ok(nodes)
}

/// The values of an expression at each moment, by what it is of.
struct Steps<Key>(BTreeMap<Key, Vec<(f64, f64)>>);

/// Processes, runs and counts at each moment.
struct Coarse {
    /// When the counters began, by node.
    process: Steps<Instance>,
    /// Since when the network is known, by node and network.
    runs: Steps<(Instance, u32)>,
    /// Packets of violations, by node and network.
    counts: Steps<(Instance, u32)>,
}

impl<Key: Ord> Steps<Key> {
    fn new(answer: Answer, key: impl Fn(&Series) -> Option<Key>) -> Steps<Key> {
        let series = answer.series.into_iter();
        Steps(
            series
                .filter_map(|series| Some((key(&series)?, series.samples)))
                .collect(),
        )
    }

    fn of(&self, key: &Key) -> &[(f64, f64)] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether it is exported at the end.
    fn is_there(&self, key: &Key, times: Times) -> bool {
        let last = self.of(key).last();
        last.is_some_and(|(at, _)| times.window.to - at < times.step / 2.0)
    }
}

impl Coarse {
    async fn look(fleet: &mut Fleet, times: Times, vnis: Option<&str>) -> Result<Coarse, Failure> {
        let nodes = fleet.selector.clone();
        let networks = match vnis {
            Some(vnis) => nodes.matching("vni", vnis),
            None => nodes.clone(),
        };
        let process = format!("max by (instance) (overlay_counting_start_time_seconds{nodes})");
        let Selectors { runs, counts } = Selectors::new(&networks);
        let by_network = |series: &Series| Some((series.instance(), series.vni()?));
        // From the end backwards, so that one of the moments is the end.
        let moments = (times.window.length() / times.step).floor();
        let begin = timestamp(times.window.to - moments * times.step)?;
        let span = (begin, times.to);
        let step = length(times.step);
        Ok(Coarse {
            process: Steps::new(fleet.range(&process, span, step).await?, |series| {
                Some(series.instance())
            }),
            runs: Steps::new(fleet.range(&runs, span, step).await?, by_network),
            counts: Steps::new(fleet.range(&counts, span, step).await?, by_network),
        })
    }

    /// The stretches in which something of a node changed, and both ends of the window; joined where they meet.
    fn changes(&self, node: &Instance, times: Times) -> Vec<Stretch> {
        let of_node = |((at, _), samples): (&(Instance, u32), &Vec<(f64, f64)>)| {
            (at == node).then(|| samples.clone())
        };
        let mut all = vec![(self.process.of(node).to_vec(), 0.0)];
        all.extend(self.runs.0.iter().filter_map(of_node).map(|at| (at, MOVES)));
        all.extend(self.counts.0.iter().filter_map(of_node).map(|at| (at, 0.0)));
        let Times { window, step, .. } = times;
        let begin = window.to - (window.length() / step).floor() * step;
        let mut stretches = vec![
            Stretch {
                from: window.from - LOOKBACK,
                to: begin.max(window.from),
            },
            Stretch {
                from: window.to - LOOKBACK,
                to: window.to,
            },
        ];
        for (samples, moves) in &all {
            let mut add = |from: f64, to: f64| {
                stretches.push(Stretch {
                    from: from - LOOKBACK,
                    to: to.min(window.to),
                });
            };
            if let Some((first, _)) = samples.first().filter(|(at, _)| *at > begin + step / 2.0) {
                add(first - step, *first);
            }
            for two in samples.windows(2) {
                let ((at, value), (next, other)) = (two[0], two[1]);
                if next - at > step * 1.5 {
                    add(at, at + step);
                    add(next - step, next);
                } else if (other - value).abs() > *moves {
                    add(at, next);
                }
            }
            if let Some((last, _)) = samples
                .last()
                .filter(|(at, _)| *at < window.to - step / 2.0)
            {
                add(*last, last + step);
            }
        }
        joined(stretches)
    }
}

/// The expressions of what is counted by network.
struct Selectors {
    runs: String,
    counts: String,
}

impl Selectors {
    fn new(networks: &Selector) -> Selectors {
        Selectors {
            runs: format!(
                "max by (instance, vni) (timestamp(overlay_network_watched_seconds_total{networks})) \
                 - sum by (instance, vni) (overlay_network_state_seconds_total{networks})"
            ),
            counts: format!("sum by (instance, vni) (overlay_violation_packets_total{networks})"),
        }
    }
}

/// The stretches in order, those that meet as one.
fn joined(mut stretches: Vec<Stretch>) -> Vec<Stretch> {
    stretches.sort_by(|a, b| a.from.total_cmp(&b.from));
    let mut all: Vec<Stretch> = Vec::new();
    for next in stretches {
        match all.last_mut() {
            Some(last) if next.from <= last.to => last.to = last.to.max(next.to),
            _ => all.push(next),
        }
    }
    all
}

/// A node without a required network, where its agent did not run all the time.
fn missing(
    node: &Instance,
    down: &[Stretch],
    tolerated: Duration,
) -> Result<Vec<Missing>, Failure> {
    use crate::surface::numbers::moment;
    let down = down
        .iter()
        .filter(|at| length(at.length()) > tolerated && at.length() > 0.0);
    down.map(|at| {
        Ok(Missing {
            node: node.clone(),
            why: format!(
                "no agent from {} to {}",
                moment(timestamp(at.from)?),
                moment(timestamp(at.to)?)
            ),
        })
    })
    .collect()
}

fn hole(at: Stretch, uncovered: f64) -> Result<Hole, Failure> {
    Ok(Hole {
        from: timestamp(at.from)?,
        to: timestamp(at.to)?,
        uncovered: length(uncovered),
    })
}

fn cleartext(counted: Counted, peers: BTreeSet<IpAddr>) -> Result<Option<CleartextSeen>, Failure> {
    let Some(between) = counted.between else {
        return Ok(None);
    };
    Ok(Some(CleartextSeen {
        packets: counted.packets.round() as u64,
        bytes: counted.bytes.round() as u64,
        after: timestamp(between.from)?,
        until: timestamp(between.to)?,
        peers,
    }))
}

fn seconds(time: Timestamp) -> f64 {
    time.as_millisecond() as f64 / 1000.0
}

fn length(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
