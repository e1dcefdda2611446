//! Limits, and cut or damaged packets.

use proptest::prelude::*;

use super::*;
use crate::traffic::not_understood::NotUnderstood;
use crate::traffic::test_frames::*;

#[test]
fn a_full_table_drops_closed_flows_first_and_marks_incomplete_ones() {
    let mut tracked = Tracked::new();
    tracked.tracker = Tracker::with_limit(UdpPorts::default(), Names::default(), 2);
    tracked.add(&segment(true, 1, 99, SYN, b""));
    tracked.add(&segment(true, 2, 99, SYN, b""));
    tracked.add(&segment(false, 2, 99, RST, b""));
    tracked.add(&segment(true, 3, 99, SYN, b""));
    tracked.add(&segment(true, 4, 99, SYN, b""));
    let (flows, _, summary) = tracked.finish();
    let reported: Vec<(u16, bool)> = flows
        .iter()
        .map(|flow| (flow.destination.1, flow.complete))
        .collect();
    assert_eq!(reported, [(2, true), (1, false), (3, true), (4, true)]);
    assert_eq!((summary.incomplete, summary.count.packets), (1, 5));
}

#[test]
fn a_flow_that_was_reported_early_is_complete_in_no_record() {
    let mut tracked = Tracked::new();
    tracked.tracker = Tracker::with_limit(UdpPorts::default(), Names::default(), 1);
    tracked.add(&segment(true, 1, 100, ACK, b""));
    tracked.add(&segment(true, 2, 100, ACK, b""));
    tracked.add(&segment(true, 1, 101, ACK, b""));
    // Another connection between the same ends has a beginning of its own.
    tracked.add(&segment(true, 2, 500, SYN, b""));
    let flows = tracked.finish().0;
    let reported: Vec<(u16, bool)> = flows
        .iter()
        .map(|flow| (flow.destination.1, flow.complete))
        .collect();
    assert_eq!(reported, [(1, false), (2, false), (1, false), (2, true)]);
}

#[test]
fn closed_flows_are_reported_with_time() {
    let mut tracked = Tracked::new();
    tracked.add(&segment(true, 1, 99, SYN, b""));
    tracked.add(&segment(true, 2, 99, RST, b""));
    for _ in 0..7 {
        tracked.now += 10 * 1_000_000_000;
        tracked.add(&segment(true, 3, 99, SYN, b""));
    }
    assert_eq!(tracked.out.len(), 1);
    assert_eq!(tracked.out[0].destination.1, 2);
    assert!(tracked.finish().0.iter().all(|flow| flow.complete));
}

#[test]
fn silence_and_a_clock_that_is_set_split_no_flow() {
    const HOUR: i64 = 3600 * 1_000_000_000;
    for steps in [
        [2 * HOUR, 1, 1],
        [5 * HOUR, -9 * HOUR, 1],
        [-9 * HOUR, 12 * HOUR, -HOUR],
        [i64::MAX / 4, -(i64::MAX / 2), HOUR],
    ] {
        let mut tracked = Tracked::new();
        tracked.now = 10 * HOUR;
        let datagram = |from: u16| {
            let datagram = udp((from, 5353), b"x");
            overlay(7, &ethernet(&ipv4(17, (CLIENT, SERVER), 9, 0, &datagram)))
        };
        tracked.add(&segment(true, 80, 99, SYN, b""));
        tracked.add(&datagram(1000));
        for (step, flags) in steps.into_iter().zip([ACK, FIN, ACK]) {
            tracked.now += step;
            tracked.add(&segment(true, 80, 100, flags, b""));
            tracked.add(&segment(false, 80, 200, flags, b""));
            tracked.add(&datagram(1000));
        }
        let flows = tracked.finish().0;
        let counted: Vec<(u64, u64, bool)> = flows
            .iter()
            .map(|flow| (flow.sent.packets, flow.received.packets, flow.complete))
            .collect();
        assert_eq!(counted, [(4, 3, true), (4, 0, true)], "{steps:?}");
    }
}

#[test]
fn packets_cut_by_the_snap_length_are_not_malformed() {
    let mut tracked = Tracked::new();
    tracked.snap = 40;
    tracked.add(&segment(true, 80, 100, PSH, REQUEST));
    let summary = tracked.finish().2;
    assert_eq!(summary.unparsed.get(&NotUnderstood::SnapLength), Some(&1));
}

proptest! {
    /// Each packet is counted once, and nothing panics.
    #[test]
    fn damaged_packets_are_counted_once(at in 0..120_usize, value: u8, cut in 0..200_usize, link_type in 0..300_u16) {
        let mut frames = vec![
            segment(true, 80, 99, SYN, b""),
            segment(true, 80, 100, PSH, REQUEST),
            overlay(7, &ethernet(&ipv4(17, (CLIENT, SERVER), 9, 0x2000, &udp((1, 2), &[1; 64])))),
        ];
        for frame in &mut frames {
            if let Some(byte) = frame.get_mut(at) {
                *byte = value;
            }
        }
        let mut tracked = Tracked::new();
        tracked.snap = cut;
        for frame in &frames {
            tracked.add(frame);
            let packet = Packet {
                time_ns: i64::from(value) << 55,
                link_type,
                interface: None,
                interface_id: None,
                direction: None,
                bytes: frame,
                wire_len: u32::MAX,
            };
            let out = &mut tracked.out;
            tracked.tracker.add(&packet, |flow| {
                out.push(flow.clone());
                Ok::<(), Infallible>(())
            }).unwrap();
        }
        let (flows, _, summary) = tracked.finish();
        let of_flows: u64 = flows.iter().map(|flow| flow.sent.packets + flow.received.packets).sum();
        let others: u64 = summary.not_ip + summary.fragments + summary.repeated + summary.unparsed.values().sum::<u64>();
        prop_assert_eq!(summary.count.packets, 6);
        prop_assert_eq!(of_flows + others, 6);
        for flow in &flows {
            prop_assert!(serde_json::to_string(flow).is_ok());
        }
    }
}
