//! Frames of a lab's wire, grouped by inner flow. Written for these captures alone, and on purpose without
//! the product's parser, which is tested with them: outer Ethernet, IPv4 without options, UDP 4789, VXLAN,
//! inner Ethernet, IPv4.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// What carries the payload inside the overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpTransport {
    /// IP protocol 6.
    #[default]
    Tcp,
    /// 17.
    Udp,
    /// 1; ports are 0.
    Icmp,
    /// 50; ports are 0.
    Esp,
}

/// Bytes before the inner Ethernet header: 14 Ethernet, 20 IPv4, 8 UDP, 8 VXLAN.
const OUTER: usize = 50;

/// A frame of one inner flow.
#[derive(Debug, Clone, Copy)]
pub struct Packet {
    /// What carries the payload.
    pub transport: IpTransport,
    /// Who sent it, and the port.
    pub source: (Ipv4Addr, u16),
    /// To whom.
    pub destination: (Ipv4Addr, u16),
    /// Where its payload lies in the frame: first byte, and behind the last. Empty where there is none.
    pub payload: (usize, usize),
}

impl Packet {
    /// Reads a frame; `None` for what is not IPv4 in VXLAN, such as ARP, and for later fragments.
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

    /// The same for both directions.
    fn key(&self) -> (IpTransport, (Ipv4Addr, u16), (Ipv4Addr, u16)) {
        let (low, high) = if self.source <= self.destination {
            (self.source, self.destination)
        } else {
            (self.destination, self.source)
        };
        (self.transport, low, high)
    }
}

/// The packets of one inner flow, by their numbers in the capture.
#[derive(Debug, Clone)]
pub struct Conversation {
    /// What carries it.
    pub transport: IpTransport,
    /// Who sent the first packet seen.
    pub source: (Ipv4Addr, u16),
    /// To whom.
    pub destination: (Ipv4Addr, u16),
    /// Numbers of its frames, ascending.
    pub frames: Vec<usize>,
}

/// Groups frames by inner flow, in the order of their first packets. A TCP connection between the same
/// ports as an older one continues that.
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
