//! Rules as lists of expressions, built as nft and iptables build them.

use proptest::prelude::*;

use super::*;
use crate::base::netlink::push_attribute;
use crate::host::firewall::extension::tests::{Part, bpf_part, mark_part, policy_part};
use crate::host::firewall::rule_parts::Way;

type Attributes = Vec<(u16, Vec<u8>)>;

fn bytes(attributes: &Attributes) -> Vec<u8> {
    let mut all = Vec::new();
    for (kind, value) in attributes {
        push_attribute(&mut all, *kind, value);
    }
    all
}

fn number_of(value: u32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

fn expression(name: &str, data: &Attributes) -> Vec<u8> {
    let name = format!("{name}\0").into_bytes();
    let inner = bytes(&vec![(NAME, name), (DATA, bytes(data))]);
    bytes(&vec![(LIST_ELEMENT, inner)])
}

fn payload(base: u32, offset: u32, length: u32) -> Vec<u8> {
    let numbers = [1, base, offset, length].map(number_of);
    expression("payload", &(1..).zip(numbers).collect())
}

fn value(value: &[u8]) -> Vec<u8> {
    bytes(&vec![(VALUE, value.to_vec())])
}

fn compare(operator: u32, with: &[u8]) -> Vec<u8> {
    let data = vec![
        (1, number_of(1)),
        (2, number_of(operator)),
        (3, value(with)),
    ];
    expression("cmp", &data)
}

fn look_up(flags: u32) -> Vec<u8> {
    let data = vec![
        (1, b"vnis\0".to_vec()),
        (2, number_of(1)),
        (5, number_of(flags)),
    ];
    expression("lookup", &data)
}

fn immediate(of: &[u8]) -> Vec<u8> {
    expression("immediate", &vec![(1, number_of(1)), (2, value(of))])
}

fn verdict(code: u32) -> Vec<u8> {
    let verdict = bytes(&vec![(VERDICT, bytes(&vec![(CODE, number_of(code))]))]);
    expression("immediate", &vec![(1, number_of(0)), (2, verdict)])
}

fn meta(key: u32, register: u16) -> Vec<u8> {
    expression("meta", &vec![(2, number_of(key)), (register, number_of(1))])
}

const LOADS: u16 = 1;
const STORES: u16 = 3;
const VNI: (u32, u32, u32) = (2, 12, 3);

fn vni_field() -> Vec<u8> {
    payload(VNI.0, VNI.1, VNI.2)
}

fn port() -> Vec<u8> {
    [payload(2, 2, 2), compare(0, &4789_u16.to_be_bytes())].concat()
}

fn marks() -> Vec<u8> {
    [immediate(&MARK.to_ne_bytes()), meta(3, STORES)].concat()
}

fn secpath_missing() -> Vec<u8> {
    [meta(25, LOADS), compare(0, &[0])].concat()
}

fn extension_of(kind: &str, (name, revision, data): Part) -> Vec<u8> {
    let name = format!("{name}\0").into_bytes();
    let revision = number_of(u32::from(revision));
    expression(kind, &vec![(1, name), (2, revision), (3, data)])
}

#[test]
fn the_rules_of_the_newest_docker_are_understood() {
    let counter = expression("counter", &Vec::new());
    let sent = [port(), vni_field(), look_up(0), counter.clone(), marks()].concat();
    let (rule, set) = parse(&sent);
    assert!(rule.encrypts(Way::Sent) && !rule.encrypts(Way::Received));
    assert_eq!(set, Some(&b"vnis"[..]));
    assert!(!rule.of_iptables && rule.vnis.is_empty());
    let received = [
        secpath_missing(),
        port(),
        vni_field(),
        look_up(0),
        counter,
        verdict(0),
    ];
    let received = received.concat();
    let (rule, set) = parse(&received);
    assert!(rule.encrypts(Way::Received) && !rule.encrypts(Way::Sent));
    assert_eq!(set, Some(&b"vnis"[..]));
}

#[test]
fn one_vni_and_a_range_are_compared() {
    let of = |comparisons: &[Vec<u8>]| {
        let rule = [vni_field(), comparisons.concat(), marks()].concat();
        parse(&rule).0
    };
    let one = of(&[compare(0, &[0, 0x10, 0])]);
    assert!(one.encrypts(Way::Sent) && one.vnis.has(4096) && !one.vnis.has(4097));
    let range = of(&[compare(5, &[0, 0x10, 0]), compare(3, &[0, 0x10, 2])]);
    let has: Vec<u32> = (4094..4101).filter(|vni| range.vnis.has(*vni)).collect();
    assert_eq!(has, [4096, 4097, 4098]);
    let open = of(&[compare(4, &[0, 0x10, 0]), compare(2, &[0, 0x10, 2])]);
    let has: Vec<u32> = (4094..4101).filter(|vni| open.vnis.has(*vni)).collect();
    assert_eq!(has, [4097]);
    for wrong in [
        &[compare(1, &[0, 0x10, 0])][..],
        &[compare(2, &[0, 0, 0])],
        &[compare(0, &[0, 0, 0x10, 0])],
        &[compare(0, &[0, 0x10, 0]), vni_field(), look_up(0)],
    ] {
        assert!(!of(wrong).encrypts(Way::Sent));
    }
}

#[test]
fn iptables_rules_in_nf_tables_are_understood() {
    let bpf = || extension_of("match", bpf_part(4097));
    let sent = [port(), bpf(), extension_of("target", mark_part())].concat();
    let (rule, _) = parse(&sent);
    assert!(rule.encrypts(Way::Sent) && rule.of_iptables && rule.vnis.has(4097));
    let received = [
        extension_of("match", policy_part()),
        port(),
        bpf(),
        verdict(0),
    ]
    .concat();
    assert!(parse(&received).0.encrypts(Way::Received));
    // `-p udp` of iptables 1.8.9, and of any for IPv6; of iptables 1.8.11 for IPv4.
    for protocol in [meta(16, LOADS), payload(1, 9, 1)] {
        let of = |number: u8| [protocol.clone(), compare(0, &[number])].concat();
        let rule = |number: u8, rule: &[u8]| parse(&[&of(number), rule].concat()).0;
        assert!(rule(17, &sent).encrypts(Way::Sent));
        assert!(rule(17, &received).encrypts(Way::Received));
        assert!(!rule(6, &sent).encrypts(Way::Sent));
    }
    // `! --dport 4789`, as newer versions express it.
    let other_port = [payload(2, 2, 2), compare(1, &4789_u16.to_be_bytes())].concat();
    let negated = [other_port, bpf(), extension_of("target", mark_part())].concat();
    assert!(!parse(&negated).0.encrypts(Way::Sent));
}

#[test]
fn similar_rules_are_ignored() {
    let sent = |field: Vec<u8>, condition: Vec<u8>, action: Vec<u8>| {
        let whole = [field, condition, action].concat();
        let (rule, set) = parse(&whole);
        rule.encrypts(Way::Sent) && (set.is_some() || !rule.vnis.is_empty())
    };
    assert!(sent(vni_field(), look_up(0), marks()));
    assert!(!sent(payload(2, 8, 3), look_up(0), marks()));
    assert!(!sent(payload(1, 12, 3), look_up(0), marks()));
    assert!(!sent(payload(2, 12, 4), look_up(0), marks()));
    assert!(!sent(vni_field(), look_up(1), marks()));
    // Another expression has written the register.
    let bitwise = expression("bitwise", &vec![(1, number_of(1)), (2, number_of(1))]);
    assert!(!sent([vni_field(), bitwise].concat(), look_up(0), marks()));
    let map = vec![
        (1, b"vnis\0".to_vec()),
        (2, number_of(1)),
        (3, number_of(0)),
    ];
    assert!(!sent(vni_field(), expression("lookup", &map), marks()));
    for action in [
        [immediate(&(MARK + 1).to_ne_bytes()), meta(3, STORES)].concat(),
        [immediate(&MARK.to_ne_bytes()), meta(2, STORES)].concat(),
        meta(3, STORES),
        verdict(1),
    ] {
        assert!(!sent(vni_field(), look_up(0), action));
    }
    let received = |condition: Vec<u8>, action: Vec<u8>| {
        let rule = [condition, vni_field(), look_up(0), action].concat();
        parse(&rule).0.encrypts(Way::Received)
    };
    assert!(received(secpath_missing(), verdict(0)));
    assert!(received(
        secpath_missing(),
        expression("reject", &Vec::new())
    ));
    assert!(!received(secpath_missing(), verdict(1)));
    assert!(!received(
        [meta(25, LOADS), compare(0, &[1])].concat(),
        verdict(0)
    ));
    assert!(!received(
        [meta(15, LOADS), compare(0, &[0])].concat(),
        verdict(0)
    ));
}

proptest! {
    #[test]
    fn no_list_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
        end: prop::sample::Index,
    ) {
        let mut rule = [
            secpath_missing(), port(), vni_field(), compare(5, &[0, 1, 2]), look_up(0), marks(),
            extension_of("match", bpf_part(1)), verdict(0),
        ].concat();
        for (at, byte) in changes {
            let at = at.index(rule.len());
            rule[at] = byte;
        }
        rule.truncate(end.index(rule.len() + 1));
        parse(&rule);
    }
}
