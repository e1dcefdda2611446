//! Frames of networks that belong to no flow.

use monitor_common::reason::Reason;

use super::*;
use crate::traffic::not_understood::NotUnderstood;
use crate::traffic::test_frames::*;

/// A frame that is not IP, in this network.
fn arp(vni: u32) -> Vec<u8> {
    overlay(vni, &[&[2; 12][..], &[8, 6], &[0; 28]].concat())
}

#[test]
fn frames_without_a_flow_are_a_row_of_their_network() {
    let mut tracked = Tracked::new();
    tracked.add(&arp(7));
    tracked.add(&arp(7));
    tracked.add(&overlay(7, &[2; 12]));
    let datagram = udp((40_000, 5353), &[b'x'; 100]);
    let fragment = ipv4(17, (CLIENT, SERVER), 9, 10, &datagram);
    tracked.add(&overlay(7, &ethernet(&fragment)));
    tracked.snap = 96;
    tracked.add(&segment(true, 80, 100, PSH, REQUEST));
    let (flows, rest) = tracked.finish_all();
    assert_eq!(flows, []);
    let rows: Vec<(u32, Content, Count)> = rest
        .frames
        .iter()
        .map(|row| (row.vni, row.content, row.count))
        .collect();
    let why = |reason| Content::NotUnderstood(NotUnderstood::Walk(reason));
    let cut = Content::NotUnderstood(NotUnderstood::SnapLength);
    assert_eq!(
        rows,
        [
            (7, Content::NotIp(0x0806), count(2, 84)),
            (7, why(Reason::Fragment), count(1, 142)),
            (7, why(Reason::InnerTruncated), count(1, 12)),
            (4097, cut, count(1, 54 + REQUEST.len() as u64)),
        ]
    );
    assert_eq!(rest.summary.not_ip, 2);
    assert_eq!(
        rest.frames[3].to_string(),
        "vni 4097  cut by the snap length  1 packets 94 bytes"
    );
    assert_eq!(
        rest.frames[0].to_string(),
        "vni 7  not IP, ARP  2 packets 84 bytes"
    );
}
