//! The input of a classifier.

use std::fmt;

/// The payload of one packet, as far as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// The captured bytes, from the first byte behind the transport header.
    pub bytes: &'a [u8],
    /// Length of the payload on the wire, in bytes; at least `bytes.len()`.
    pub wire_len: u32,
    /// What carried it.
    pub transport: Transport,
    /// Port of the sender; 0 where there is none.
    pub src_port: u16,
    /// Port of the receiver; 0 where there is none.
    pub dst_port: u16,
}

/// Bytes of a payload that are looked at. A capture may hold packets of 64 KiB and more; the bound keeps the work
/// per packet small.
const INSPECTED_MAX: usize = 2048;

impl Payload<'_> {
    /// The same, without the bytes that no classifier looks at.
    pub(crate) fn inspected(&self) -> Self {
        Self {
            bytes: &self.bytes[..self.bytes.len().min(INSPECTED_MAX)],
            ..*self
        }
    }

    /// Whether either end uses one of these ports.
    pub(crate) fn uses_port(&self, ports: &[u16]) -> bool {
        ports.contains(&self.src_port) || ports.contains(&self.dst_port)
    }

    /// Whether a message of this length fills the packet: a length field that is
    /// right this way is hardly chance.
    pub(crate) fn is_filled_by(&self, length: u64) -> bool {
        u64::from(self.wire_len) == length
    }
}

/// The protocol in the IP header of the inner packet, by its IANA number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// 6.
    Tcp,
    /// 17.
    Udp,
    /// 1.
    Icmp,
    /// 58.
    Icmpv6,
    /// 132.
    Sctp,
    /// 50.
    Esp,
    /// Any other.
    Other(u8),
}

impl From<u8> for Transport {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Icmp,
            6 => Self::Tcp,
            17 => Self::Udp,
            50 => Self::Esp,
            58 => Self::Icmpv6,
            132 => Self::Sctp,
            other => Self::Other(other),
        }
    }
}

/// The name as in records: `tcp`, `udp`, …, `other:89`.
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.pad("tcp"),
            Self::Udp => f.pad("udp"),
            Self::Icmp => f.pad("icmp"),
            Self::Icmpv6 => f.pad("icmpv6"),
            Self::Sctp => f.pad("sctp"),
            Self::Esp => f.pad("esp"),
            Self::Other(number) => write!(f, "other:{number}"),
        }
    }
}

impl serde::Serialize for Transport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_for_one_packet_is_bounded() {
        let bytes = [0; INSPECTED_MAX + 1];
        let payload = Payload {
            bytes: &bytes,
            wire_len: 9_000,
            transport: Transport::Udp,
            src_port: 1,
            dst_port: 2,
        };
        let inspected = payload.inspected();
        assert_eq!(inspected.bytes.len(), INSPECTED_MAX);
        assert_eq!(inspected.wire_len, 9_000);
    }
}
