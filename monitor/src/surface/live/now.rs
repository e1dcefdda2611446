//! The last reading, and what came before it: rates, and the minute.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::concern::{Concern, Headline};
use super::reading::{Network, Reading, Violation};
use crate::host::described_network::Requirement;
use crate::policy::State;

/// How long rates are kept.
const MINUTE: Duration = Duration::from_secs(60);

/// Bytes in a second, received and sent, up to a reading. There may be many, so the numbers are small.
#[derive(Clone, Copy, Debug)]
struct Rate {
    at: Duration,
    bytes: [f32; 2],
}

/// What an agent sees now.
#[derive(Debug, Default)]
pub struct Live {
    last: Reading,
    rates: BTreeMap<u32, VecDeque<Rate>>,
    /// Why there is no newer reading.
    trouble: Option<String>,
}

impl Live {
    /// Takes a new reading.
    pub fn take(&mut self, reading: Reading) {
        self.trouble = None;
        let passed = reading.at.saturating_sub(self.last.at).as_secs_f64();
        self.rates
            .retain(|vni, _| reading.networks.contains_key(vni));
        for (vni, network) in &reading.networks {
            let rates = self.rates.entry(*vni).or_default();
            while rates
                .front()
                .is_some_and(|rate| rate.at + MINUTE <= reading.at)
            {
                rates.pop_front();
            }
            if let Some(before) = self.last.networks.get(vni).filter(|_| passed > 0.0) {
                let rate = |way: usize| {
                    let grown = network.bytes[way] - before.bytes[way];
                    // A counter that is smaller than before has begun again.
                    let grown = if grown < 0.0 {
                        network.bytes[way]
                    } else {
                        grown
                    };
                    (grown / passed) as f32
                };
                rates.push_back(Rate {
                    at: reading.at,
                    bytes: [rate(0), rate(1)],
                });
            }
        }
        self.last = reading;
    }

    /// Notes why there is no new reading.
    pub fn miss(&mut self, why: String) {
        self.trouble = Some(why);
    }

    /// Notes that the agent answers, where its reading is not taken.
    pub fn answers(&mut self) {
        self.trouble = None;
    }

    /// The last reading.
    #[must_use]
    pub fn last(&self) -> &Reading {
        &self.last
    }

    /// Bytes in a second, received and sent, up to the last reading; `None` without one before it.
    #[must_use]
    pub fn rate(&self, vni: u32) -> Option<[f64; 2]> {
        let last = self.rates.get(&vni)?.back()?;
        (last.at == self.last.at).then(|| last.bytes.map(f64::from))
    }

    /// Bytes in a second, both ways together, over the last minute: how long before the last reading, and how many.
    pub fn minute(&self, vni: u32) -> impl ExactSizeIterator<Item = (Duration, f64)> {
        let rates = self.rates.get(&vni);
        let newest = self.last.at;
        (0..rates.map_or(0, VecDeque::len)).map(move |n| {
            let rate = rates.and_then(|all| all.get(n));
            rate.map_or((Duration::ZERO, 0.0), |rate| {
                let both = rate.bytes.map(f64::from).iter().sum();
                (newest.saturating_sub(rate.at), both)
            })
        })
    }

    pub(in crate::surface) fn violations(&self, vni: u32) -> impl Iterator<Item = &Violation> {
        self.last.violations.iter().filter(move |at| at.vni == vni)
    }

    pub(in crate::surface) fn concern(&self, vni: u32, network: &Network) -> Concern {
        let is_required = network.required == Some(Requirement::Required);
        if self.last.violated.contains(&vni) {
            Concern::Violated
        } else if is_required && matches!(network.state, State::Idle | State::Unknown) {
            Concern::Undecided
        } else if matches!(network.state, State::Cleartext | State::Mixed) {
            Concern::Readable
        } else {
            Concern::Fine
        }
    }

    /// The one thing to know, whatever is shown below it.
    pub(in crate::surface) fn headline(&self) -> Headline<'_> {
        if let Some(trouble) = &self.trouble {
            return Headline::NoAnswer(trouble);
        }
        let violated = self.last.violated.len();
        if violated != 0 {
            return Headline::Violated(violated);
        }
        if !self.last.blind.is_empty() {
            return Headline::Blind(&self.last.blind);
        }
        let mut networks = self.last.networks.iter();
        let is_undecided =
            |(vni, at): &(&u32, &Network)| self.concern(**vni, at) == Concern::Undecided;
        match networks.by_ref().filter(is_undecided).count() {
            0 => Headline::Fine,
            undecided => Headline::Undecided(undecided),
        }
    }
}
