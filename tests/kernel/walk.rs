//! The kernel programs and user space see the same in any bytes: whole frames, mutated ones, noise.

use monitor::kernel::Entry;
use monitor_common::config::Ports;
use monitor_common::label::Direction;
use monitor_common::load::Captured;
use monitor_common::walk::{self, Kind};
use overlay_tests::frame::{esp, ethernet, ipv4, ipv6, overlay, redis_command, tagged, udp, vxlan};
use overlay_tests::programs::{counting, entries, load, run};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

/// What one packet was taken for.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    Vni(u32, u64),
    Spi(u32),
    Reason(&'static str),
}

fn in_the_kernel(entry: Entry, frame: &[u8]) -> Seen {
    let mut kernel = load(&counting());
    run(&mut kernel, entry, frame, 1);
    let counters = kernel.counters().unwrap();
    let mut seen: Vec<Seen> = counters
        .iter()
        .filter(|(_, count)| count.packets != 0)
        .map(|(key, count)| Seen::Vni(key.vni().unwrap(), count.bytes))
        .collect();
    let esp = kernel.esp().unwrap();
    seen.extend(esp.iter().filter(|(_, count)| count.packets != 0).map(|(key, _)| Seen::Spi(key.spi)));
    let reasons = kernel.reasons().unwrap();
    seen.extend(
        reasons
            .iter()
            .filter(|(_, packets)| **packets != 0)
            .map(|(key, _)| Seen::Reason(key.reason().unwrap().label())),
    );
    assert!(seen.len() <= 1, "one packet, one count: {seen:?}");
    seen.pop().unwrap_or(Seen::Nothing)
}

fn in_user_space(frame: &[u8]) -> Seen {
    let packet = Captured { bytes: frame, frame_len: frame.len() };
    let outer = walk::outer(&packet, &Ports::new(&[4789]).unwrap());
    match outer.kind {
        Kind::NotIp | Kind::Host => Seen::Nothing,
        Kind::Vxlan => Seen::Vni(outer.vni, frame.len() as u64),
        Kind::Esp => Seen::Spi(outer.spi),
        Kind::Unparsed => Seen::Reason(outer.reason.label()),
    }
}

fn shapes() -> Vec<Vec<u8>> {
    let inner = redis_command();
    let datagram = udp(49152, 4789, &vxlan(4096, &inner));
    vec![
        overlay(4096, &inner),
        tagged(0x88a8, 1, &tagged(0x8100, 2, &overlay(7, &inner))),
        ethernet(0x0800, &ipv4(17, &[1; 12], &datagram)),
        ethernet(0x86dd, &ipv6(17, &datagram)),
        ethernet(0x0800, &ipv4(50, &[], &esp(0x1234, 1))),
        ethernet(0x86dd, &ipv6(50, &esp(0x1234, 1))),
        inner,
    ]
}

/// The kernel refuses test runs of less than an Ethernet header.
const SHORTEST: usize = 14;

#[test]
fn every_truncation_of_every_shape() {
    for shape in shapes() {
        for len in SHORTEST..=shape.len() {
            let frame = &shape[..len];
            assert_eq!(in_the_kernel(Entry::Tc(Direction::Rx), frame), in_user_space(frame), "{len} of {shape:02x?}");
        }
    }
}

#[test]
fn mutated_frames_and_noise() {
    let entries = entries();
    let shapes = shapes();
    let mutated = (0..shapes.len(), prop::collection::vec((0usize..120, any::<u8>()), 1..8), 0usize..200).prop_map(
        move |(shape, changes, cut)| {
            let mut frame = shapes[shape].clone();
            for (at, value) in changes {
                let len = frame.len();
                frame[at % len] = value;
            }
            frame.truncate(frame.len().min(SHORTEST + cut));
            frame
        },
    );
    let noise = prop::collection::vec(any::<u8>(), SHORTEST..300);
    let strategy = (prop_oneof![4 => mutated, 1 => noise], 0..entries.len());
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config)
        .run(&strategy, |(frame, entry)| {
            prop_assert_eq!(in_the_kernel(entries[entry], &frame), in_user_space(&frame));
            Ok(())
        })
        .unwrap();
}
