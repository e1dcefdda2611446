//! Chapters: their order, and how many there can be.

use monitor_common::key::NetworkId;

use super::super::tests::{counted, record};
use super::*;
use crate::policy::PolicyReport;
use crate::traffic::counted::Pending;

#[test]
fn most_plaintext_comes_first_and_pending_packets_are_unknown() {
    let vni = NetworkId::vni;
    let mut snapshot = counted(&[
        (vni(1), Protocol::Redis, Exposure::Plaintext, 5),
        (vni(2), Protocol::Tls, Exposure::Encrypted, 500),
        (vni(3), Protocol::Http, Exposure::Plaintext, 50),
        (vni(3), Protocol::Tls, Exposure::Encrypted, 40),
        (NetworkId::HOST, Protocol::Http, Exposure::Plaintext, 5_000),
        (NetworkId::OTHER, Protocol::Unknown, Exposure::Unknown, 9),
    ]);
    snapshot.counted.pending = vec![Pending {
        network: vni(3),
        packets: 10,
        bytes: 1_000,
    }];
    let mut conversations = Conversations::default();
    conversations.add(&record(Some(3), ("10.0.0.9", 40_000), ("10.0.0.2", 6379)));
    let (chapters, more) = chapters(&snapshot, &PolicyReport::default(), &conversations);
    let places: Vec<Place> = chapters.iter().map(|chapter| chapter.place).collect();
    let vnis = [3, 1, 2].map(Place::Vni);
    assert_eq!(places[..3], vnis);
    assert_eq!(places[3..], [Place::Others, Place::Host]);
    assert_eq!(more, 0);
    let shares = Shares {
        readable: 5_000,
        encrypted: 4_000,
        in_esp: 0,
        unknown: 1_000,
    };
    assert_eq!(chapters[0].shares(), shares);
    // A sample showed Redis, though nothing is counted under it.
    let rows = chapters[0].rows.iter();
    let rows: Vec<_> = rows.map(|row| (row.protocol, row.count.packets)).collect();
    assert_eq!(
        rows,
        [
            (Protocol::Http, 50),
            (Protocol::Redis, 0),
            (Protocol::Tls, 40),
            (Protocol::Unknown, 10)
        ]
    );
    assert_eq!(
        chapters[2].readers(),
        "anyone on the path between the nodes"
    );
}

#[test]
fn forged_vnis_cannot_displace_the_hosts_own_traffic() {
    let mut rows: Vec<_> = (0..5_000)
        .map(|n| (NetworkId::vni(n), Protocol::Redis, Exposure::Plaintext, 9))
        .collect();
    rows.push((NetworkId::HOST, Protocol::Http, Exposure::Plaintext, 1));
    let (chapters, more) = chapters(
        &counted(&rows),
        &PolicyReport::default(),
        &Conversations::default(),
    );
    assert_eq!((chapters.len(), more), (CHAPTERS, 5_001 - CHAPTERS));
    assert_eq!(chapters.last().unwrap().place, Place::Host);
}
