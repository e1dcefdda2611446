//! A record of the `SAMPLES` ring: a fixed header, then the first bytes of the frame.

use crate::label::Direction;
use crate::reason::Reason;
use crate::walk::Link;

/// Why a packet was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// One in N.
    Periodic = 0,
    /// Among the first payload packets of its flow and direction.
    FlowStart = 1,
}

impl Cause {
    const fn from_index(index: u8) -> Option<Cause> {
        match index {
            0 => Some(Cause::Periodic),
            1 => Some(Cause::FlowStart),
            _ => None,
        }
    }
}

/// `reason` of a packet that was understood.
pub const NO_REASON: u8 = 0xff;

/// What stands before the bytes of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SampleHeader {
    /// `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
    /// Key in `FLOWS` and `VERDICTS`; 0 where the packet has no flow.
    pub flow: u64,
    /// Interface index.
    pub ifindex: u32,
    /// Length of the frame on the wire in bytes, without FCS.
    pub frame_len: u32,
    /// How many bytes of it follow.
    pub captured: u32,
    /// A [`Direction`].
    pub direction: u8,
    /// A [`Cause`].
    pub cause: u8,
    /// A [`Reason`], or [`NO_REASON`].
    pub reason: u8,
    /// What the frame starts with: a [`Link`].
    pub link: u8,
}

impl SampleHeader {
    /// Size in bytes.
    pub const SIZE: usize = 32;
}

const _: () = assert!(size_of::<SampleHeader>() == SampleHeader::SIZE);

/// A sample as user space reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    /// `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
    /// Key in `FLOWS` and `VERDICTS`; 0 where the packet has no flow.
    pub flow: u64,
    /// Interface index.
    pub ifindex: u32,
    /// Length of the frame on the wire in bytes, without FCS.
    pub frame_len: u32,
    /// Which way it crossed the interface.
    pub direction: Direction,
    /// Why it was sampled.
    pub cause: Cause,
    /// Why the kernel did not understand it, if it did not.
    pub reason: Option<Reason>,
    /// What the frame starts with.
    pub link: Link,
    /// The first bytes of the frame, from that header on.
    pub frame: &'a [u8],
}

impl<'a> Sample<'a> {
    /// Reads a ring record. `None` if it is not one: too short, a wrong length or an unknown value.
    #[must_use]
    pub fn parse(record: &'a [u8]) -> Option<Sample<'a>> {
        let (header, frame) = record.split_first_chunk::<{ SampleHeader::SIZE }>()?;
        let word = |at: usize| -> Option<u32> {
            Some(u32::from_ne_bytes(header.get(at..at + 4)?.try_into().ok()?))
        };
        let long = |at: usize| -> Option<u64> {
            Some(u64::from_ne_bytes(header.get(at..at + 8)?.try_into().ok()?))
        };
        let captured = word(24)? as usize;
        let reason = match header[30] {
            NO_REASON => None,
            index => Some(Reason::from_index(index)?),
        };
        Some(Sample {
            time_ns: long(0)?,
            flow: long(8)?,
            ifindex: word(16)?,
            frame_len: word(20)?,
            direction: Direction::from_index(header[28])?,
            cause: Cause::from_index(header[29])?,
            reason,
            link: match header[31] {
                index @ 0..=1 => Link::from_index(index),
                _ => return None,
            },
            frame: frame.get(..captured)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn record() -> Vec<u8> {
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
    fn a_record_reads_back() {
        let bytes = record();
        let sample = Sample::parse(&bytes).unwrap();
        assert_eq!((sample.time_ns, sample.flow, sample.ifindex), (1, 2, 3));
        assert_eq!((sample.frame_len, sample.frame), (1500, &[0xaa; 4][..]));
        assert_eq!(
            (sample.direction, sample.cause, sample.reason),
            (Direction::Tx, Cause::FlowStart, None)
        );
    }

    #[test]
    fn one_byte_short_or_an_unknown_value_is_no_record() {
        let bytes = record();
        for len in 0..bytes.len() {
            assert_eq!(Sample::parse(&bytes[..len]), None, "{len} bytes");
        }
        for (at, value) in [(28, 2), (29, 2), (30, 0xfe), (31, 2), (24, 5)] {
            let mut bytes = record();
            bytes[at] = value;
            assert_eq!(Sample::parse(&bytes), None, "byte {at} = {value}");
        }
    }
}
