//! The samples of nodes as Prometheus stored them, of the stretches in which something changed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;
use monitor_common::direction::Direction;

use super::counted_cleartext::CountSample;
use super::coverage::{RunSample, StateSample, Stretch};
use super::source::Fleet;
use crate::base::failure::Failure;
use crate::policy::State;
use crate::surface::prometheus::{Instance, Series};

/// How far back Prometheus takes a sample for the present: its `--query.lookback-delta`.
pub(super) const LOOKBACK: f64 = 300.0;

const STATES: &str = "overlay_network_state_seconds_total";
const PACKETS: &str = "overlay_violation_packets_total";
const BYTES: &str = "overlay_violation_bytes_total";
/// Unlike the start of the process it does not move where one process hands its counters over to the next.
const STARTED: &str = "overlay_counting_start_time_seconds";

/// Milliseconds, which is what a sample has: the key that series of one scrape share.
type Moment = u64;

/// Packets and bytes, scrape by scrape.
type Counter = BTreeMap<Moment, (f64, f64)>;

/// The samples of one node.
#[derive(Debug, Default)]
pub(super) struct NodeSamples {
    process: BTreeMap<Moment, f64>,
    states: BTreeMap<u32, BTreeMap<Moment, [f64; State::ALL.len()]>>,
    counts: BTreeMap<(u32, &'static str), Counter>,
}

/// Reads the samples of the stretches of each of these nodes, but of those before the window only the last one. What
/// several nodes have in common, such as the end of the window, takes one question for all.
pub(super) async fn read(
    fleet: &mut Fleet,
    nodes: &BTreeMap<Instance, Vec<Stretch>>,
    window: Stretch,
    vnis: Option<&str>,
) -> Result<BTreeMap<Instance, NodeSamples>, Failure> {
    let mut all: BTreeMap<Instance, NodeSamples> = nodes
        .keys()
        .map(|node| (node.clone(), NodeSamples::default()))
        .collect();
    for (stretch, nodes) in by_stretch(nodes) {
        let names = nodes.iter().map(|node| node.raw());
        let selector = fleet.selector.one_of("instance", names);
        let by_network = match vnis {
            Some(vnis) => selector.matching("vni", vnis),
            None => selector.clone(),
        }
        .matching("__name__", &[STATES, PACKETS, BYTES].join("|"));
        let process = selector.with("__name__", STARTED);
        let range = format!("[{}s]", stretch.length().ceil() as u64);
        let end = timestamp(stretch.to)?;
        for selector in [&process, &by_network] {
            let answer = fleet.at(&format!("{selector}{range}"), end).await?;
            for series in &answer.series {
                let node = series.instance();
                if let Some(samples) = all.get_mut(&node) {
                    samples.take(series, &node)?;
                }
            }
        }
    }
    let begin = moment(window.from);
    for samples in all.values_mut() {
        trim(&mut samples.process, begin);
        samples.states.values_mut().for_each(|of| trim(of, begin));
        samples.counts.values_mut().for_each(|of| trim(of, begin));
    }
    Ok(all)
}

/// Each stretch, and the nodes that have it.
fn by_stretch(nodes: &BTreeMap<Instance, Vec<Stretch>>) -> Vec<(Stretch, Vec<&Instance>)> {
    let mut all: BTreeMap<(u64, u64), (Stretch, Vec<&Instance>)> = BTreeMap::new();
    for (node, stretches) in nodes {
        for stretch in stretches {
            let key = (stretch.from.to_bits(), stretch.to.to_bits());
            let (_, of) = all.entry(key).or_insert((*stretch, Vec::new()));
            of.push(node);
        }
    }
    all.into_values().collect()
}

impl NodeSamples {
    fn take(&mut self, series: &Series, node: &Instance) -> Result<(), Failure> {
        let is_one = match (series.label("__name__"), series.vni()) {
            (STARTED, _) => {
                let samples = series.samples.iter();
                let mut is_one = true;
                for (at, value) in samples {
                    is_one &= self
                        .process
                        .insert(moment(*at), *value)
                        .is_none_or(|before| before == *value);
                }
                is_one
            }
            (STATES, Some(vni)) => {
                let Some(state) = State::ALL
                    .into_iter()
                    .find(|state| state.name() == series.label("state"))
                else {
                    return Ok(());
                };
                let of = self.states.entry(vni).or_default();
                let mut is_one = true;
                for (at, value) in &series.samples {
                    let states = of.entry(moment(*at)).or_default();
                    let seconds = &mut states[state as usize];
                    is_one &= *seconds == 0.0 || *seconds == *value;
                    *seconds = value.max(0.0);
                }
                is_one
            }
            (name @ (PACKETS | BYTES), Some(vni)) => {
                let Some(direction) = Direction::ALL
                    .into_iter()
                    .find(|at| at.label() == series.label("direction"))
                else {
                    return Ok(());
                };
                let of = self.counts.entry((vni, direction.label())).or_default();
                for (at, value) in &series.samples {
                    let (packets, bytes) = of.entry(moment(*at)).or_default();
                    *(if name == PACKETS { packets } else { bytes }) = value.max(0.0);
                }
                true
            }
            _ => true,
        };
        if is_one {
            return Ok(());
        }
        Err(Failure::usage(anyhow!(
            "several series of one agent at {node}, as of two Prometheus: give --match LABEL=VALUE that selects one"
        )))
    }

    /// When its counters began, scrape by scrape.
    pub(super) fn process(&self) -> Vec<RunSample> {
        let samples = self.process.iter();
        samples
            .map(|(at, started)| RunSample {
                at: seconds(*at),
                began: *started,
            })
            .collect()
    }

    /// The states of a network, scrape by scrape.
    pub(super) fn states(&self, vni: u32) -> Vec<StateSample> {
        let samples = self.states.get(&vni).into_iter().flatten();
        samples
            .map(|(at, states)| StateSample {
                at: seconds(*at),
                states: *states,
            })
            .collect()
    }

    /// The violations of a network, by direction and scrape.
    pub(super) fn counts(&self, vni: u32) -> impl Iterator<Item = Vec<CountSample>> {
        let of = self.counts.iter().filter(move |((at, _), _)| *at == vni);
        of.map(|(_, samples)| {
            let samples = samples.iter().map(|(at, (packets, bytes))| CountSample {
                at: seconds(*at),
                packets: *packets,
                bytes: *bytes,
            });
            samples.collect()
        })
    }
}

/// Removes what is before a moment, but for the last of it.
fn trim<Value>(samples: &mut BTreeMap<Moment, Value>, begin: Moment) {
    if let Some(last) = samples.range(..=begin).next_back().map(|(at, _)| *at) {
        *samples = samples.split_off(&last);
    }
}

fn moment(seconds: f64) -> Moment {
    (seconds * 1000.0).round() as Moment
}

fn seconds(moment: Moment) -> f64 {
    moment as f64 / 1000.0
}

/// A moment in seconds as a time.
pub(super) fn timestamp(seconds: f64) -> Result<Timestamp, Failure> {
    let time = Duration::try_from_secs_f64(seconds).ok();
    let milliseconds = time.and_then(|time| i64::try_from(time.as_millis()).ok());
    milliseconds
        .and_then(|at| Timestamp::from_millisecond(at).ok())
        .ok_or_else(|| Failure::runtime(anyhow!("a time of the answer is out of range")))
}
