//! Conversations: client and server, protocols, and bounds.

use monitor_common::reason::Reason;

use super::super::tests::record;
use super::*;
use crate::traffic::layer::{Layer, Wrapping};
use crate::traffic::not_understood::NotUnderstood;

fn only(conversations: &Conversations) -> Conversation {
    let all = conversations.by_place();
    let all: Vec<_> = all.into_values().flatten().collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

#[test]
fn both_directions_and_all_ports_of_a_client_are_one_conversation() {
    let mut conversations = Conversations::default();
    for port in 40_000..40_100 {
        let there = record(Some(4096), ("10.0.1.7", port), ("10.0.1.3", 6379));
        let mut back = record(Some(4096), ("10.0.1.3", 6379), ("10.0.1.7", port));
        back.direction = Some(Direction::Tx);
        conversations.add(&there);
        conversations.add(&back);
    }
    let one = only(&conversations);
    assert_eq!(
        (one.client.to_string(), one.server.to_string(), one.port),
        ("10.0.1.7".into(), "10.0.1.3".into(), 6379)
    );
    assert_eq!(one.speech.len(), 1);
    assert_eq!(one.speech[0].samples, 200);
    let around = conversations.around(Place::Vni(4096)).unwrap();
    let nodes: Vec<String> = around.nodes.iter().map(IpAddr::to_string).collect();
    assert_eq!(nodes, ["192.168.77.1", "192.168.77.2"]);
}

#[test]
fn without_a_usual_port_the_first_sender_is_the_client() {
    let mut conversations = Conversations::default();
    let mut first = record(Some(1), ("10.0.0.9", 7946), ("10.0.0.2", 7946));
    let mut second = record(Some(1), ("10.0.0.2", 7946), ("10.0.0.9", 7946));
    for record in [&mut first, &mut second] {
        record.verdict.protocol = Protocol::Unknown;
        conversations.add(record);
    }
    assert_eq!(only(&conversations).client.to_string(), "10.0.0.9");
}

#[test]
fn a_sample_without_a_verdict_takes_nothing_back() {
    let said = |exposure, protocol| {
        let mut record = record(None, ("10.0.0.9", 40_000), ("10.0.0.2", 25));
        record.verdict.protocol = protocol;
        record.verdict.exposure = exposure;
        record
    };
    let unknown = said(Exposure::Unknown, Protocol::Unknown);
    let text = said(Exposure::Plaintext, Protocol::Unknown);
    let smtp = said(Exposure::Plaintext, Protocol::Smtp);
    let tls = said(Exposure::Encrypted, Protocol::Tls);
    let mut conversations = Conversations::default();
    for record in [&unknown, &text, &unknown, &smtp, &text, &tls, &unknown] {
        conversations.add(record);
    }
    let speech = only(&conversations).speech;
    let said: Vec<_> = speech.iter().map(|at| (at.protocol, at.exposure)).collect();
    // STARTTLS: both are true.
    assert_eq!(
        said,
        [
            (Protocol::Smtp, Exposure::Plaintext),
            (Protocol::Tls, Exposure::Encrypted)
        ]
    );
}

#[test]
fn packets_without_payload_or_endpoints_are_no_conversation() {
    let mut conversations = Conversations::default();
    let mut silent = record(Some(1), ("10.0.0.9", 40_000), ("10.0.0.2", 80));
    silent.payload_len = 0;
    let mut broken = silent.clone();
    (broken.inner, broken.reason) = (None, Some(NotUnderstood::Walk(Reason::EthernetTruncated)));
    let mut esp = record(None, ("10.0.0.9", 0), ("10.0.0.2", 0));
    esp.encapsulation = Encapsulation::Esp;
    for record in [silent, broken, esp] {
        conversations.add(&record);
    }
    assert!(conversations.by_place().is_empty());
}

#[test]
fn forged_networks_and_endpoints_cannot_displace_known_ones() {
    let mut conversations = Conversations::default();
    conversations.set_known(HashSet::from([4096]));
    let forged = |n: u32, vni| {
        let [_, a, b, c] = n.to_be_bytes();
        record(
            Some(vni),
            (&format!("10.{a}.{b}.{c}"), 40_000),
            ("10.0.0.2", 80),
        )
    };
    for n in 0..100_000 {
        conversations.add(&forged(n, 100_000 + n));
        conversations.add(&forged(n, 7));
    }
    let mut one = record(Some(4096), ("10.0.1.7", 40_000), ("10.0.1.3", 6379));
    one.verdict.credentials = vec![CredentialKind::RedisAuth];
    conversations.add(&one);
    let all = conversations.by_place();
    assert_eq!(all[&Place::Vni(4096)].len(), 1);
    assert_eq!(all[&Place::Vni(7)].len(), OF_ONE);
    assert!(all.len() <= UNDESCRIBED_PLACES + 1, "{}", all.len());
    assert!(all.values().map(Vec::len).sum::<usize>() <= UNDESCRIBED + 1);
    // Beyond the limit of one network: samples are counted, and credentials kept.
    for n in 0..1_000 {
        let mut record = forged(n, 4096);
        if n == 999 {
            record.verdict.credentials = vec![CredentialKind::HttpBasic];
        }
        conversations.add(&record);
    }
    let around = conversations.around(Place::Vni(4096)).unwrap();
    assert_eq!(around.beyond, 1_000 - (OF_ONE as u64 - 1));
    let kinds: Vec<_> = around.credentials.values().flatten().copied().collect();
    assert_eq!(
        kinds,
        [CredentialKind::HttpBasic, CredentialKind::RedisAuth]
    );
}

#[test]
fn a_network_inside_that_of_the_place_is_named_and_apart() {
    let layer = |vni| Layer {
        wrapping: Wrapping::Encapsulation(Encapsulation::Vxlan),
        vni: Some(vni),
    };
    let mut conversations = Conversations::default();
    let plain = record(Some(4096), ("10.0.1.7", 40_000), ("10.0.1.3", 6379));
    conversations.add(&plain);
    let mut nested = plain;
    nested.layers = vec![layer(4096), layer(7)];
    conversations.add(&nested);
    let all = conversations.by_place();
    assert_eq!(all.len(), 1, "both are counted by the outer network");
    let mut inside: Vec<_> = all[&Place::Vni(4096)]
        .iter()
        .map(|at| at.inner_vni)
        .collect();
    inside.sort_unstable();
    assert_eq!(inside, [None, Some(7)]);
}
