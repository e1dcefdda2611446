//! One classifier alone, for what measures it.

use super::judge::INSPECTED_MAX;
use super::payload::{Payload, Transport};
use super::protocol::Protocol;
use super::table::{CLASSIFIERS, Classifier};

/// One row of the table of classifiers. A protocol can have more than one.
#[derive(Clone, Copy)]
pub struct Alone(&'static Classifier);

impl Alone {
    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = Alone> {
        CLASSIFIERS.iter().map(Alone)
    }

    /// The protocol that it tells.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        self.0.protocol
    }

    /// Whether it is asked about payloads of this transport.
    #[must_use]
    pub fn takes(self, transport: Transport) -> bool {
        self.0.transports.contains(&transport)
    }

    /// Whether the payload fits, how well so ever; of as many bytes as [`classify`](super::classify) looks at.
    #[must_use]
    pub fn fits(self, p: &Payload<'_>) -> bool {
        let bytes = &p.bytes[..p.bytes.len().min(INSPECTED_MAX)];
        (self.0.inspect)(&Payload { bytes, ..*p }).is_some()
    }
}
