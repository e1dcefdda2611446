//! Three decoders of the same packets agree: the kernel programs, user space, and tshark.
//!
//! Each packet is made from a [`Shape`], which also says how it must be decoded.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::HashMap;

use aya::maps::{MapData, RingBuf};
use monitor::base::udp_ports::UdpPorts;
use monitor::kernel::{Entry, Kernel, LoadOptions};
use monitor::traffic::decode::Decoder;
use monitor::traffic::flows::LiveFlows;

use monitor_common::config::HostFlows;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::link::Link;
use monitor_common::sample::{Sample, Trigger};
use overlay_tests::programs::{direction, entries, load, run};
use overlay_tests::scale::scaled;
use overlay_tests::shape::{Decoded, Flow, Shape, Transport, shapes};
use overlay_tests::tshark;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// How many well-formed packets.
const PACKETS: usize = 3_000;
/// How many damaged ones. Their VNIs and SPIs are any, and so there are ever more counters to be read.
const DAMAGED: usize = 1_000;

/// One loaded program, and what it has counted so far.
struct Watcher {
    kernel: Kernel,
    ring: RingBuf<MapData>,
    entry: Entry,
    before: HashMap<Decoded, u64>,
    /// Which flow each hash of the kernel stands for, and the other way round.
    flows: HashMap<u64, (Option<u32>, Flow)>,
    hashes: HashMap<(Option<u32>, Flow), u64>,
}

impl Watcher {
    fn new(entry: Entry) -> Watcher {
        // Every packet with a payload is sampled, and its flow looked up.
        let mut kernel = load(&LoadOptions {
            sample_every: 1,
            flow_samples: u32::MAX,
            host_flows: HostFlows::All,
            ..LoadOptions::default()
        });
        Watcher {
            ring: kernel.take_samples().unwrap(),
            before: counts(&kernel),
            kernel,
            entry,
            flows: HashMap::new(),
            hashes: HashMap::new(),
        }
    }

    /// What the kernel counted this packet as, but for the flow, and the flow's hash.
    fn sees(&mut self, frame: &[u8]) -> (Vec<Decoded>, u64) {
        run(&mut self.kernel, self.entry, frame, 1);
        let now = counts(&self.kernel);
        let mut seen = Vec::new();
        for (what, count) in &now {
            let before = self.before.get(what).copied().unwrap_or_default();
            assert!(*count <= before + 1, "one packet, one count: {what:?}");
            if *count != before {
                seen.push(what.clone());
            }
        }
        self.before = now;
        let mut hash = 0;
        while let Some(record) = self.ring.next() {
            let sample = Sample::parse(&record).unwrap();
            assert_eq!(sample.frame, &frame[..frame.len().min(256)]);
            hash = sample.flow;
        }
        (seen, hash)
    }

    /// The kernel's hash stands for this flow, in either direction, and for no other.
    fn same_flow(&mut self, hash: u64, decoded: &Decoded) {
        let flow = (decoded.vni, decoded.flow.unwrap().sorted());
        assert_ne!(hash, 0, "{:?}: no flow in {decoded:?}", self.entry);
        assert_eq!(*self.flows.entry(hash).or_insert(flow), flow);
        assert_eq!(*self.hashes.entry(flow).or_insert(hash), hash, "{flow:?}");
    }
}

/// Packets of everything that is counted, with no flow.
fn counts(kernel: &Kernel) -> HashMap<Decoded, u64> {
    let mut all = HashMap::new();
    let mut add = |encapsulation, vni, spi, packets| {
        if packets != 0 {
            let decoded = Decoded {
                encapsulation,
                vni,
                spi,
                flow: None,
            };
            *all.entry(decoded).or_default() += packets;
        }
    };
    for (key, count) in kernel.counters().unwrap() {
        let encapsulation = key.encapsulation().unwrap();
        let vni = key.vni().filter(|_| encapsulation.has_vni());
        add(encapsulation.label(), vni, None, count.packets);
    }
    for (key, count) in kernel.esp().unwrap() {
        let encapsulation = u8::try_from(key.encapsulation).unwrap();
        let encapsulation = Encapsulation::from_index(encapsulation).unwrap();
        add(encapsulation.label(), None, Some(key.spi), count.packets);
    }
    for (key, packets) in kernel.reasons().unwrap() {
        add(key.reason().unwrap().label(), None, None, packets);
    }
    all
}

