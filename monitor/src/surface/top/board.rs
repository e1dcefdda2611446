//! The live model, and what the user of `top` has chosen to see of it.

use crate::surface::live::{Concern, Live, Network, Reading};

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

/// Readings, and what is shown of them.
#[derive(Debug, Default)]
pub struct Board {
    pub(super) live: Live,
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

impl Board {
    /// Takes a new reading.
    pub fn read(&mut self, reading: Reading) {
        if self.is_paused {
            return self.live.answers();
        }
        self.live.take(reading);
        self.selected = self.selected.min(self.rows().len().saturating_sub(1));
    }

    /// Notes why there is no new reading.
    pub fn miss(&mut self, why: String) {
        self.live.miss(why);
    }

    /// Networks that the agent has.
    #[must_use]
    pub fn networks(&self) -> usize {
        self.live.last().networks.len()
    }

    /// The networks as they are chosen and sorted.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let filter = self.filter.to_ascii_lowercase();
        let networks = self.live.last().networks.iter();
        let networks = networks.filter(|(vni, network)| {
            network.name.to_ascii_lowercase().contains(&filter)
                || vni.to_string().contains(&filter)
                || network.state.name().contains(&filter)
        });
        let mut rows: Vec<Row<'_>> = networks
            .map(|(vni, network)| Row {
                vni: *vni,
                network,
                concern: self.live.concern(*vni, network),
                rate: self.live.rate(*vni).unwrap_or_default(),
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
}
