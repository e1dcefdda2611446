//! The frames of each network that belong to no flow: they are not IP, or were not understood.

use std::collections::BTreeMap;

use monitor_common::count::{Count, Total};

use super::frames_record::Content;
use crate::traffic::layer::Layer;
use crate::traffic::not_understood::NotUnderstood;

/// Most rows; frames that find none are only summed, because VNIs can be forged.
const LIMIT: usize = 65_536;

/// A frame inside an overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) vni: u32,
    /// See [`FlowPacket::layers`](super::packet_walk::FlowPacket).
    pub(super) layers: Vec<Layer>,
    /// Its length on the wire.
    pub(super) length: u32,
}

/// The frames of one row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) count: Count,
    /// Times of the first and last frame.
    pub(super) time_ns: (i64, i64),
}

/// VNI, the layers that lead to the frames, and content.
type Key = (u32, Vec<Layer>, Content);

/// Frames by network and content.
#[derive(Default)]
pub(super) struct NetworkFrames {
    rows: BTreeMap<Key, Row>,
    /// Frames that found no row.
    pub(super) overflow: u64,
}

impl NetworkFrames {
    /// Counts a frame that is not IP, by its EtherType.
    pub(super) fn not_ip(&mut self, frame: Inside, ethertype: u16, time_ns: i64) {
        self.count(frame, Content::NotIp(ethertype), time_ns);
    }

    /// Counts a frame that was not understood.
    pub(super) fn not_understood(&mut self, frame: Inside, why: NotUnderstood, time_ns: i64) {
        self.count(frame, Content::NotUnderstood(why), time_ns);
    }

    fn count(&mut self, frame: Inside, content: Content, time_ns: i64) {
        let is_full = self.rows.len() >= LIMIT;
        let key = (frame.vni, frame.layers, content);
        let row = match self.rows.get_mut(&key) {
            Some(row) => row,
            None if is_full => {
                self.overflow += 1;
                return;
            }
            None => self.rows.entry(key).or_insert(Row {
                count: Count::ZERO,
                time_ns: (time_ns, time_ns),
            }),
        };
        row.count.add(Count {
            packets: 1,
            bytes: frame.length.into(),
        });
        let (first, last) = row.time_ns;
        row.time_ns = (first.min(time_ns), last.max(time_ns));
    }

    /// All rows, by VNI and content.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&Key, Row)> {
        self.rows.iter().map(|(key, row)| (key, *row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(vni: u32, length: u32) -> Inside {
        Inside {
            vni,
            layers: Vec::new(),
            length,
        }
    }

    #[test]
    fn forged_networks_are_bounded() {
        let mut frames = NetworkFrames::default();
        for vni in 0..200_000 {
            frames.not_ip(frame(vni, 60), 0x0806, i64::from(vni));
        }
        assert_eq!(frames.rows().count(), LIMIT);
        assert_eq!(frames.overflow, 200_000 - LIMIT as u64);
        frames.not_ip(frame(7, 40), 0x0806, 1);
        let (_, row) = frames.rows().find(|(key, _)| key.0 == 7).unwrap();
        assert_eq!(
            (row.count.packets, row.count.bytes, row.time_ns),
            (2, 100, (1, 7))
        );
    }
}
