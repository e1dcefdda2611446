//! The kernel programs and user space see the same in any bytes: whole frames, mutated ones, noise.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::cell::RefCell;
use std::collections::HashMap;

use monitor::base::udp_ports::UdpPorts;
use monitor::kernel::{Entry, Kernel};
use monitor_common::link::Link;
use monitor_common::load::Captured;
use monitor_common::walk::{self, OuterKind};
use overlay_tests::programs::{counting, entries, load, run};
use overlay_tests::scale::{in_vm, scaled};
use overlay_tests::shape::{Carried, Flow, OuterIp, Shape, Transport, Tunnel, shapes};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// What one packet was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Seen {
    Nothing,
    /// A network, and how many bytes.
    Vni(u32, u64),
    Spi(u32),
    /// A tunnel that has neither network nor association.
    Tunnel(&'static str),
    Reason(&'static str),
}

/// One loaded program; what a packet was taken for is what its counts grew by.
struct Watcher {
    kernel: Kernel,
    entry: Entry,
    before: HashMap<Seen, u64>,
}

impl Watcher {
    fn new(entry: Entry) -> Watcher {
        let kernel = load(&counting());
        Watcher {
            before: counts(&kernel),
            kernel,
            entry,
        }
    }

    fn sees(&mut self, frame: &[u8]) -> Seen {
        run(&mut self.kernel, self.entry, frame, 1);
        let now = counts(&self.kernel);
        let mut seen = Vec::new();
        for (what, count) in &now {
            let before = self.before.get(what).copied().unwrap_or(0);
            if *count != before {
                seen.push(match *what {
                    Seen::Vni(vni, _) => Seen::Vni(vni, count - before),
                    Seen::Nothing | Seen::Spi(_) | Seen::Tunnel(_) | Seen::Reason(_) => *what,
                });
            }
        }
        self.before = now;
        assert!(seen.len() <= 1, "one packet, one count: {seen:?}");
        seen.pop().unwrap_or(Seen::Nothing)
    }
}

/// Bytes of each VNI, packets of everything else.
fn counts(kernel: &Kernel) -> HashMap<Seen, u64> {
    let counters = kernel.counters().unwrap();
    let vnis = counters.iter().filter_map(|(key, count)| {
        let encapsulation = key.encapsulation()?;
        Some(if encapsulation.has_vni() {
            (Seen::Vni(key.vni()?, 0), count.bytes)
        } else {
            (Seen::Tunnel(encapsulation.label()), count.packets)
        })
    });
    let esp = kernel.esp().unwrap();
    let spis = esp
        .iter()
        .map(|(key, count)| (Seen::Spi(key.spi), count.packets));
    let reasons = kernel.reasons().unwrap();
    let reasons = reasons
        .iter()
        .map(|(key, packets)| (Seen::Reason(key.reason().unwrap().label()), *packets));
    let mut all = HashMap::new();
    for (what, count) in vnis.chain(spis).chain(reasons) {
        // Mutated addresses make several associations of one SPI.
        *all.entry(what).or_default() += count;
    }
    all
}

fn in_user_space(frame: &[u8]) -> Seen {
    let packet = Captured {
        bytes: frame,
        frame_len: frame.len(),
    };
    let udp_ports = UdpPorts::default();
    let outer = walk::outer(&packet, Link::Ethernet, |port| udp_ports.of(port));
    match outer.kind {
        OuterKind::NotIp | OuterKind::Host => Seen::Nothing,
        OuterKind::Overlay => Seen::Vni(outer.vni, frame.len() as u64),
        OuterKind::Association => Seen::Spi(outer.spi),
        OuterKind::Tunnel => Seen::Tunnel(outer.encapsulation.label()),
        OuterKind::LaterFragment => Seen::Reason("fragment"),
        OuterKind::Unparsed => Seen::Reason(outer.reason.label()),
    }
}

/// A packet of each kind.
fn kinds() -> Vec<Vec<u8>> {
    let flow = Flow {
        transport: Transport::Tcp,
        source: ("10.0.1.7".parse().unwrap(), 39_040),
        destination: ("10.0.1.3".parse().unwrap(), 6379),
    };
    let tunnels = [
        Tunnel::None,
        Tunnel::Vxlan(4096, Carried::Ethernet),
        Tunnel::VxlanGpe(4096, Carried::Ip),
        Tunnel::Geneve(4096, Carried::Ethernet, 2),
        Tunnel::Esp(0x1234),
        Tunnel::EspNull(4096),
        Tunnel::EspUdpNull(4096),
        Tunnel::Ah(0x1234),
        Tunnel::AhVxlan(4096),
        Tunnel::EspUdp(0x1234),
        Tunnel::Ike,
        Tunnel::Wireguard(4),
    ];
    let outers = [OuterIp::V4(0), OuterIp::V4(3), OuterIp::V6(vec![0, 60])];
    let tags = [vec![], vec![(0x88a8, 1), (0x8100, 2)]];
    let mut all = Vec::new();
    for tunnel in tunnels {
        // The host's own flow decides the version itself.
        let outers = match tunnel {
            Tunnel::None | Tunnel::Ah(_) => &outers[..2],
            _ => &outers[..],
        };
        for outer in outers {
            let shape = Shape {
                tags: tags[all.len() % 2].clone(),
                outer: outer.clone(),
                tunnel: tunnel.clone(),
                flow,
                payload: b"*2\r\n$7\r\nHGETALL\r\n$2\r\nip\r\n".to_vec(),
            };
            all.push(shape.frame());
        }
    }
    all
}

/// The kernel refuses test runs of less than an Ethernet header.
const SHORTEST: usize = 14;

#[test]
fn every_truncation_of_every_kind() {
    let mut watcher = Watcher::new(Entry::Xdp);
    let step = if in_vm() { 7 } else { 1 };
    for shape in kinds() {
        for len in (SHORTEST..=shape.len()).rev().step_by(step) {
            let frame = &shape[..len];
            assert_eq!(
                watcher.sees(frame),
                in_user_space(frame),
                "{len} of {shape:02x?}"
            );
        }
    }
}

#[test]
fn mutated_frames_and_noise() {
    let watchers: Vec<_> = entries()
        .into_iter()
        .map(|entry| RefCell::new(Watcher::new(entry)))
        .collect();
    let mutated = (
        shapes(),
        prop::collection::vec((0usize..120, any::<u8>()), 1..8),
        0usize..200,
    )
        .prop_map(|(shape, changes, cut)| {
            let mut frame = shape.frame();
            for (at, value) in changes {
                let len = frame.len();
                frame[at % len] = value;
            }
            // Not inside the outer IP header: kernels refuse to make a socket buffer of that.
            frame.truncate(frame.len().min(SHORTEST + 48 + cut));
            frame
        });
    let noise = prop::collection::vec(any::<u8>(), SHORTEST + 48..300);
    let strategy = (prop_oneof![4 => mutated, 1 => noise], 0..watchers.len());
    let config = ProptestConfig {
        cases: scaled(4000) as u32,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&strategy, |(frame, entry)| {
            let (in_kernel, expected) = (
                watchers[entry].borrow_mut().sees(&frame),
                in_user_space(&frame),
            );
            // The kernel can attribute a later fragment by an earlier frame; user space sees only this one.
            if expected != Seen::Reason("fragment") {
                prop_assert_eq!(in_kernel, expected);
            }
            Ok(())
        })
        .unwrap();
}
