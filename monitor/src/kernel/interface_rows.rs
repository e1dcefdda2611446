//! The rows that an interface has before its first packet.

use monitor_common::direction::Direction;
use monitor_common::encapsulation::{Encapsulation, Identity};
use monitor_common::key::{CounterKey, EspKey, ReasonKey};
use monitor_common::reason::Reason;

/// A key of one of the maps.
pub(super) enum Row {
    Counter(CounterKey),
    Esp(EspKey),
    Reason(ReasonKey),
}

/// The rows of an interface.
pub(super) fn of(ifindex: u32) -> impl Iterator<Item = Row> {
    Direction::ALL.into_iter().flat_map(move |direction| {
        let counters = Encapsulation::ALL.iter().filter_map(move |encapsulation| {
            let encapsulation = *encapsulation;
            match encapsulation.identity() {
                Identity::Vni => Some(CounterKey::other(ifindex, direction, encapsulation)),
                Identity::Itself => Some(CounterKey::new(ifindex, direction, encapsulation, 0)),
                Identity::Spi => None,
            }
        });
        let reasons = Reason::ALL
            .iter()
            .map(move |reason| Row::Reason(ReasonKey::new(ifindex, direction, *reason)));
        let with_spi = Encapsulation::ALL.iter().filter(|at| at.has_spi());
        let esp = with_spi.map(move |at| Row::Esp(EspKey::other(ifindex, direction, *at)));
        counters.map(Row::Counter).chain(reasons).chain(esp)
    })
}
