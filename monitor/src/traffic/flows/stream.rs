//! One direction of a flow: when its packets are looked at, and which are looked at joined.

use monitor_classify::{Payload, Transport};

/// Most bytes that are joined: as many as are looked at.
pub(super) const JOINED_MAX: usize = 2048;

/// What is kept of one direction.
#[derive(Clone, Debug, Default)]
pub(super) struct Stream {
    /// Packets with a payload so far.
    payloads: u32,
    /// TCP sequence number behind the last payload, once there was one.
    next: Option<u32>,
    /// The last bytes that the next ones may continue.
    joined: Vec<u8>,
}

/// How a payload follows those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// It continues them: all but so many bytes of it are new.
    On(usize),
    /// All of it came before.
    Repeated,
    /// Something is missing in between, or nothing came before.
    Anew,
}

impl Stream {
    /// Notes a payload of `length` bytes; which one of its direction it is, from 0 on, and how it follows. A
    /// datagram (no `sequence`) follows nothing.
    #[inline]
    pub(super) fn note(&mut self, sequence: Option<u32>, length: u32) -> (u32, Follows) {
        let number = self.payloads;
        self.payloads = self.payloads.saturating_add(1);
        let Some(sequence) = sequence else {
            return (number, Follows::Anew);
        };
        let end = sequence.wrapping_add(length);
        let Some(next) = self.next else {
            self.next = Some(end);
            return (number, Follows::Anew);
        };
        // Sequence numbers wrap (RFC 9293, 3.4): they are compared by the sign of their difference.
        let old = next.wrapping_sub(sequence).cast_signed();
        let new = end.wrapping_sub(next).cast_signed();
        let follows = if new <= 0 && old >= 0 {
            Follows::Repeated
        } else if old >= 0 {
            Follows::On(old as usize)
        } else {
            Follows::Anew
        };
        if follows != Follows::Repeated {
            self.next = Some(end);
        }
        (number, follows)
    }

    /// A new start: a segment that opens a connection takes one number.
    pub(super) fn opens(&mut self, sequence: u32) {
        self.next = Some(sequence.wrapping_add(1));
    }

    /// Keeps these bytes alone. `budget` is what all streams together may still keep; it is counted down by
    /// what this one keeps more than before, or up.
    fn keep(&mut self, bytes: &[u8], budget: &mut usize) {
        self.joined.clear();
        self.append(bytes, budget);
    }

    /// Keeps these bytes behind the others, as far as there is room; whether all of them were.
    fn append(&mut self, bytes: &[u8], budget: &mut usize) -> bool {
        let room = JOINED_MAX - self.joined.len().min(JOINED_MAX);
        let new = &bytes[..bytes.len().min(room)];
        let before = self.joined.capacity();
        let needed = (self.joined.len() + new.len()).saturating_sub(before);
        if needed > *budget {
            self.forget(budget);
            return false;
        }
        self.joined.reserve_exact(new.len());
        self.joined.extend_from_slice(new);
        *budget = budget.saturating_sub(self.joined.capacity() - before);
        new.len() == bytes.len()
    }

    /// Takes a payload that follows in this way; gives it joined with what stands before it, if that is known and the
    /// payload does not speak for itself (`told`). [`Stream::settle`] is due when that was looked at.
    pub(super) fn join<'a>(
        &'a mut self,
        payload: &Payload<'a>,
        follows: Follows,
        told: bool,
        budget: &mut usize,
    ) -> Option<Payload<'a>> {
        let new = match follows {
            Follows::On(old) => payload.bytes.get(old..).unwrap_or_default(),
            // Its bytes stand before those that are kept.
            Follows::Repeated => return None,
            Follows::Anew => &[],
        };
        if told || new.is_empty() || self.joined.is_empty() || !self.append(new, budget) {
            self.keep(payload.bytes, budget);
            return None;
        }
        Some(Payload {
            bytes: &self.joined,
            wire_len: u32::try_from(self.joined.len()).unwrap_or(u32::MAX),
            ..*payload
        })
    }

    /// Keeps nothing where nothing can be joined: behind bytes that were not captured, or a datagram, or too many.
    pub(super) fn settle(&mut self, payload: &Payload<'_>, budget: &mut usize) {
        let is_whole = payload.bytes.len() == payload.wire_len as usize;
        if !is_whole || payload.transport != Transport::Tcp || self.joined.len() >= JOINED_MAX {
            self.forget(budget);
        }
    }

    /// Bytes that it keeps.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.joined.capacity()
    }

    /// Keeps nothing any more.
    #[inline]
    pub(super) fn forget(&mut self, budget: &mut usize) {
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
    fn segments_follow_each_other_around_the_end_of_the_numbers() {
        let mut stream = Stream::default();
        let start = u32::MAX - 4;
        assert_eq!(stream.note(Some(start), 3), (0, Follows::Anew));
        assert_eq!(stream.note(Some(start + 3), 4), (1, Follows::On(0)));
        assert_eq!(stream.note(Some(start), 3), (2, Follows::Repeated));
        assert_eq!(stream.note(Some(start + 3), 4), (3, Follows::Repeated));
        assert_eq!(stream.note(Some(1), 5), (4, Follows::On(1)));
        assert_eq!(stream.note(Some(7), 2), (5, Follows::Anew));
        assert_eq!(stream.note(Some(9), 1), (6, Follows::On(0)));
        assert_eq!(stream.note(None, 1), (7, Follows::Anew));
        stream.opens(99);
        assert_eq!(stream.note(Some(100), 1), (8, Follows::On(0)));
    }

    #[test]
    fn what_is_kept_is_bounded_and_given_back() {
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
        one.forget(&mut budget);
        two.forget(&mut budget);
        assert_eq!(budget, 5000);
    }
}