/// What user space makes of the sample that the kernel would have sent.
fn in_user_space(frame: &[u8], entry: Direction) -> Decoded {
    let decoder = Decoder {
        udp_ports: UdpPorts::default(),
        show_payload: false,
        show_users: false,
    };
    let sample = Sample {
        time_ns: 0,
        flow: 0,
        ifindex: 1,
        frame_len: u32::try_from(frame.len()).unwrap(),
        direction: entry,
        trigger: Trigger::Periodic,
        reason: None,
        link: Link::Ethernet,
        frame,
    };
    let record = decoder.decode(
        &mut LiveFlows::default(),
        &sample,
        "2026-01-01T00:00:00Z".parse().unwrap(),
        "eth0",
    );
    let transport = match record.transport {
        Some(monitor_classify::Transport::Tcp) => Some(Transport::Tcp),
        Some(monitor_classify::Transport::Udp) => Some(Transport::Udp),
        Some(monitor_classify::Transport::Icmp | monitor_classify::Transport::Icmpv6) => {
            Some(Transport::Icmp)
        }
        _ => None,
    };
    let flow = transport.zip(record.inner).map(|(transport, ends)| Flow {
        transport,
        source: (ends.source, record.source_port),
        destination: (ends.destination, record.destination_port),
    });
    Decoded {
        encapsulation: record.encapsulation.label(),
        vni: record.vni,
        spi: record.spi,
        flow,
    }
}

fn several<T: std::fmt::Debug>(strategy: &impl Strategy<Value = T>, count: usize) -> Vec<T> {
    let mut runner = TestRunner::default();
    let mut all = Vec::with_capacity(count);
    all.resize_with(count, || strategy.new_tree(&mut runner).unwrap().current());
    all
}

#[test]
fn kernel_user_space_and_tshark_agree() {
    // Some flows more than once, so that "the same flow" is checked too, in both directions.
    let mut all: Vec<Shape> = several(&shapes(), scaled(PACKETS));
    for n in 0..all.len() / 4 {
        let mut again = all[n].clone();
        (again.flow.source, again.flow.destination) = (again.flow.destination, again.flow.source);
        again.payload.reverse();
        all.push(again);
    }
    let frames: Vec<Vec<u8>> = all.iter().map(Shape::frame).collect();
    let by_tshark = tshark::read(&frames);
    for ((shape, frame), decoded) in all.iter().zip(&frames).zip(&by_tshark) {
        assert_eq!(*decoded, shape.expected(), "tshark: {shape:?} {frame:02x?}");
    }
    for entry in entries() {
        let mut watcher = Watcher::new(entry);
        for ((shape, frame), decoded) in all.iter().zip(&frames).zip(&by_tshark) {
            let (seen, hash) = watcher.sees(frame);
            let without_flow = Decoded {
                flow: None,
                ..decoded.clone()
            };
            assert_eq!(seen, [without_flow], "{entry:?}: {shape:?} {frame:02x?}");
            if decoded.flow.is_some() {
                watcher.same_flow(hash, decoded);
            }
            // A reason stands in the sample, which user space does not find out again.
            if decoded.encapsulation != "vxlan_no_vni" {
                let read = in_user_space(frame, direction(entry));
                assert_eq!(read, *decoded, "user space: {shape:?} {frame:02x?}");
            }
        }
    }
}

/// A well-formed packet with some bytes changed, and cut off somewhere.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let changes = prop::collection::vec((0usize..140, any::<u8>()), 0..8);
    (shapes(), changes, any::<prop::sample::Index>()).prop_map(|(shape, changes, cut)| {
        let mut frame = shape.frame();
        let len = frame.len();
        for (at, value) in changes {
            frame[at % len] = value;
        }
        // Kernels refuse to make a socket buffer of a frame that ends inside its IP header.
        let shortest = 14 + 8 + 40;
        frame.truncate(shortest + cut.index(len.saturating_sub(shortest).max(1)));
        frame
    })
}

#[test]
fn damaged_packets_do_no_harm() {
    let frames = several(&damaged(), scaled(DAMAGED));
    assert_eq!(tshark::read(&frames).len(), frames.len());
    for entry in entries() {
        let mut watcher = Watcher::new(entry);
        for frame in &frames {
            // It passes the packet, counts it once, and samples its very bytes. A reason beside that
            // says that what is inside the network was not understood.
            let (seen, _) = watcher.sees(frame);
            let of_inside = |decoded: &&Decoded| decoded.encapsulation.starts_with("inner_");
            let inside = seen.iter().filter(of_inside).count();
            assert!(
                seen.len() <= 1 || (seen.len() == 2 && inside == 1),
                "{seen:?}: {frame:02x?}"
            );
            in_user_space(frame, direction(entry));
        }
    }
}
