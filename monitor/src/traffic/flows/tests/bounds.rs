//! What is bounded, what is cut, and what is damaged.

use proptest::prelude::*;

use super::frames::*;
use super::*;

#[test]
fn the_table_gives_up_ended_flows_first_and_says_what_is_not_complete() {
    let mut follow = Follow::new();
    follow.tracker = Tracker::with_limit(Services::default(), Names::default(), 2);
    follow.take(&segment(true, 1, 99, SYN, b""));
    follow.take(&segment(true, 2, 99, SYN, b""));
    follow.take(&segment(false, 2, 99, RST, b""));
    follow.take(&segment(true, 3, 99, SYN, b""));
    follow.take(&segment(true, 4, 99, SYN, b""));
    let (flows, _, summary) = follow.finish();
    let told: Vec<(u16, bool)> = flows
        .iter()
        .map(|flow| (flow.destination.1, flow.complete))
        .collect();
    assert_eq!(told, [(2, true), (1, false), (3, true), (4, true)]);
    assert_eq!((summary.incomplete, summary.packets), (1, 5));
}

#[test]
fn silent_flows_end_with_time() {
    let mut follow = Follow::new();
    follow.take(&segment(true, 1, 99, SYN, b""));
    follow.take(&segment(true, 2, 99, RST, b""));
    follow.now += 61 * 1_000_000_000;
    follow.take(&segment(true, 3, 99, SYN, b""));
    assert_eq!(follow.out.len(), 1);
    follow.now += 3601 * 1_000_000_000;
    follow.take(&segment(true, 4, 99, SYN, b""));
    assert_eq!(follow.out.len(), 3);
    assert!(follow.finish().0.iter().all(|flow| flow.complete));
}

#[test]
fn what_was_cut_by_the_snap_length_is_not_called_malformed() {
    let mut follow = Follow::new();
    follow.snap = 40;
    follow.take(&segment(true, 80, 100, PSH, REQUEST));
    let summary = follow.finish().2;
    assert_eq!(summary.unparsed.get("snap_length"), Some(&1));
}

proptest! {
    /// Each packet is counted once, whatever it is, and nothing panics.
    #[test]
    fn any_damage_is_counted(at in 0..120_usize, value: u8, cut in 0..200_usize, link_type in 0..300_u16) {
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
        let mut follow = Follow::new();
        follow.snap = cut;
        for frame in &frames {
            follow.take(frame);
            let packet = Packet {
                time_ns: i64::from(value) << 55,
                link_type,
                interface: None,
                direction: None,
                bytes: frame,
                wire_len: u32::MAX,
            };
            let out = &mut follow.out;
            follow.tracker.take(&packet, |flow| {
                out.push(flow.clone());
                Ok::<(), Infallible>(())
            }).unwrap();
        }
        let (flows, _, summary) = follow.finish();
        let of_flows: u64 = flows.iter().map(|flow| flow.sent.0 + flow.received.0).sum();
        let others: u64 = summary.not_ip + summary.fragments + summary.unparsed.values().sum::<u64>();
        prop_assert_eq!(summary.packets, 6);
        prop_assert_eq!(of_flows + others, 6);
        for flow in &flows {
            prop_assert!(serde_json::to_string(flow).is_ok());
        }
    }
}
