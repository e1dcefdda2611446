//! One flow: its counts, and the verdict from its packets.

use monitor_common::count::{Count, Total};
use monitor_common::encapsulation::Encapsulation;
use monitor_common::wire::tcp;

use super::flow_associations::FlowAssociations;
use super::flow_table::End;
use super::packet_walk::FlowPacket;
use super::stream::{Continuity, Stream};
use super::verdict_merge::{add_credentials, better, is_conclusive};
use crate::traffic::flow_verdict::FlowVerdict;
use crate::traffic::packet_doubt::PacketDoubt;
use crate::traffic::tunnel_verdict::tunnel;
use monitor_classify::{
    Confidence, Evidence, Exposure, Payload, Protocol, Transport, Verdict, ah, classify,
    classify_as, classify_on,
};

/// Payload packets of each direction that are inspected while nothing is known of the flow; of later ones, one in
/// [`RARELY`].
const INSPECTED_UNKNOWN: u32 = 16;
/// The same once the protocol is known but not the exposure: handshakes can be long.
const INSPECTED_NAMED: u32 = 64;
/// The same for plaintext: credentials follow greetings and earlier requests.
const INSPECTED_PLAINTEXT: u32 = 32;
/// The same for certainly encrypted flows.
const INSPECTED_ENCRYPTED: u32 = 4;
/// The first packets are passed to all classifiers, even after a plaintext verdict: another classifier may be more
/// exact.
const INSPECTED_ALL: u32 = 3;
/// Among the first packets, one that does not fit the known protocol is passed to all classifiers.
const INSPECTED_ANEW: u32 = 8;
/// Of later payload packets one in so many is inspected.
const RARELY: u32 = 64;
/// Packets of a plaintext flow that are inspected because they begin like a TLS record, at most.
const TLS_INSPECTED: u8 = 64;

const FIN: u8 = 0x01;
const RST: u8 = 0x04;
const SYN_ACK: u8 = 0x12;

/// One flow, both directions.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// Rank among all flows, in the order of their first packets.
    pub(super) number: u64,
    /// The end that opened it, or else whose packet came first.
    pub(super) opener: End,
    /// Packets and bytes that each end sent.
    counts: [Count; 2],
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
    /// Time of the last packet on the capture's clock.
    pub(super) touched: i64,
    /// Whether it may be the rest of a flow that was reported early.
    pub(super) is_rest: bool,
    /// Sequence number of the opening SYN, if it was captured.
    opened: Option<u32>,
    /// Which ends have closed their direction, as bits.
    done: u8,
    streams: [Stream; 2],
    flow_verdict: FlowVerdict,
    tls_inspected: u8,
    /// The verdict, with evidence from the end that opened the flow if there is any.
    pub(super) verdict: Verdict,
    /// Whether the evidence is from the end that opened the flow.
    from_opener: bool,
    /// Of a flow of ESP.
    associations: Option<Box<FlowAssociations>>,
    /// Packets that are decrypted copies of ESP.
    copies: u64,
    /// Packets that were seen again on another device; they are not counted.
    pub(super) repeated: u64,
    /// VNI of the overlay in which the same packets were seen, if this flow is outside any.
    pub(super) inside: Option<u32>,
    /// UDP port on which its overlay was recognised.
    pub(super) recognised_port: Option<u16>,
}

impl Flow {
    /// A flow whose first packet is this one.
    pub(super) fn new(number: u64, from: End, packet: &FlowPacket<'_>, time_ns: i64) -> Flow {
        let is_tcp = packet.protocol == tcp::PROTOCOL;
        let opens = is_tcp && tcp::opens(packet.tcp_flags);
        let answers = is_tcp && packet.tcp_flags & SYN_ACK == SYN_ACK;
        Flow {
            number,
            opener: if answers { from.other() } else { from },
            counts: [Count::default(); 2],
            first_ns: time_ns,
            last_ns: time_ns,
            touched: 0,
            is_rest: false,
            opened: if opens {
                Some(packet.sequence)
            } else if answers {
                Some(packet.acknowledged.wrapping_sub(1))
            } else {
                None
            },
            done: 0,
            streams: [Stream::default(), Stream::default()],
            flow_verdict: FlowVerdict::default(),
            tls_inspected: 0,
            verdict: Verdict::unknown(),
            from_opener: false,
            associations: None,
            copies: 0,
            repeated: 0,
            inside: None,
            recognised_port: packet.recognised_port,
        }
    }

