//! One direction of a flow: numbers its payloads, and joins those that continue each other.

use monitor_classify::{Payload, Transport};

/// Most bytes that are joined: as many as the classifiers read.
pub(super) const JOINED_MAX: usize = 2048;

/// One direction of a flow.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// Number of payloads so far.
    payloads: u32,
    /// TCP sequence number after the last payload, once there was one.
    next: Option<u32>,
    /// The last bytes, which the next payload may continue.
    joined: Vec<u8>,
}

/// How a payload relates to the previous ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// It continues them; its first bytes, of this number, are repeated.
    Continues(usize),
    /// All of it is repeated.
    Repeated,
    /// Bytes in between are missing, or there was no payload before.
    Gap,
}

impl Stream {
    /// Counts a payload of `length` bytes. Returns its number in this direction, from 0 on, and its continuity. A
    /// datagram (no `sequence`) continues nothing.
    #[inline]
    pub(super) fn advance(&mut self, sequence: Option<u32>, length: u32) -> (u32, Continuity) {
        let number = self.payloads;
        self.payloads = self.payloads.saturating_add(1);
        let Some(sequence) = sequence else {
            return (number, Continuity::Gap);
        };
        let end = sequence.wrapping_add(length);
        let Some(next) = self.next else {
            self.next = Some(end);
            return (number, Continuity::Gap);
        };
        // Sequence numbers wrap (RFC 9293, 3.4), so they are compared by the sign of their difference.
        let old = next.wrapping_sub(sequence).cast_signed();
        let new = end.wrapping_sub(next).cast_signed();
        let continuity = if new <= 0 && old >= 0 {
            Continuity::Repeated
        } else if old >= 0 {
            Continuity::Continues(old as usize)
        } else {
            Continuity::Gap
        };
        if continuity != Continuity::Repeated {
            self.next = Some(end);
        }
        (number, continuity)
    }

    /// Whether a payload with this sequence number continues the last one without a gap, and repeats none of it.
    #[inline]
    pub(super) fn is_next(&self, sequence: Option<u32>) -> bool {
        sequence.is_some() && sequence == self.next
    }

    /// Starts a connection: its opening segment takes one sequence number.
    pub(super) fn open(&mut self, sequence: u32) {
        self.next = Some(sequence.wrapping_add(1));
    }

    /// Replaces the kept bytes. `budget` is the number of bytes that all streams together may still keep; it changes by
    /// the difference.
    fn keep(&mut self, bytes: &[u8], budget: &mut usize) {
        self.joined.clear();
        self.append(bytes, budget);
    }

    /// Appends bytes to those kept, as far as there is room. Returns whether all fitted.
    fn append(&mut self, bytes: &[u8], budget: &mut usize) -> bool {
        let room = JOINED_MAX - self.joined.len().min(JOINED_MAX);
        let new = &bytes[..bytes.len().min(room)];
        let before = self.joined.capacity();
        let needed = (self.joined.len() + new.len()).saturating_sub(before);
        if needed > *budget {
            self.clear(budget);
            return false;
        }
        self.joined.reserve_exact(new.len());
        self.joined.extend_from_slice(new);
        *budget = budget.saturating_sub(self.joined.capacity() - before);
        new.len() == bytes.len()
    }

