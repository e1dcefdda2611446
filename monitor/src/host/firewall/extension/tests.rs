//! Matches and targets as structures, and what is no form of Docker's.

use proptest::prelude::*;

use super::*;
use crate::host::firewall::rule_parts::Way;

/// Name, revision and structure.
pub(in crate::host::firewall) type Part = (&'static str, u8, Vec<u8>);

/// `struct xt_u32` of Docker's rule, with one range.
pub(in crate::host::firewall) fn u32_part(vni: u32) -> Part {
    let mut data = vec![0; 1984];
    let steps: [(u8, u32); 5] = [(0, 0), (2, 22), (0, 0x3c), (3, 12), (0, 0xffff_ff00)];
    for (index, (operator, number)) in steps.into_iter().enumerate() {
        put(&mut data, index * 8, number);
        data[index * 8 + 4] = operator;
    }
    put(&mut data, 88, vni << 8);
    put(&mut data, 92, vni << 8);
    (data[176], data[177], data[1980]) = (5, 1, 1);
    ("u32", 0, data)
}

/// `struct xt_bpf_info_v1` of Docker's rule.
pub(in crate::host::firewall) fn bpf_part(vni: u32) -> Part {
    let mut data = vec![0; 528];
    data[2] = 7;
    let program: [(u8, u8, u32); 7] = [
        (0x20, 0, 4_294_963_252),
        (7, 0, 0),
        (0x40, 0, 4),
        (0x74, 0, 8),
        (0x15, 1, vni),
        (6, 0, 0),
        (6, 0, u32::MAX),
    ];
    for (index, (code, taken, operand)) in program.into_iter().enumerate() {
        let at = 8 + index * 8;
        (data[at], data[at + 2]) = (code, taken);
        put(&mut data, at + 4, operand);
    }
    ("bpf", 1, data)
}

pub(in crate::host::firewall) fn udp_part() -> Part {
    let mut data = vec![0; 16];
    data[2..4].copy_from_slice(&[0xff; 2]);
    data[4..6].copy_from_slice(&4789_u16.to_ne_bytes());
    data[6..8].copy_from_slice(&4789_u16.to_ne_bytes());
    ("udp", 0, data)
}

/// `--dir in --pol none`.
pub(in crate::host::firewall) fn policy_part() -> Part {
    let mut data = vec![0; 308];
    data[304] = 5;
    ("policy", 0, data)
}

/// `--set-xmark 0xd0c4e3/0xffffffff`.
pub(in crate::host::firewall) fn mark_part() -> Part {
    ("MARK", 2, [MARK.to_ne_bytes(), [0xff; 4]].concat())
}

fn put(data: &mut [u8], at: usize, number: u32) {
    data[at..at + 4].copy_from_slice(&number.to_ne_bytes());
}

fn rule(matches: &[Part], target: &Part) -> RuleParts {
    let mut rule = RuleParts::default();
    let extension = |part| {
        let (name, revision, data): &Part = part;
        Extension {
            name: name.as_bytes(),
            revision: u32::from(*revision),
            data,
        }
    };
    for part in matches {
        rule.add_match(extension(part));
    }
    rule.add_target(extension(target));
    rule
}

#[test]
fn both_forms_of_dockers_rules_are_parsed() {
    let reject = ("REJECT", 0, vec![0; 4]);
    for part in [u32_part(4096), bpf_part(4096)] {
        let sent = rule(&[udp_part(), part.clone()], &mark_part());
        assert!(sent.encrypts(Way::Sent) && !sent.encrypts(Way::Received));
        assert!(sent.vnis.has(4096) && !sent.vnis.has(4097));
        let comment = ("comment", 0, vec![0x1b; 256]);
        let received = rule(&[policy_part(), udp_part(), part, comment], &reject);
        assert!(received.encrypts(Way::Received) && !received.encrypts(Way::Sent));
    }
    // The first revision, which iptables made up to 1.6.
    let (_, _, data) = bpf_part(4097);
    let old = ("bpf", 0, [&data[2..4], &[0; 2], &data[8..]].concat());
    assert!(rule(&[old], &mark_part()).vnis.has(4097));
}

/// Every byte that has a meaning is looked at.
#[test]
fn similar_matches_and_targets_are_ignored() {
    let damaged = |part: Part, at: usize, byte: u8| {
        (part.0, part.1, {
            let mut data = part.2;
            assert_ne!(data[at], byte);
            data[at] = byte;
            data
        })
    };
    let is_dockers = |matches: &[Part], target: &Part| {
        let rule = rule(matches, target);
        rule.encrypts(Way::Sent) && rule.vnis.has(4096)
    };
    assert!(is_dockers(&[u32_part(4096)], &mark_part()));
    for (at, byte) in [
        // A step's number and operator, counts, ranges, tests, and the negation.
        (8, 23),
        (12, 0),
        (16, 0x3d),
        (24, 13),
        (28, 0),
        (33, 0xfe),
        (176, 4),
        (177, 0),
        (1980, 0),
        (1980, 2),
        (1981, 1),
    ] {
        let part = damaged(u32_part(4096), at, byte);
        assert!(!is_dockers(&[part], &mark_part()), "{at}");
    }
    assert!(is_dockers(&[bpf_part(4096)], &mark_part()));
    for (at, byte) in [
        (0, 1),
        (2, 8),
        (8, 0x21),
        (12, 0),
        (24, 0x41),
        (28, 5),
        (36, 9),
        (42, 0),
        (43, 1),
        (47, 1),
        (52, 1),
        (60, 0xfe),
    ] {
        let part = damaged(bpf_part(4096), at, byte);
        assert!(!is_dockers(&[part], &mark_part()), "{at}");
    }
    for (at, byte) in [(0, 0xe4), (4, 0xfe)] {
        let target = damaged(mark_part(), at, byte);
        assert!(!is_dockers(&[bpf_part(4096)], &target), "{at}");
    }
    for part in [
        damaged(udp_part(), 8, 2),
        damaged(policy_part(), 304, 1),
        ("statistic", 0, vec![0; 32]),
        u32_part(4096),
        ("u32", 1, u32_part(4096).2),
    ] {
        assert!(
            !is_dockers(&[bpf_part(4096), part.clone()], &mark_part()),
            "{part:?}"
        );
    }
    let other = ("CONNMARK", 2, mark_part().2);
    assert!(!is_dockers(&[bpf_part(4096)], &other));
}

#[test]
fn ranges_of_vnis_are_parsed() {
    let (_, _, mut data) = u32_part(4096);
    // `0x100000:0x1002FF,0x200000`.
    put(&mut data, 92, 0x0010_02ff);
    put(&mut data, 96, 0x0020_0000);
    put(&mut data, 100, 0x0020_0000);
    data[177] = 2;
    let found = u32_match(&data).unwrap();
    let has: Vec<u32> = [4095, 4096, 4098, 4099, 8192]
        .into_iter()
        .filter(|vni| found.has(*vni))
        .collect();
    assert_eq!(has, [4096, 4098, 8192]);
}

proptest! {
    #[test]
    fn no_structure_makes_it_panic(
        of in 0..5_usize,
        length in 0..2000_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        revision in 0..3_u8,
    ) {
        let (name, _, mut data) = [u32_part(1), bpf_part(1), udp_part(), policy_part(), mark_part()][of].clone();
        data.resize(length, 0);
        if length > 0 {
            for (at, byte) in changes {
                data[at.index(length)] = byte;
            }
        }
        let part = (name, revision, data);
        rule(std::slice::from_ref(&part), &part);
    }
}
