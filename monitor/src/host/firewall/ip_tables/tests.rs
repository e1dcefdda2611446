//! Chains as the kernel copies them out.

use proptest::prelude::*;

use super::*;
use crate::host::firewall::extension::tests::{
    Part, bpf_part, mark_part, policy_part, u32_part, udp_part,
};

fn extension_bytes((name, revision, data): &Part) -> Vec<u8> {
    let length = u16::try_from(EXTENSION + data.len().next_multiple_of(8)).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(name.bytes());
    bytes.resize(EXTENSION_REVISION, 0);
    bytes.push(*revision);
    bytes.extend(data);
    bytes.resize(usize::from(length), 0);
    bytes
}

fn entry(family: &Family, matches: &[Part], target: &Part) -> Vec<u8> {
    let matches: Vec<u8> = matches.iter().flat_map(extension_bytes).collect();
    let target_at = family.entry + matches.len();
    let mut entry = vec![0; family.entry];
    entry.extend(matches);
    entry.extend(extension_bytes(target));
    let ends = [target_at, entry.len()].map(|at| u16::try_from(at).unwrap().to_ne_bytes());
    entry[family.offsets..family.offsets + 4].copy_from_slice(&ends.concat());
    entry
}

fn drop_part() -> Part {
    ("", 0, [DROP.to_ne_bytes(), [0; 4]].concat())
}

fn chain(family: &Family) -> Vec<u8> {
    [
        entry(family, &[udp_part(), u32_part(4096)], &mark_part()),
        entry(
            family,
            &[policy_part(), udp_part(), bpf_part(4097)],
            &drop_part(),
        ),
        entry(
            family,
            &[],
            &("", 0, vec![0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
        ),
    ]
    .concat()
}

#[test]
fn the_rules_of_both_versions_of_ip_are_found() {
    for family in [IPV4, IPV6] {
        let chain = chain(&family);
        assert_eq!(rules_of(&family, &chain).count(), 3);
        let found = rules_in(&family, &chain);
        assert!(found.marked.has(4096) && !found.marked.has(4097));
        assert!(found.refused.has(4097) && !found.refused.has(4096));
        // `! -p udp`, and so on.
        let mut negated = chain.clone();
        negated[family.inverted] = 0x40;
        assert!(rules_in(&family, &negated).marked.is_empty());
    }
}

#[test]
fn an_accepted_packet_is_not_dropped() {
    let accept = ("", 0, [(-2_i32).to_ne_bytes(), [0; 4]].concat());
    let chain = entry(&IPV4, &[policy_part(), bpf_part(4097)], &accept);
    assert!(rules_in(&IPV4, &chain).refused.is_empty());
}

proptest! {
    #[test]
    fn no_table_makes_it_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..9),
        end: prop::sample::Index,
    ) {
        for family in [IPV4, IPV6] {
            let mut chain = chain(&family);
            for (at, byte) in &changes {
                let at = at.index(chain.len());
                chain[at] = *byte;
            }
            chain.truncate(end.index(chain.len() + 1));
            rules_in(&family, &chain);
        }
    }
}