    /// Keeps a payload, and returns it joined with the previous bytes, if those are kept and the verdict on the payload
    /// alone is not `conclusive`. The caller calls [`Stream::settle`] after inspecting the result.
    pub(super) fn join<'a>(
        &'a mut self,
        payload: &Payload<'a>,
        continuity: Continuity,
        conclusive: bool,
        budget: &mut usize,
    ) -> Option<Payload<'a>> {
        let new = match continuity {
            Continuity::Continues(old) => payload.bytes.get(old..).unwrap_or_default(),
            // Its bytes are among those kept already, or before them.
            Continuity::Repeated => return None,
            Continuity::Gap => &[],
        };
        if conclusive || new.is_empty() || self.joined.is_empty() || !self.append(new, budget) {
            self.keep(payload.bytes, budget);
            return None;
        }
        Some(Payload {
            bytes: &self.joined,
            wire_len: u32::try_from(self.joined.len()).unwrap_or(u32::MAX),
            ..*payload
        })
    }

    /// Drops the kept bytes if nothing can be appended: the payload was not captured completely, is a datagram, or the
    /// limit is reached.
    pub(super) fn settle(&mut self, payload: &Payload<'_>, budget: &mut usize) {
        let is_whole = payload.bytes.len() == payload.wire_len as usize;
        if !is_whole || payload.transport != Transport::Tcp || self.joined.len() >= JOINED_MAX {
            self.clear(budget);
        }
    }

    /// Number of bytes allocated.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.joined.capacity()
    }

    /// Drops the kept bytes.
    #[inline]
    pub(super) fn clear(&mut self, budget: &mut usize) {
        if self.joined.capacity() != 0 {
            *budget += self.joined.capacity();
            self.joined = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continuity_holds_when_sequence_numbers_wrap() {
        let mut stream = Stream::default();
        let start = u32::MAX - 4;
        assert_eq!(stream.advance(Some(start), 3), (0, Continuity::Gap));
        assert_eq!(
            stream.advance(Some(start + 3), 4),
            (1, Continuity::Continues(0))
        );
        assert_eq!(stream.advance(Some(start), 3), (2, Continuity::Repeated));
        assert_eq!(
            stream.advance(Some(start + 3), 4),
            (3, Continuity::Repeated)
        );
        assert_eq!(stream.advance(Some(1), 5), (4, Continuity::Continues(1)));
        assert_eq!(stream.advance(Some(7), 2), (5, Continuity::Gap));
        assert_eq!(stream.advance(Some(9), 1), (6, Continuity::Continues(0)));
        assert_eq!(stream.advance(None, 1), (7, Continuity::Gap));
        assert!(stream.is_next(Some(10)) && !stream.is_next(Some(9)) && !stream.is_next(None));
        assert!(!Stream::default().is_next(None));
        stream.open(99);
        assert_eq!(stream.advance(Some(100), 1), (8, Continuity::Continues(0)));
    }

    #[test]
    fn a_joined_payload_is_as_long_as_its_bytes() {
        let mut budget = 5000;
        let mut stream = Stream::default();
        let payload = |bytes| Payload {
            bytes,
            wire_len: 3,
            transport: Transport::Tcp,
            src_port: 40_000,
            dst_port: 80,
        };
        let (one, two) = (payload(b"abc"), payload(b"def"));
        assert!(
            stream
                .join(&one, Continuity::Gap, false, &mut budget)
                .is_none()
        );
        let joined = stream
            .join(&two, Continuity::Continues(0), false, &mut budget)
            .unwrap();
        assert_eq!((joined.bytes, joined.wire_len), (&b"abcdef"[..], 6));
        assert_eq!((joined.src_port, joined.dst_port), (40_000, 80));
    }

    #[test]
    fn kept_bytes_are_bounded_and_returned_to_the_budget() {
        let mut budget = 5000;
        let (mut one, mut two) = (Stream::default(), Stream::default());
        assert!(one.append(&[1; 1500], &mut budget));
        assert_eq!(budget, 3500);
        assert!(!one.append(&[2; 1500], &mut budget), "full");
        assert_eq!((one.joined.len(), budget), (JOINED_MAX, 5000 - JOINED_MAX));
        two.keep(&[3; 2000], &mut budget);
        assert_eq!(budget, 5000 - JOINED_MAX - 2000);
        let mut three = Stream::default();
        assert!(!three.append(&[4; 1000], &mut budget), "no room for all");
        assert!(three.joined.is_empty());
        two.keep(&[3; 10], &mut budget);
        assert_eq!(two.joined, [3; 10]);
        one.clear(&mut budget);
        two.clear(&mut budget);
        assert_eq!(budget, 5000);
    }
}
