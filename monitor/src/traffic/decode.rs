//! From the bytes of a sample, or of a packet in a capture file, to a [`Record`]: the same walk as in the kernel, then the classifiers.

use jiff::Timestamp;
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::load::{Captured, Load};
use monitor_common::reason::Reason;
use monitor_common::sample::Sample;
use monitor_common::walk::{self, Addresses, Inner, InnerKind, Kind, Link};
use monitor_common::wire::tcp;

use crate::base::udp_ports::Services;
use crate::traffic::address::ip;
use crate::traffic::capture::{Linked, Packet, linked};
use crate::traffic::flows::Samples;
use crate::traffic::record::{Endpoints, Record, timestamp};
use monitor_classify::text;
use monitor_classify::{Payload, Transport, Verdict, classify};

/// Longest preview of a payload, in characters.
const PREVIEW_MAX: usize = 4096;

/// How samples are decoded.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// What each UDP port stands for.
    pub services: Services,
    /// Whether payload bytes may be shown.
    pub show_payload: bool,
}

impl Decoder {
    /// Decodes a sample, and judges it with what is known of its flow. Never fails: what cannot be told is absent, or
    /// says why.
    #[must_use]
    pub fn decode(
        &self,
        samples: &mut Samples,
        sample: &Sample<'_>,
        time: Timestamp,
        interface: &str,
    ) -> Record {
        let packet = Captured {
            bytes: sample.frame,
            frame_len: sample.frame_len as usize,
        };
        let mut record = Record::new(time, interface, Some(sample.direction));
        record.length = sample.frame_len;
        record.captured = u32::try_from(sample.frame.len()).unwrap_or(u32::MAX);
        // The kernel saw the whole frame; a walk over its first bytes must not add a reason.
        record.reason = sample.reason;
        self.walk(&mut record, &packet, sample.link, Some(samples));
        record
    }

    /// Decodes a packet of a capture file. Never fails either.
    #[must_use]
    pub fn decode_packet(&self, packet: &Packet<'_>) -> Record {
        let interface = packet.interface.unwrap_or_default();
        let mut record = Record::new(timestamp(packet.time_ns), interface, packet.direction);
        record.length = packet.wire_len;
        record.captured = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
        match linked(packet.link_type, packet.bytes) {
            Linked::At(at, link, direction) => {
                record.direction = record.direction.or(direction);
                let captured = Captured {
                    bytes: packet.bytes.get(at..).unwrap_or_default(),
                    frame_len: (packet.wire_len as usize).saturating_sub(at),
                };
                let reason = self.walk(&mut record, &captured, link, None);
                // That a packet ends where the capture of it does proves nothing.
                if record.captured == record.length {
                    record.reason = reason;
                }
            }
            Linked::Truncated => record.reason = Some(Reason::EthernetTruncated),
            Linked::NotIp | Linked::Unsupported => {}
        }
        record
    }

    /// Fills a record in; the reason for which the packet was not understood, if the bytes at hand are all of it.
    fn walk(
        &self,
        record: &mut Record,
        packet: &Captured<'_>,
        link: Link,
        samples: Option<&mut Samples>,
    ) -> Option<Reason> {
        let outer = walk::outer(packet, link, |port| self.services.of(port));
        match outer.kind {
            Kind::NotIp => {}
            Kind::Host => {
                let inner = walk::segment(packet, outer.network);
                return self.inside(record, packet, &inner, samples);
            }
            Kind::Overlay => {
                record.encapsulation = outer.encapsulation;
                record.vni = Some(outer.vni);
                record.outer =
                    walk::addresses(packet, &outer.network).map(|addresses| endpoints(&addresses));
                let inner = walk::inner(packet, outer.inner, outer.link);
                return self.inside(record, packet, &inner, samples);
            }
            Kind::Association => {
                record.encapsulation = outer.encapsulation;
                record.outer =
                    walk::addresses(packet, &outer.network).map(|addresses| endpoints(&addresses));
                record.transport = Some(Transport::from(outer.network.protocol));
                record.spi = Some(outer.spi);
                record.sequence = Some(outer.sequence);
            }
            Kind::Tunnel => {
                record.encapsulation = outer.encapsulation;
                record.outer =
                    walk::addresses(packet, &outer.network).map(|addresses| endpoints(&addresses));
                record.transport = Some(Transport::from(outer.network.protocol));
            }
            // Which tunnel it belongs to was told by the first one, and known to the kernel alone.
            Kind::LaterFragment => {
                record.outer =
                    walk::addresses(packet, &outer.network).map(|addresses| endpoints(&addresses));
                record.transport = Some(Transport::from(outer.network.protocol));
            }
            Kind::Unparsed => {
                if self.show_payload && record.captured != 0 {
                    record.payload = Some(text::payload_preview(packet.bytes, PREVIEW_MAX));
                }
                return Some(outer.reason);
            }
        }
        None
    }

    fn inside(
        &self,
        record: &mut Record,
        packet: &Captured<'_>,
        inner: &Inner,
        samples: Option<&mut Samples>,
    ) -> Option<Reason> {
        match inner.kind {
            InnerKind::NotIp => {}
            InnerKind::Unparsed => return Some(inner.reason),
            InnerKind::Flow => {
                let addresses = walk::addresses(packet, &inner.network)?;
                let transport = Transport::from(inner.network.protocol);
                record.transport = Some(transport);
                record.inner = Some(endpoints(&addresses));
                record.source_port = inner.source_port;
                record.destination_port = inner.destination_port;
                record.payload_len = u32::try_from(inner.payload_len()).unwrap_or(u32::MAX);
                if inner.network.later_fragment {
                    return None;
                }
                // The packet's own length ends the payload: what follows is an Ethernet trailer.
                let end = packet.bytes.len().min(inner.network.end);
                let bytes = packet.bytes.get(inner.payload..end).unwrap_or_default();
                if record.payload_len == 0 || bytes.is_empty() {
                    return None;
                }
                if self.show_payload {
                    record.payload = Some(text::payload_preview(bytes, PREVIEW_MAX));
                }
                let payload = Payload {
                    bytes,
                    wire_len: record.payload_len,
                    transport,
                    src_port: inner.source_port,
                    dst_port: inner.destination_port,
                };
                record.verdict = match samples {
                    Some(samples) => {
                        let sequence = (transport == Transport::Tcp)
                            .then(|| packet.load(inner.network.l4 + tcp::SEQUENCE_AT))
                            .flatten();
                        samples.judge(record, &payload, sequence.map(u32::from_be_bytes))
                    }
                    None => classify(&payload),
                };
            }
        }
        None
    }
}

fn endpoints(addresses: &Addresses) -> Endpoints {
    Endpoints {
        source: ip(addresses.version, addresses.source),
        destination: ip(addresses.version, addresses.destination),
    }
}

impl Record {
    fn new(time: Timestamp, interface: &str, direction: Option<Direction>) -> Record {
        Record {
            time,
            interface: text::escape(interface, 64),
            direction,
            outer: None,
            encapsulation: Encapsulation::None,
            vni: None,
            spi: None,
            sequence: None,
            transport: None,
            inner: None,
            source_port: 0,
            destination_port: 0,
            verdict: Verdict::unknown(),
            reason: None,
            length: 0,
            captured: 0,
            payload_len: 0,
            payload: None,
        }
    }
}

#[cfg(test)]
mod tests;
