//! One connection, which a filter leaves out.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::traffic::record_text::Endpoint;

/// The two ends of a connection, in no order. IPv4 addresses that are mapped into IPv6 are IPv4 here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection([(IpAddr, u16); 2]);

impl Connection {
    /// Between these two.
    #[must_use]
    pub fn new(one: SocketAddr, other: SocketAddr) -> Connection {
        Connection([one, other].map(|end| (end.ip().to_canonical(), end.port())))
    }

    /// Whether these are its ends.
    pub(super) fn is_between(&self, one: (IpAddr, u16), other: (IpAddr, u16)) -> bool {
        self.0 == [one, other] || self.0 == [other, one]
    }
}

/// `192.0.2.9:50022 and 192.0.2.1:22`.
impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [one, other] = self.0.map(|(address, port)| Endpoint(address, port));
        write!(f, "{one} and {other}")
    }
}
