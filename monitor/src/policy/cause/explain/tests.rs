use std::time::Duration;

use monitor_common::direction::Direction;

use super::super::catalogue::Cause;
use super::super::spi::{self, Form};
use super::*;
use crate::base::udp_ports::UdpPorts;
use crate::host::firewall::{Firewall, MARK, Rules, VniSet};
use crate::host::ipsec::{
    ESP, IpsecPolicy, Mark, Mode, Offload, PolicyDirection, SecurityAssociation, Template,
    XfrmError,
};
use crate::host::platform::Platform;

fn at(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn here() -> IpAddr {
    at("192.168.77.1")
}

fn there() -> IpAddr {
    at("192.168.77.2")
}

fn state(source: IpAddr, destination: IpAddr, tag: u32, form: Form) -> SecurityAssociation {
    SecurityAssociation {
        source,
        destination,
        spi: spi::spi(source, tag, destination, form),
        protocol: ESP,
        mode: Mode::Transport,
        reqid: MARK,
        mark: None,
        algorithms: vec!["rfc4106(gcm(aes))".to_owned()],
        packets: 10,
        bytes: 1000,
        packets_limit: None,
        sequence_sent: 10,
        extended_sequence: false,
        integrity_failed: 0,
        udp: false,
        offload: None,
    }
}

fn vnis(all: &[u32]) -> VniSet {
    crate::host::firewall::vnis_of(all)
}

/// A node with one peer and VNI 4097 encrypted, everything in place.
fn host() -> HostFacts {
    let states = vec![
        state(here(), there(), 1, Form::Mapped),
        state(there(), here(), 1, Form::Mapped),
        state(there(), here(), 2, Form::Mapped),
    ];
    let policy = IpsecPolicy {
        direction: PolicyDirection::Out,
        source: (here(), 32),
        destination: (there(), 32),
        protocol: 17,
        port: Some(4789),
        mark: Some(Mark {
            value: MARK,
            mask: u32::MAX,
        }),
        blocks: false,
        templates: vec![Template {
            source: here(),
            destination: there(),
            spi: states[0].spi,
            protocol: ESP,
            reqid: MARK,
            mode: Mode::Transport,
        }],
    };
    HostFacts {
        associations: Ok(states),
        policies: Ok(vec![policy]),
        firewall: Firewall {
            rules: Rules {
                marked: vnis(&[4097]),
                refused: vnis(&[4097]),
            },
            read_from: vec!["nf_tables"],
            unread: Vec::new(),
        },
        errors: Default::default(),
        addresses: [here()].into(),
        mtus: vec![("eth0".to_owned(), 1500)],
        decrypted_unseen: false,
        udp_ports: UdpPorts::default(),
        platform: Platform::Docker,
    }
}

fn causes(found: &[Likely]) -> Vec<Cause> {
    let causes: Vec<Cause> = found.iter().map(|likely| likely.cause).collect();
    note(&causes);
    causes
}

/// Notes causes where a whole run of the tests gathers what they reached: a network card that encrypts is on no test
/// machine.
fn note(causes: &[Cause]) {
    let Some(folder) = std::env::var_os("OVERLAY_TEST_REACHED") else {
        return;
    };
    let lines: String = causes
        .iter()
        .map(|cause| format!("cause {}\n", cause.name()))
        .collect();
    let path = std::path::Path::new(&folder).join(format!("causes-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).open(path).unwrap();
    std::io::Write::write_all(&mut file, lines.as_bytes()).unwrap();
}

fn sent(host: &HostFacts) -> Vec<Likely> {
    let symptom = Symptom::Sent {
        vni: 4097,
        peer: Some(there()),
    };
    explain(&symptom, host, &[])
}

fn received(host: &HostFacts, peer: IpAddr) -> Vec<Likely> {
    let symptom = Symptom::Received {
        vni: 4097,
        peer: Some(peer),
    };
    explain(&symptom, host, &[])
}

#[test]
fn a_healthy_host_has_nothing_to_explain() {
    assert_eq!(explain(&Symptom::Esp, &host(), &[]), []);
    assert_eq!(causes(&sent(&host())), [Cause::AllInPlace]);
}

#[test]
fn cleartext_sent_is_a_missing_marking_rule() {
    let mut host = host();
    host.firewall.rules.marked = vnis(&[4098]);
    let found = sent(&host);
    assert_eq!(causes(&found), [Cause::NoMarkingRule]);
    assert!(found[0].to_string().contains("CVE-2023-28841"));
    assert!(found[0].detail.contains("other networks on this host"));
    host.firewall.rules.marked = vnis(&[]);
    assert!(sent(&host)[0].detail.contains("no network on this host"));
    host.policies = Ok(Vec::new());
    assert_eq!(causes(&sent(&host)), [Cause::NothingSetUp]);
}

#[test]
fn a_host_of_kubernetes_that_encrypts_nothing_has_one_cause_in_both_directions() {
    let mut host = host();
    host.associations = Ok(Vec::new());
    host.policies = Ok(Vec::new());
    host.firewall = Firewall {
        unread: vec!["nf_tables: permission denied".to_owned()],
        ..Firewall::default()
    };
    assert_ne!(
        causes(&sent(&host)),
        [Cause::NothingSetUp],
        "Docker's rules may exist"
    );
    host.platform = Platform::Flannel;
    for found in [sent(&host), received(&host, there())] {
        assert_eq!(causes(&found), [Cause::NothingSetUp]);
        let text = found[0].to_string();
        assert!(
            text.contains("wireguard-native") && !text.contains("Docker"),
            "{text}"
        );
    }
    // With IPsec of its own, a rule that drops cleartext is not missed.
    host.associations = Ok(vec![state(here(), there(), 1, Form::Mapped)]);
    let found = received(&host, there());
    assert_eq!(causes(&found), [Cause::Stranger]);
    assert!(
        found[0].to_string().contains("kubectl get nodes"),
        "{}",
        found[0]
    );
}

#[test]
fn a_firewall_that_cannot_be_read_has_no_missing_rule() {
    let mut host = host();
    host.firewall.unread = vec!["nf_tables: permission denied".to_owned()];
    assert_eq!(causes(&sent(&host)), [Cause::AllInPlace], "it was seen");
    host.firewall.rules = Rules::default();
    for found in [sent(&host), received(&host, there())] {
        let last = found.last().unwrap();
        assert_eq!(last.cause, Cause::FirewallUnread, "{found:?}");
        assert!(last.detail.contains("permission denied"), "{found:?}");
        let rules = [Cause::NoMarkingRule, Cause::NoRefusingRule];
        assert!(rules.iter().all(|cause| !causes(&found).contains(cause)));
    }
    // Nothing was read.
    host.firewall = Firewall::default();
    assert_eq!(causes(&sent(&host)), [Cause::FirewallUnread]);
}

#[test]
fn cleartext_sent_with_a_mark_is_a_missing_policy() {
    let mut host = host();
    let symptom = Symptom::Sent {
        vni: 4097,
        peer: Some(at("192.168.77.3")),
    };
    let found = explain(&symptom, &host, &[]);
    assert_eq!(causes(&found), [Cause::NoPolicy]);
    assert!(found[0].detail.contains("192.168.77.3"));
    host.policies = Err("permission denied".to_owned());
    assert_eq!(causes(&explain(&symptom, &host, &[])), [Cause::AllInPlace]);
}

#[test]
fn a_card_that_encrypts_and_a_cipher_that_does_not_come_first() {
    let mut host = host();
    host.associations.as_mut().unwrap()[0].offload = Some(Offload {
        ifindex: 2,
        packet: true,
    });
    assert_eq!(causes(&sent(&host)), [Cause::CardEncrypts]);
    host.associations.as_mut().unwrap()[0].offload = None;
    host.associations.as_mut().unwrap()[0].algorithms =
        vec!["ecb(cipher_null)".to_owned(), "hmac(sha256)".to_owned()];
    let found = sent(&host);
    assert_eq!(causes(&found), [Cause::NullCipher]);
    assert!(found[0].detail.contains("192.168.77.2"), "{found:?}");
    assert_eq!(
        causes(&explain(&Symptom::Esp, &host, &[])),
        [Cause::NullCipher]
    );
}

#[test]
fn cleartext_received_is_a_broken_peer_or_a_stranger() {
    let mut host = host();
    let found = received(&host, there());
    assert_eq!(causes(&found), [Cause::PeerSendsCleartext]);
    assert!(found[0].detail.contains("dropped here"), "{found:?}");
    let found = received(&host, at("203.0.113.9"));
    assert_eq!(causes(&found), [Cause::Stranger]);
    let text = found[0].to_string();
    for part in [
        "cannot encrypt",
        "injected",
        "it is a node if",
        "if not, close",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    host.firewall.rules.refused = vnis(&[]);
    let found = received(&host, at("203.0.113.9"));
    assert_eq!(causes(&found), [Cause::Stranger, Cause::NoRefusingRule]);
    // On a host without encryption no sender is called a stranger.
    host.firewall.rules.marked = vnis(&[]);
    host.policies = Ok(vec![]);
    host.associations = Ok(vec![]);
    assert_eq!(causes(&received(&host, there())), [Cause::NothingSetUp]);
}

fn activity(direction: Direction, spi: u32) -> Activity {
    let (source, destination) = match direction {
        Direction::Rx => (there(), here()),
        Direction::Tx => (here(), there()),
    };
    Activity {
        direction,
        source,
        destination,
        spi,
        packets: 1000,
        rate: 100.0,
        sequence: 1000,
        missing: 0,
        later_fragments: 0,
        age: Duration::from_secs(60),
    }
}

fn known(host: &HostFacts, direction: Direction) -> Activity {
    let states = host.known_associations();
    let state = match direction {
        Direction::Tx => &states[0],
        Direction::Rx => &states[1],
    };
    activity(direction, state.spi)
}

#[test]
fn esp_without_an_association_is_explained_by_its_spi() {
    let mut host = host();
    // Removed since its last packet, and none dropped: keys were changed.
    let gone = [activity(Direction::Rx, 0x1234_5678)];
    assert_eq!(explain(&Symptom::Esp, &host, &gone), []);
    host.errors.insert(XfrmError::InNoStates, 1);
    let esp = |row: Activity| explain(&Symptom::Esp, &host, &[row]);
    assert_eq!(esp(known(&host, Direction::Rx)), []);
    let found = esp(activity(Direction::Rx, 0x1234_5678));
    assert_eq!(causes(&found), [Cause::NoInboundState]);
    assert!(found[0].detail.contains("0x12345678"), "{found:?}");
    let short = spi::spi(there(), 1, here(), Form::Short);
    let found = esp(activity(Direction::Rx, short));
    assert_eq!(causes(&found), [Cause::MixedVersions]);
    // An SPI of the same formula that this host does not have.
    let other = spi::spi(there(), 99, here(), Form::Mapped);
    assert_eq!(
        causes(&esp(activity(Direction::Rx, other))),
        [Cause::NoInboundState]
    );
    // ESP that is only forwarded is not ours.
    let mut passing = activity(Direction::Rx, 0x1234_5678);
    passing.destination = at("192.168.77.9");
    assert_eq!(esp(passing), []);
}

#[test]
fn esp_without_an_answer_is_blocked() {
    let mut host = host();
    let sent = known(&host, Direction::Tx);
    let found = explain(&Symptom::Esp, &host, std::slice::from_ref(&sent));
    assert_eq!(causes(&found), [Cause::Blocked]);
    let both = [sent.clone(), known(&host, Direction::Rx)];
    assert_eq!(explain(&Symptom::Esp, &host, &both), []);
    let mut young = sent.clone();
    young.age = Duration::from_secs(5);
    assert_eq!(explain(&Symptom::Esp, &host, &[young]), []);
    host.decrypted_unseen = true;
    assert_eq!(explain(&Symptom::Esp, &host, &[sent]), []);
}

#[test]
fn sequence_numbers_that_run_out_have_the_time_left() {
    let mut host = host();
    let both = |host: &HostFacts, sequence: u32, rate: f64| {
        let mut sent = known(host, Direction::Tx);
        sent.sequence = sequence;
        sent.rate = rate;
        explain(&Symptom::Esp, host, &[sent, known(host, Direction::Rx)])
    };
    assert_eq!(both(&host, 3_000_000_000, 1000.0), []);
    let found = both(&host, 3_600_000_000, 1000.0);
    assert_eq!(causes(&found), [Cause::SequenceNumbers]);
    assert!(
        found[0]
            .detail
            .contains("84 % used, 193 h left at 1000 packets/s"),
        "{found:?}"
    );
    let found = both(&host, 2_000_000_000, 700_000.0);
    assert!(
        found[0].detail.contains("47 % used, 54 min left"),
        "{found:?}"
    );
    host.associations.as_mut().unwrap()[0].extended_sequence = true;
    assert_eq!(both(&host, 3_600_000_000, 1000.0), []);
    host.errors.insert(XfrmError::OutStateSeqError, 5);
    assert!(
        both(&host, 5, 1.0)[0]
            .detail
            .contains("dropped for it: 5 packets")
    );
    // Without traffic the association's own counter is used.
    host.errors.clear();
    host.associations.as_mut().unwrap()[1].sequence_sent = 4_000_000_000;
    assert_eq!(
        causes(&explain(&Symptom::Esp, &host, &[])),
        [Cause::SequenceNumbers]
    );
}

#[test]
fn fragments_that_were_seen_are_listed_by_node() {
    let host = host();
    for (direction, detail) in [
        (
            Direction::Rx,
            "from 192.168.77.2: 600 of ESP in 1000 packets",
        ),
        (Direction::Tx, "to 192.168.77.2: 600 of ESP in 1000 packets"),
    ] {
        let mut row = known(&host, direction);
        row.later_fragments = 400;
        // Of an unknown sender, who can send any SPI.
        let mut other = known(&host, Direction::Rx);
        (other.spi, other.later_fragments) = (other.spi ^ 1, 400);
        let found = explain(&Symptom::Esp, &host, &[row, other]);
        assert_eq!(causes(&found), [Cause::Fragments]);
        assert_eq!(found[0].detail, detail);
    }
}

#[test]
fn readable_esp_is_neither_blocked_nor_sent_by_a_broken_peer() {
    let mut host = host();
    for state in host.associations.as_mut().unwrap() {
        state.algorithms = vec!["ecb(cipher_null)".to_owned(), "hmac(sha256)".to_owned()];
    }
    assert_eq!(causes(&received(&host, there())), [Cause::NullCipher]);
    let found = explain(&Symptom::Esp, &host, &[known(&host, Direction::Tx)]);
    assert_eq!(causes(&found), [Cause::NullCipher]);
}

#[test]
fn loss_integrity_and_fragments_have_numbers() {
    let mut host = host();
    let mut lossy = known(&host, Direction::Rx);
    lossy.missing = 50;
    let found = explain(&Symptom::Esp, &host, &[lossy]);
    assert_eq!(causes(&found), [Cause::Loss]);
    assert!(found[0].detail.contains("4.8 % of 1050"), "{found:?}");
    host.associations.as_mut().unwrap()[1].integrity_failed = 7;
    host.mtus[0].1 = 1400;
    let found = explain(&Symptom::Esp, &host, &[]);
    assert_eq!(causes(&found), [Cause::Integrity, Cause::Fragments]);
    assert!(
        found[1].detail.contains("eth0 takes 1400 bytes"),
        "{found:?}"
    );
}
