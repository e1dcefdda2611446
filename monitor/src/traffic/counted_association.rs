//! The count of one security association on one interface.

use std::net::IpAddr;

use monitor_common::count::EspCount;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;

/// Packets of one security association on one interface, in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedAssociation {
    /// Interface name.
    pub interface: String,
    /// Received or sent.
    pub direction: Direction,
    /// ESP, ESP in UDP or AH.
    pub encapsulation: Encapsulation,
    /// Source and destination; `None` for the sum of those that found no room in the map.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// Security Parameters Index; 0 if `addresses` is `None`, and for the sum of the idle associations between these
    /// addresses that were removed from the map.
    pub spi: u32,
    /// Packets, bytes and sequence numbers.
    pub count: EspCount,
}

impl CountedAssociation {
    /// The address of the other node.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.addresses
            .map(|(source, destination)| match self.direction {
                Direction::Rx => source,
                Direction::Tx => destination,
            })
    }
}
