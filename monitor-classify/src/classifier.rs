//! One row of the table of classifiers.

use std::fmt;

use crate::finding::Finding;
use crate::names::Protocol;
use crate::payload::{Payload, Transport};

/// How the bytes of one protocol are recognised.
///
/// A protocol has a classifier for each of its forms, memcached for example one
/// for text and one for binary. [`classify`](crate::classify()) asks all of them;
/// one alone is of use to measure what it costs.
pub struct Classifier {
    protocol: Protocol,
    transports: &'static [Transport],
    /// Usual ports. They make a weak finding likely; they are never evidence by
    /// themselves.
    ports: &'static [u16],
    inspect: Inspect,
    is_text: bool,
}

/// What the bytes show; nothing if they do not fit.
type Inspect = fn(&Payload<'_>) -> Option<Finding>;

impl Classifier {
    /// The protocol that it recognises.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether the protocol is spoken over this transport.
    #[must_use]
    pub fn takes(&self, transport: Transport) -> bool {
        self.transports.contains(&transport)
    }

    /// Whether the payload fits, however weakly. Looks at as many bytes as
    /// [`classify`](crate::classify()) does.
    #[must_use]
    pub fn fits(&self, p: &Payload<'_>) -> bool {
        self.inspect(&p.inspected()).is_some()
    }

    pub(crate) fn inspect(&self, p: &Payload<'_>) -> Option<Finding> {
        (self.inspect)(p)
    }

    pub(crate) const fn ports(&self) -> &'static [u16] {
        self.ports
    }

    /// Whether either end of the payload uses one of the usual ports.
    pub(crate) fn is_on_usual_port(&self, p: &Payload<'_>) -> bool {
        p.uses_port(self.ports)
    }

    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// Whether text that fits nothing else is likely of this protocol on one of
    /// its ports: a body, the rest of a line, what a person types.
    pub(crate) const fn is_text(&self) -> bool {
        self.is_text
    }

    /// The same for a protocol of text: see [`Self::is_text`].
    pub(crate) const fn text(self) -> Self {
        Self {
            is_text: true,
            ..self
        }
    }
}

impl fmt::Debug for Classifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classifier")
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

pub(crate) const ESP: &[Transport] = &[Transport::Esp];
pub(crate) const AH: &[Transport] = &[Transport::Other(51)];
pub(crate) const ICMP: &[Transport] = &[Transport::Icmp, Transport::Icmpv6];

/// Over TCP.
pub(crate) const fn tcp(protocol: Protocol, ports: &'static [u16], inspect: Inspect) -> Classifier {
    over(&[Transport::Tcp], protocol, ports, inspect)
}

/// Over UDP.
pub(crate) const fn udp(protocol: Protocol, ports: &'static [u16], inspect: Inspect) -> Classifier {
    over(&[Transport::Udp], protocol, ports, inspect)
}

/// Over TCP and UDP.
pub(crate) const fn both(
    protocol: Protocol,
    ports: &'static [u16],
    inspect: Inspect,
) -> Classifier {
    over(&[Transport::Tcp, Transport::Udp], protocol, ports, inspect)
}

/// Over other transports.
pub(crate) const fn over(
    transports: &'static [Transport],
    protocol: Protocol,
    ports: &'static [u16],
    inspect: Inspect,
) -> Classifier {
    Classifier {
        protocol,
        transports,
        ports,
        inspect,
        is_text: false,
    }
}
