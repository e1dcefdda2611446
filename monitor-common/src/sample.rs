//! An entry of the `SAMPLES` ring: a fixed header, then the first bytes of the frame.

use crate::direction::Direction;
use crate::link::Link;
use crate::reason::Reason;
use crate::shared::{Shared, shared};

/// Why a packet was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Trigger {
    /// Its turn: one packet in N.
    Periodic = 0,
    /// It is among the first payload packets of its flow and direction.
    FlowStart = 1,
}

impl Trigger {
    const fn from_index(index: u8) -> Option<Trigger> {
        match index {
            0 => Some(Trigger::Periodic),
            1 => Some(Trigger::FlowStart),
            _ => None,
        }
    }
}

/// [`SampleHeader::reason`] of a packet that was parsed.
pub const NO_REASON: u8 = 0xff;

shared! {
    /// What stands before the bytes of the frame.
    pub struct SampleHeader {
        /// `CLOCK_MONOTONIC` in nanoseconds.
        pub time_ns: u64,
        /// Key in `FLOWS` and `VERDICTS`; 0 if the packet has no flow.
        pub flow: u64,
        /// Interface index.
        pub ifindex: u32,
        /// Length of the frame on the wire in bytes, without FCS.
        pub frame_len: u32,
        /// Bytes of it that follow.
        pub captured: u32,
        /// A [`Direction`].
        pub direction: u8,
        /// A [`Trigger`].
        pub trigger: u8,
        /// A [`Reason`], or [`NO_REASON`].
        pub reason: u8,
        /// What the frame starts with: a [`Link`].
        pub link: u8,
    }
}

/// A sample as user space reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
    /// Key in `FLOWS` and `VERDICTS`; 0 if the packet has no flow.
    pub flow: u64,
    /// Interface index.
    pub ifindex: u32,
    /// Length of the frame on the wire in bytes, without FCS.
    pub frame_len: u32,
    /// Which way it crossed the interface.
    pub direction: Direction,
    /// Why it was sampled.
    pub trigger: Trigger,
    /// Why the kernel could not parse it; `None` if it could.
    pub reason: Option<Reason>,
    /// What the frame starts with.
    pub link: Link,
    /// The first bytes of the frame, from that header on.
    pub frame: &'a [u8],
}

impl<'a> Sample<'a> {
    /// Reads an entry of the ring. `None` if it is too short for its header or its length, or has an unknown value.
    #[must_use]
    pub fn parse(entry: &'a [u8]) -> Option<Sample<'a>> {
        let (header, frame) = SampleHeader::take(entry)?;
        let reason = match header.reason {
            NO_REASON => None,
            index => Some(Reason::from_index(index)?),
        };
        let link = match Link::from_index(header.link) {
            Link::Other => return None,
            link => link,
        };
        Some(Sample {
            time_ns: header.time_ns,
            flow: header.flow,
            ifindex: header.ifindex,
            frame_len: header.frame_len,
            direction: Direction::from_index(header.direction)?,
            trigger: Trigger::from_index(header.trigger)?,
            reason,
            link,
            frame: frame.get(..header.captured as usize)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn entry() -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(1u64.to_ne_bytes());
        bytes.extend(2u64.to_ne_bytes());
        bytes.extend(3u32.to_ne_bytes());
        bytes.extend(1500u32.to_ne_bytes());
        bytes.extend(4u32.to_ne_bytes());
        bytes.extend([1, 1, NO_REASON, 0]);
        bytes.extend([0xaa; 4]);
        bytes
    }

    #[test]
    fn an_entry_reads_back() {
        let bytes = entry();
        let sample = Sample::parse(&bytes).unwrap();
        assert_eq!((sample.time_ns, sample.flow, sample.ifindex), (1, 2, 3));
        assert_eq!((sample.frame_len, sample.frame), (1500, &[0xaa; 4][..]));
        assert_eq!(
            (sample.direction, sample.trigger, sample.reason),
            (Direction::Tx, Trigger::FlowStart, None)
        );
    }

    #[test]
    fn one_byte_short_or_an_unknown_value_is_no_entry() {
        let bytes = entry();
        for len in 0..bytes.len() {
            assert_eq!(Sample::parse(&bytes[..len]), None, "{len} bytes");
        }
        for (at, value) in [(28, 2), (29, 2), (30, 0xfe), (31, 2), (24, 5)] {
            let mut bytes = entry();
            bytes[at] = value;
            assert_eq!(Sample::parse(&bytes), None, "byte {at} = {value}");
        }
    }
}