    /// Why it may not be what was on the wire.
    pub(super) fn doubts(&self) -> Vec<PacketDoubt> {
        let [low, high] = self.counts.map(|count| count.packets);
        let is_copy = self.copies != 0 && self.copies == low + high && (low == 0 || high == 0);
        let copy = is_copy.then_some(PacketDoubt::DecryptedCopy);
        let other = self.inside.map(|_| PacketDoubt::OtherDevice);
        copy.into_iter().chain(other).collect()
    }

    /// Whether this packet opens another connection between the same ends.
    #[inline]
    pub(super) fn is_followed_by(&self, packet: &FlowPacket<'_>) -> bool {
        packet.protocol == tcp::PROTOCOL
            && tcp::opens(packet.tcp_flags)
            && self.opened != Some(packet.sequence)
    }

    /// Whether its beginning was captured.
    pub(super) fn is_opened(&self) -> bool {
        self.opened.is_some()
    }

    /// Whether both ends have closed the connection, or one has reset it.
    pub(super) fn is_closed(&self) -> bool {
        self.done & 3 == 3
    }

    /// Counts packets and the length of their frames in bytes.
    #[inline]
    pub(super) fn count(&mut self, from: End, packets: u64, length: u32, time_ns: i64) {
        self.counts[from as usize].add(Count {
            packets,
            bytes: length.into(),
        });
        self.first_ns = self.first_ns.min(time_ns);
        self.last_ns = self.last_ns.max(time_ns);
    }

    /// Packets and bytes that an end sent.
    pub(super) fn sent(&self, from: End) -> Count {
        self.counts[from as usize]
    }

    /// Updates connection state and verdict with a packet. `budget` is the number of bytes that all flows together may
    /// still keep.
    #[inline]
    pub(super) fn add(&mut self, from: End, packet: &FlowPacket<'_>, budget: &mut usize) {
        self.copies += u64::from(packet.past.is_decrypted);
        let is_tcp = packet.protocol == tcp::PROTOCOL;
        if is_tcp {
            if packet.tcp_flags & FIN != 0 {
                self.done |= 1 << from as u8;
            }
            if packet.tcp_flags & RST != 0 {
                self.done = 3;
            }
            if tcp::opens(packet.tcp_flags) || packet.tcp_flags & SYN_ACK == SYN_ACK {
                self.streams[from as usize].open(packet.sequence);
            }
        }
        // The verdict on ESP is one on its association.
        if packet.payload_len == 0 || packet.as_esp().is_some() {
            return;
        }
        let sequence = is_tcp.then_some(packet.sequence);
        let (number, continuity) =
            self.streams[from as usize].advance(sequence, packet.payload_len);
        if packet.payload.is_empty() || !self.is_due(number, packet.payload) {
            self.streams[from as usize].clear(budget);
            return;
        }
        self.inspect(from, packet, number, continuity, budget);
        if self.flow_verdict.exposure() == (Exposure::Encrypted, Confidence::Certain) {
            self.clear(budget);
        }
    }

    /// Updates the verdict with that on one of its associations.
    pub(super) fn add_association(&mut self, from: End, spi: u32, verdict: &Verdict) {
        let associations = self.associations.get_or_insert_default();
        self.verdict = associations.update(from, spi, verdict);
    }

    /// Releases the bytes that it keeps.
    pub(super) fn clear(&mut self, budget: &mut usize) {
        for stream in &mut self.streams {
            stream.clear(budget);
        }
    }

    /// Whether to inspect the payload packet of this number in its direction.
    #[inline]
    fn is_due(&mut self, number: u32, bytes: &[u8]) -> bool {
        let limit = match self.flow_verdict.exposure() {
            (Exposure::Plaintext, _) => {
                if number >= INSPECTED_PLAINTEXT
                    && self.tls_inspected < TLS_INSPECTED
                    && is_like_tls(bytes)
                {
                    self.tls_inspected += 1;
                    return true;
                }
                INSPECTED_PLAINTEXT
            }
            (Exposure::Encrypted, Confidence::Certain) => INSPECTED_ENCRYPTED,
            (Exposure::Unknown, _) if self.verdict.protocol != Protocol::Unknown => INSPECTED_NAMED,
            (Exposure::Encrypted, Confidence::None | Confidence::Likely)
            | (Exposure::Unknown, _) => INSPECTED_UNKNOWN,
        };
        number < limit || number.is_multiple_of(RARELY)
    }

