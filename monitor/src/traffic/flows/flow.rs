//! What is known of one flow.

use monitor_common::key::Count;
use monitor_common::label::Encapsulation;
use monitor_common::wire::tcp;

use super::packet::FlowPacket;
use super::stream::{Follows, Stream};
use super::table::End;
use crate::traffic::exposure::Note;
use monitor_classify::{
    Confidence, EVIDENCE_MAX, Exposure, Payload, Protocol, Transport, Verdict, ah, classify,
    classify_as, classify_on, esp,
};

/// Packets with a payload of each direction that are looked at, by what is known of the flow; of those
/// behind, one in [`RARELY`].
const LOOKS_UNKNOWN: u32 = 16;
/// The same where it is known what it speaks: handshakes can be long.
const LOOKS_NAMED: u32 = 64;
/// Credentials come behind greetings and requests.
const LOOKS_PLAINTEXT: u32 = 32;
const LOOKS_ENCRYPTED: u32 = 4;
/// All classifiers are asked while a flow is so young, also of those that have a plaintext verdict: another
/// may say it more exactly.
const LOOKS_ALL: u32 = 3;
/// A packet of the known protocol that does not fit it is looked at anew while the flow is as young.
const LOOKS_ANEW: u32 = 8;
const RARELY: u32 = 64;
/// Packets of a plaintext flow that begin like a TLS record and are looked at for that, in all.
const TLS_LOOKS: u8 = 64;

const FIN: u8 = 0x01;
const RST: u8 = 0x04;
const SYN_ACK: u8 = 0x12;

/// One flow.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// In the order of the packets that opened them.
    pub(super) number: u64,
    /// The end that opened it, or that was seen first.
    pub(super) opener: End,
    /// What each end sent.
    counts: [Count; 2],
    pub(super) first_ns: i64,
    pub(super) last_ns: i64,
    /// Sequence number with which it was opened, if that was seen.
    opened: Option<u32>,
    /// Which ends have said that they are done, as bits.
    done: u8,
    streams: [Stream; 2],
    note: Note,
    tls_looks: u8,
    /// The verdict, with the evidence of the end that opened the flow if it gave any.
    pub(super) verdict: Verdict,
    from_opener: bool,
}

impl Flow {
    /// A flow that begins with this packet.
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
            opened: if opens {
                Some(packet.sequence)
            } else if answers {
                Some(packet.acknowledged.wrapping_sub(1))
            } else {
                None
            },
            done: 0,
            streams: [Stream::default(), Stream::default()],
            note: Note::default(),
            tls_looks: 0,
            verdict: Verdict::unknown(),
            from_opener: false,
        }
    }

    /// Whether this packet belongs to another connection between the same ends.
    #[inline]
    pub(super) fn is_over(&self, packet: &FlowPacket<'_>) -> bool {
        packet.protocol == tcp::PROTOCOL
            && tcp::opens(packet.tcp_flags)
            && self.opened != Some(packet.sequence)
    }

    /// Whether both ends are done, or one gave it up.
    pub(super) fn is_closed(&self) -> bool {
        self.done & 3 == 3
    }

    /// Counts a packet.
    #[inline]
    pub(super) fn count(&mut self, from: End, packets: u64, length: u32, time_ns: i64) {
        let count = &mut self.counts[from as usize];
        count.packets += packets;
        count.bytes += u64::from(length);
        self.first_ns = self.first_ns.min(time_ns);
        self.last_ns = self.last_ns.max(time_ns);
    }

    /// What an end sent.
    pub(super) fn sent(&self, from: End) -> Count {
        self.counts[from as usize]
    }

    /// Takes a packet into account. `budget` is what may still be kept of all flows, in bytes.
    #[inline]
    pub(super) fn take(&mut self, from: End, packet: &FlowPacket<'_>, budget: &mut usize) {
        let is_tcp = packet.protocol == tcp::PROTOCOL;
        if is_tcp {
            if packet.tcp_flags & FIN != 0 {
                self.done |= 1 << from as u8;
            }
            if packet.tcp_flags & RST != 0 {
                self.done = 3;
            }
            if tcp::opens(packet.tcp_flags) || packet.tcp_flags & SYN_ACK == SYN_ACK {
                self.streams[from as usize].opens(packet.sequence);
            }
        }
        if packet.payload_len == 0 {
            return;
        }
        let sequence = is_tcp.then_some(packet.sequence);
        let (number, follows) = self.streams[from as usize].note(sequence, packet.payload_len);
        if packet.payload.is_empty() || !self.is_due(number, packet.payload) {
            self.streams[from as usize].forget(budget);
            return;
        }
        self.look(from, packet, number, follows, budget);
        if self.note.exposure() == (Exposure::Encrypted, Confidence::Certain) {
            self.forget(budget);
        }
    }

    /// Gives back what was kept of its bytes.
    pub(super) fn forget(&mut self, budget: &mut usize) {
        for stream in &mut self.streams {
            stream.forget(budget);
        }
    }

    /// Whether the payload packet of this number of its direction is looked at.
    #[inline]
    fn is_due(&mut self, number: u32, bytes: &[u8]) -> bool {
        let looks = match self.note.exposure() {
            (Exposure::Plaintext, _) => {
                if number >= LOOKS_PLAINTEXT && self.tls_looks < TLS_LOOKS && is_like_tls(bytes) {
                    self.tls_looks += 1;
                    return true;
                }
                LOOKS_PLAINTEXT
            }
            (Exposure::Encrypted, Confidence::Certain) => LOOKS_ENCRYPTED,
            (Exposure::Unknown, _) if self.verdict.protocol != Protocol::Unknown => LOOKS_NAMED,
            (Exposure::Encrypted, Confidence::None | Confidence::Likely)
            | (Exposure::Unknown, _) => LOOKS_UNKNOWN,
        };
        number < looks || number.is_multiple_of(RARELY)
    }

    fn look(
        &mut self,
        from: End,
        packet: &FlowPacket<'_>,
        number: u32,
        follows: Follows,
        budget: &mut usize,
    ) {
        let payload = Payload {
            bytes: packet.payload,
            wire_len: packet.payload_len,
            transport: Transport::from(packet.protocol),
            src_port: packet.source_port,
            dst_port: packet.destination_port,
        };
        let alone = self.judge(packet, &payload, number);
        let stream = &mut self.streams[from as usize];
        let joined = stream
            .join(&payload, follows, is_told(&alone), budget)
            .map(|payload| judge_stream(&self.verdict, &payload, number));
        stream.settle(&payload, budget);
        self.feed(from, better(joined, alone));
    }

    /// What this packet alone says.
    fn judge(&self, packet: &FlowPacket<'_>, payload: &Payload<'_>, number: u32) -> Verdict {
        match packet.encapsulation {
            Encapsulation::Esp | Encapsulation::EspUdp => esp(payload.bytes, payload.wire_len),
            Encapsulation::Ah => ah(),
            _ if payload.transport == Transport::Esp => {
                let verdict = classify(payload);
                if verdict.exposure == Exposure::Unknown {
                    esp(payload.bytes, payload.wire_len)
                } else {
                    verdict
                }
            }
            Encapsulation::Wireguard | Encapsulation::Ike => {
                let verdict = classify(payload);
                if verdict.exposure == Exposure::Unknown {
                    tunnel(packet.encapsulation)
                } else {
                    verdict
                }
            }
            _ => judge_stream(&self.verdict, payload, number),
        }
    }

    /// Takes a verdict on some of its packets into account.
    fn feed(&mut self, from: End, mut found: Verdict) {
        let before = self.note.exposure().0;
        let changes = self.note.take(&found).is_some();
        let same =
            (found.protocol, found.exposure) == (self.verdict.protocol, self.verdict.exposure);
        // The first that says what it speaks, if nothing says yet whether that can be read.
        let first = self.verdict.confidence == Confidence::None
            && self.verdict.exposure == Exposure::Unknown;
        let is_opener = from == self.opener;
        if changes || (first && found.confidence != Confidence::None) {
            credentials(&mut found, &self.verdict);
            if before == Exposure::Plaintext && found.exposure == Exposure::Encrypted {
                found.evidence = Some(after(&self.verdict, found.evidence.as_deref()));
            }
            self.verdict = found;
            self.from_opener = is_opener;
        } else if same && found.confidence != Confidence::None {
            credentials(&mut self.verdict, &found);
            self.verdict.confidence = self.verdict.confidence.max(found.confidence);
            if is_opener && !self.from_opener && found.evidence.is_some() {
                self.verdict.evidence = found.evidence;
                self.from_opener = true;
            }
        } else {
            // What was readable was readable, whatever the flow is called.
            credentials(&mut self.verdict, &found);
        }
    }
}

