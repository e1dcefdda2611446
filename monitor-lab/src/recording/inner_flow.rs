//! Groups the frames of a lab's wire by inner flow. Does not use the product's parser, which is tested with the result.
//! Reads only what these captures contain: outer Ethernet, IPv4 without options, UDP 4789, VXLAN, inner Ethernet, IPv4.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Transport protocol inside the overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpTransport {
    /// IP protocol 6 (RFC 9293).
    #[default]
    Tcp,
    /// IP protocol 17 (RFC 768).
    Udp,
    /// IP protocol 1 (RFC 792); ports are 0.
    Icmp,
    /// IP protocol 50 (RFC 4303); ports are 0.
    Esp,
}

/// Bytes before the inner Ethernet header: 14 Ethernet, 20 IPv4, 8 UDP, 8 VXLAN (RFC 7348).
const OUTER: usize = 50;

/// A frame of one inner flow.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// Transport protocol.
    pub transport: IpTransport,
    /// Inner source address and port.
    pub source: (Ipv4Addr, u16),
    /// Inner destination address and port.
    pub destination: (Ipv4Addr, u16),
    /// Payload as offsets in the frame in bytes: start, and end (exclusive). Equal when there is no payload.
    pub payload: (usize, usize),
}

impl Packet {
    /// Parses a frame. `None` if it is not IPv4 in VXLAN, as ARP is not, and for all fragments but the first.
    #[must_use]
    pub fn read(frame: &[u8]) -> Option<Self> {
        let vxlan = frame.get(12..14)? == [8, 0]
            && frame.get(23)? == &17
            && frame.get(36..38)? == 4789u16.to_be_bytes();
        let ip = frame.get(OUTER + 14..).filter(|_| vxlan)?;
        if frame.get(OUTER + 12..OUTER + 14)? != [8, 0] {
            return None;
        }
        let header = usize::from(ip.first()? & 15) * 4;
        let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
        if u16::from_be_bytes([*ip.get(6)?, *ip.get(7)?]) & 0x1fff != 0 {
            return None;
        }
        let address = |at: usize| -> Option<Ipv4Addr> {
            Some(<[u8; 4]>::try_from(ip.get(at..at + 4)?).ok()?.into())
        };
        let l4 = ip.get(header..)?;
        let port = |at: usize| Some(u16::from_be_bytes([*l4.get(at)?, *l4.get(at + 1)?]));
        let (transport, ports, payload) = match ip.get(9)? {
            6 => {
                let offset = usize::from(l4.get(12)? >> 4) * 4;
                (IpTransport::Tcp, (port(0)?, port(2)?), offset)
            }
            17 => (IpTransport::Udp, (port(0)?, port(2)?), 8),
            1 => (IpTransport::Icmp, (0, 0), 8),
            50 => (IpTransport::Esp, (0, 0), 8),
            _ => return None,
        };
        let base = OUTER + 14;
        let end = (base + total).min(frame.len());
        Some(Self {
            transport,
            source: (address(12)?, ports.0),
            destination: (address(16)?, ports.1),
            payload: ((base + header + payload).min(end), end),
        })
    }

    /// Key of the flow: the same for both directions.
    fn key(&self) -> (IpTransport, (Ipv4Addr, u16), (Ipv4Addr, u16)) {
        let (low, high) = if self.source <= self.destination {
            (self.source, self.destination)
        } else {
            (self.destination, self.source)
        };
        (self.transport, low, high)
    }
}

/// One inner flow: the indexes of its frames in the capture.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// Transport protocol.
    pub transport: IpTransport,
    /// Source of the first packet.
    pub source: (Ipv4Addr, u16),
    /// Destination of the first packet.
    pub destination: (Ipv4Addr, u16),
    /// Indexes of its frames, from 0, ascending.
    pub frames: Vec<usize>,
}

/// Groups frames by inner flow, in the order of the first packets. A TCP connection that reuses the ports of an earlier
/// one counts as the same flow.
#[must_use]
pub fn conversations<'a>(frames: impl IntoIterator<Item = &'a [u8]>) -> Vec<Conversation> {
    let mut index = BTreeMap::new();
    let mut found: Vec<Conversation> = Vec::new();
    for (number, frame) in frames.into_iter().enumerate() {
        let Some(packet) = Packet::read(frame) else {
            continue;
        };
        let at = *index.entry(packet.key()).or_insert_with(|| {
            found.push(Conversation {
                transport: packet.transport,
                source: packet.source,
                destination: packet.destination,
                frames: Vec::new(),
            });
            found.len() - 1
        });
        found[at].frames.push(number);
    }
    found
}
