//! What `top` knows over time, and what its user has chosen.

use std::collections::{BTreeMap, VecDeque};

use super::reading::{Network, Reading, Violation};
use crate::host::described_network::Requirement;
use crate::policy::State;

/// Readings of a sparkline: a minute.
const MINUTE: usize = 60;

/// What to sort by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// What is wrong first.
    #[default]
    State,
    Rate,
    Readable,
    Name,
}

impl Order {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Order::State => "state",
            Order::Rate => "rate",
            Order::Readable => "readable",
            Order::Name => "name",
        }
    }

    pub(super) const fn next(self) -> Order {
        match self {
            Order::State => Order::Rate,
            Order::Rate => Order::Readable,
            Order::Readable => Order::Name,
            Order::Name => Order::State,
        }
    }
}

/// How bad it is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    Violated,
    Undecided,
    Readable,
    Fine,
}

/// Readings, and what is shown of them.
#[derive(Debug, Default)]
pub struct Board {
    pub(super) last: Reading,
    rates: BTreeMap<u32, VecDeque<[f64; 2]>>,
    /// Why there is no newer reading.
    pub(super) trouble: Option<String>,
    pub(super) order: Order,
    pub(super) filter: String,
    pub(super) is_typing: bool,
    pub(super) is_paused: bool,
    pub(super) is_help: bool,
    pub(super) selected: usize,
    pub(super) opened: Option<u32>,
}

/// A network as it is shown.
pub(super) struct Row<'a> {
    pub(super) vni: u32,
    pub(super) network: &'a Network,
    pub(super) concern: Concern,
    /// Bytes in a second, received and sent.
    pub(super) rate: [f64; 2],
}

impl Network {
    /// Part of the bytes that can be read; `None` without any.
    pub(super) fn readable(&self) -> Option<f64> {
        let protocols = self.protocols.values();
        let [readable, all] = protocols.fold([0.0, self.in_esp], |[readable, all], [r, a]| {
            [readable + r, all + a]
        });
        (all > 0.0).then_some(readable / all)
    }
}

impl Board {
    /// Takes a new reading.
    pub fn read(&mut self, reading: Reading) {
        self.trouble = None;
        if self.is_paused {
            return;
        }
        let passed = reading.at.saturating_sub(self.last.at).as_secs_f64();
        self.rates
            .retain(|vni, _| reading.networks.contains_key(vni));
        for (vni, network) in &reading.networks {
            let rates = self.rates.entry(*vni).or_default();
            if let Some(before) = self.last.networks.get(vni).filter(|_| passed > 0.0) {
                let rate = |way: usize| {
                    let grown = network.bytes[way] - before.bytes[way];
                    // A counter that is smaller than before has begun again.
                    let grown = if grown < 0.0 {
                        network.bytes[way]
                    } else {
                        grown
                    };
                    grown / passed
                };
                rates.push_back([rate(0), rate(1)]);
                if rates.len() > MINUTE {
                    rates.pop_front();
                }
            }
        }
        self.last = reading;
        self.selected = self.selected.min(self.rows().len().saturating_sub(1));
    }

    /// Notes why there is no new reading.
    pub fn miss(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// Networks that the agent has.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.last.networks.len()
    }

    /// The bytes of the last minute, both ways, second by second.
    pub(super) fn minute(&self, vni: u32) -> impl ExactSizeIterator<Item = f64> {
        let rates = self.rates.get(&vni);
        let of = move |n| rates.and_then(|all: &VecDeque<[f64; 2]>| all.get(n));
        let length = rates.map_or(0, VecDeque::len);
        (0..length).map(move |n| of(n).map_or(0.0, |[rx, tx]| rx + tx))
    }

    pub(super) fn violations(&self, vni: u32) -> impl Iterator<Item = &Violation> {
        self.last.violations.iter().filter(move |at| at.vni == vni)
    }

    fn concern(&self, vni: u32, network: &Network) -> Concern {
        let is_required = network.required == Some(Requirement::Required);
        if self.violations(vni).any(|at| at.is_active) {
            Concern::Violated
        } else if is_required && matches!(network.state, State::Idle | State::Unknown) {
            Concern::Undecided
        } else if matches!(network.state, State::Cleartext | State::Mixed) {
            Concern::Readable
        } else {
            Concern::Fine
        }
    }

    /// The networks as they are chosen and sorted.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let filter = self.filter.to_ascii_lowercase();
        let networks = self.last.networks.iter().filter(|(vni, network)| {
            network.name.to_ascii_lowercase().contains(&filter)
                || vni.to_string().contains(&filter)
                || network.state.name().contains(&filter)
        });
        let mut rows: Vec<Row<'_>> = networks
            .map(|(vni, network)| Row {
                vni: *vni,
                network,
                concern: self.concern(*vni, network),
                rate: self
                    .rates
                    .get(vni)
                    .and_then(|all| all.back())
                    .copied()
                    .unwrap_or_default(),
            })
            .collect();
        let down = |value: f64| std::cmp::Reverse((value * 1000.0) as u64);
        match self.order {
            Order::State => rows.sort_by_key(|row| (row.concern, row.vni)),
            Order::Rate => rows.sort_by_key(|row| (down(row.rate[0] + row.rate[1]), row.vni)),
            Order::Readable => {
                rows.sort_by_key(|row| (down(row.network.readable().unwrap_or(0.0)), row.vni));
            }
            Order::Name => rows.sort_by_key(|row| (row.network.name.clone(), row.vni)),
        }
        rows
    }

    /// How many networks are violated, and how many undecided, whatever is shown.
    pub(super) fn concerns(&self) -> (usize, usize) {
        let networks = self.last.networks.iter();
        let concerns: Vec<Concern> = networks.map(|(vni, at)| self.concern(*vni, at)).collect();
        let of = |concern| concerns.iter().filter(|at| **at == concern).count();
        (of(Concern::Violated), of(Concern::Undecided))
    }
}