/// What a payload says, where the flow was judged as this before.
fn judge_stream(before: &Verdict, payload: &Payload<'_>, number: u32) -> Verdict {
    let is_settled = before.confidence == Confidence::Certain
        && before.exposure == Exposure::Plaintext
        && before.protocol != Protocol::Unknown;
    let is_young = number < LOOKS_ALL;
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
    if verdict.confidence == Confidence::None && number < LOOKS_ANEW {
        classify(payload)
    } else {
        verdict
    }
}

/// Content types 20 to 24 and a major version of 3 (RFC 8446, 5.1).
#[inline]
fn is_like_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [20..=24, 3, 0..=4, ..])
}

/// Whether a packet speaks for itself: what came before it adds nothing.
pub(super) fn is_told(alone: &Verdict) -> bool {
    alone.confidence == Confidence::Certain && alone.protocol != Protocol::Unknown
}

/// What a packet says, alone or with what came before it.
pub(super) fn better(joined: Option<Verdict>, alone: Verdict) -> Verdict {
    match joined {
        Some(mut joined) if is_better(&joined, &alone) => {
            credentials(&mut joined, &alone);
            joined
        }
        Some(_) | None => alone,
    }
}

fn is_better(joined: &Verdict, alone: &Verdict) -> bool {
    let rank = |verdict: &Verdict| {
        (
            verdict.exposure != Exposure::Unknown,
            verdict.confidence,
            verdict.protocol != Protocol::Unknown,
        )
    };
    rank(joined) >= rank(alone)
}

/// Adds the kinds of credentials that were found elsewhere in the flow.
fn credentials(verdict: &mut Verdict, also: &Verdict) {
    if also.credentials.is_empty() {
        return;
    }
    verdict.credentials.extend(&also.credentials);
    verdict.credentials.sort_unstable();
    verdict.credentials.dedup();
}

/// Evidence of a flow that was plaintext until it was encrypted.
fn after(before: &Verdict, evidence: Option<&str>) -> String {
    let text = format!(
        "after {}: {}",
        before.protocol,
        evidence.unwrap_or("encrypted")
    );
    match text.char_indices().nth(EVIDENCE_MAX) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

/// What the port and the shape of a message say, where nothing else does.
fn tunnel(encapsulation: Encapsulation) -> Verdict {
    let (protocol, exposure) = match encapsulation {
        Encapsulation::Wireguard => (Protocol::Wireguard, Exposure::Encrypted),
        // Some of it is in the clear.
        _ => (Protocol::Ike, Exposure::Unknown),
    };
    Verdict {
        protocol,
        exposure,
        confidence: Confidence::Likely,
        ..Verdict::unknown()
    }
}