    /// Classifies a packet, alone and joined with earlier ones, and updates the verdict.
    fn inspect(
        &mut self,
        from: End,
        packet: &FlowPacket<'_>,
        number: u32,
        continuity: Continuity,
        budget: &mut usize,
    ) {
        let payload = Payload {
            bytes: packet.payload,
            wire_len: packet.payload_len,
            transport: Transport::from(packet.protocol),
            src_port: packet.source_port,
            dst_port: packet.destination_port,
        };
        let alone = self.classify_packet(packet, &payload, number);
        let stream = &mut self.streams[from as usize];
        let joined = stream
            .join(&payload, continuity, is_conclusive(&alone), budget)
            .map(|payload| classify_in_flow(&self.verdict, &payload, number));
        stream.settle(&payload, budget);
        self.update(from, better(joined, alone));
    }

    /// The verdict on this packet alone.
    fn classify_packet(
        &self,
        packet: &FlowPacket<'_>,
        payload: &Payload<'_>,
        number: u32,
    ) -> Verdict {
        match packet.encapsulation {
            Encapsulation::Ah => ah(),
            encapsulation if encapsulation.is_tunnel() => tunnel(encapsulation, payload),
            _ => classify_in_flow(&self.verdict, payload, number),
        }
    }

    /// Updates the flow's verdict with that on some of its packets.
    fn update(&mut self, from: End, mut found: Verdict) {
        let before = self.flow_verdict.exposure().0;
        let changes = self.flow_verdict.update(&found).is_some();
        let same =
            (found.protocol, found.exposure) == (self.verdict.protocol, self.verdict.exposure);
        // The first verdict that names the protocol replaces none, even if its exposure is unknown.
        let first = self.verdict.confidence == Confidence::None
            && self.verdict.exposure == Exposure::Unknown;
        let is_opener = from == self.opener;
        if changes || (first && found.confidence != Confidence::None) {
            add_credentials(&mut found, &self.verdict);
            if before == Exposure::Plaintext && found.exposure == Exposure::Encrypted {
                found.evidence = Some(Evidence::after(
                    self.verdict.protocol,
                    found.evidence.as_ref(),
                ));
            }
            self.verdict = found;
            self.from_opener = is_opener;
        } else if same && found.confidence != Confidence::None {
            add_credentials(&mut self.verdict, &found);
            self.verdict.confidence = self.verdict.confidence.max(found.confidence);
            if is_opener && !self.from_opener && found.evidence.is_some() {
                self.verdict.evidence = found.evidence;
                self.from_opener = true;
            }
        } else {
            // Credentials that were readable once stay reported, whatever the verdict on the flow.
            add_credentials(&mut self.verdict, &found);
        }
    }
}

/// The verdict on a payload of a flow whose verdict so far is `before`.
fn classify_in_flow(before: &Verdict, payload: &Payload<'_>, number: u32) -> Verdict {
    let is_settled = before.confidence == Confidence::Certain
        && before.exposure == Exposure::Plaintext
        && before.protocol != Protocol::Unknown;
    let is_young = number < INSPECTED_ALL;
    if !is_settled || is_young || is_like_tls(payload.bytes) || number.is_multiple_of(RARELY) {
        let verdict = classify(payload);
        let is_open = before.protocol != Protocol::Unknown && before.exposure == Exposure::Unknown;
        if is_open && (verdict.protocol, verdict.exposure) == (Protocol::Unknown, Exposure::Unknown)
        {
            return classify_on(before.protocol, payload);
        }
        return verdict;
    }
    let verdict = classify_as(before.protocol, payload);
    if verdict.confidence == Confidence::None && number < INSPECTED_ANEW {
        classify(payload)
    } else {
        verdict
    }
}

/// Whether bytes begin like a TLS record: content type 20 to 24, major version 3 (RFC 8446, 5.1).
#[inline]
fn is_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=24, 3, 0..=4, ..])
}
