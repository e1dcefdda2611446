//! Which samples and flows are shown: what `tail` and `read` filter by.
//!
//! Different conditions must all hold; of several values of one condition, one must hold. Imports the records; the
//! commands and printers use it.

mod condition;
mod connection;
mod subject;
#[cfg(test)]
mod tests;

pub use condition::{AddressRange, ProtocolName, Since};
pub use connection::Connection;
pub use subject::Subject;

use jiff::Timestamp;
use monitor_classify::Exposure;

/// The conditions. An empty list, `false` and `None` admit everything.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Networks.
    pub vnis: Vec<u32>,
    /// Addresses of either end, or of either node.
    pub hosts: Vec<AddressRange>,
    /// Ports of either end.
    pub ports: Vec<u16>,
    /// Protocols or transports.
    pub protocols: Vec<ProtocolName>,
    /// Exposures.
    pub exposures: Vec<Exposure>,
    /// Only what shows credentials.
    pub credentials: bool,
    /// Nothing that ended before this time.
    pub since: Option<Timestamp>,
    /// Not these connections.
    pub without: Vec<Connection>,
}

impl Filter {
    /// Whether it admits everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vnis.is_empty()
            && self.hosts.is_empty()
            && self.ports.is_empty()
            && self.protocols.is_empty()
            && self.exposures.is_empty()
            && !self.credentials
            && self.since.is_none()
            && self.without.is_empty()
    }

    /// Whether it admits this.
    #[must_use]
    pub fn admits(&self, subject: &Subject<'_>) -> bool {
        any(&self.vnis, |vni| subject.is_in(*vni))
            && any(&self.hosts, |range| {
                subject.addresses().any(|address| range.contains(address))
            })
            && any(&self.ports, |port| subject.has_port(*port))
            && any(&self.protocols, |name| name.is_of(subject))
            && any(&self.exposures, |exposure| subject.exposure == *exposure)
            && (!self.credentials || !subject.credentials.is_empty())
            && self.since.is_none_or(|since| subject.time >= since)
            && !self
                .without
                .iter()
                .any(|connection| subject.is_of(connection))
    }
}

/// Whether a condition holds. One without values does.
fn any<T>(values: &[T], holds: impl FnMut(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(holds)
}
