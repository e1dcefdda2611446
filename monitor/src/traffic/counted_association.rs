//! The count of one security association on one interface.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use monitor_common::count::EspCount;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;

/// The node under which the ledger keeps what forgotten nodes had counted: no series of a node has it, and the sums over all
/// nodes do. No packet has this address on the wire.
pub const FORGOTTEN: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Packets of one security association on one interface, in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedAssociation {
    /// Interface name.
    pub interface: Arc<str>,
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
