//! Conversations, built packet by packet.

mod bounds;
mod conversations;
mod frames;
mod verdicts;
mod wrapped;

use std::convert::Infallible;

use monitor_common::count::Count;

use super::*;
use crate::base::udp_ports::UdpPorts;
use crate::traffic::capture::Packet;

/// Tracks packets, each cut to `snap` bytes and a millisecond after the previous one.
struct Tracked {
    tracker: Tracker,
    out: Vec<FlowRecord>,
    now: i64,
    snap: usize,
}

impl Tracked {
    fn new() -> Tracked {
        Tracked {
            tracker: Tracker::new(UdpPorts::default(), Names::default()),
            out: Vec::new(),
            now: 0,
            snap: usize::MAX,
        }
    }

    fn add(&mut self, frame: &[u8]) {
        self.now += 1_000_000;
        let packet = Packet {
            time_ns: self.now,
            link_type: 1,
            interface: None,
            interface_id: None,
            direction: None,
            bytes: &frame[..frame.len().min(self.snap)],
            wire_len: u32::try_from(frame.len()).unwrap(),
        };
        let out = &mut self.out;
        self.tracker
            .add(&packet, |flow| {
                out.push(flow.clone());
                Ok::<(), Infallible>(())
            })
            .unwrap();
    }

    fn finish(self) -> (Vec<FlowRecord>, Vec<EspRecord>, Summary) {
        let (flows, rest) = self.finish_all();
        (flows, rest.associations, rest.summary)
    }

    fn finish_all(mut self) -> (Vec<FlowRecord>, Rest) {
        let out = &mut self.out;
        let rest = self
            .tracker
            .finish(|flow| {
                out.push(flow.clone());
                Ok::<(), Infallible>(())
            })
            .unwrap();
        (self.out, rest)
    }
}

fn count(packets: u64, bytes: u64) -> Count {
    Count { packets, bytes }
}

fn all(frames: &[Vec<u8>]) -> (Vec<FlowRecord>, Vec<EspRecord>, Summary) {
    let mut tracked = Tracked::new();
    frames.iter().for_each(|frame| tracked.add(frame));
    tracked.finish()
}

const REQUEST: &[u8] = b"GET /index.html HTTP/1.1\r\nHost: app1\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi";
