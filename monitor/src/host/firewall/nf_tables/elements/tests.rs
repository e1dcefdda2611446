//! Elements as the kernel lists them.

use super::*;
use crate::base::netlink::push_attribute;

fn nested(kind: u16, parts: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut inner = Vec::new();
    for (kind, value) in parts {
        push_attribute(&mut inner, *kind, value);
    }
    let mut whole = Vec::new();
    push_attribute(&mut whole, kind, &inner);
    whole
}

fn value(vni: u32) -> Vec<u8> {
    let mut value = Vec::new();
    push_attribute(&mut value, DATA_VALUE, &vni.to_be_bytes()[1..]);
    value
}

fn element(from: u32, ends: bool) -> Vec<u8> {
    let flags = u32::from(ends).to_be_bytes().to_vec();
    nested(LIST_ELEMENT, &[(KEY, value(from)), (FLAGS, flags)])
}

fn vnis(list: &[u8]) -> VniSet {
    let mut elements = Elements::default();
    elements.add(list);
    let mut found = VniSet::default();
    elements.add_to(|vnis| found.extend(vnis));
    found
}

fn has(set: &VniSet, all: &[u32]) -> Vec<u32> {
    all.iter().copied().filter(|vni| set.has(*vni)).collect()
}

#[test]
fn single_elements_are_vnis() {
    let list = [element(4096, false), element(77, false)].concat();
    assert_eq!(has(&vnis(&list), &[76, 77, 78, 4096, 4097]), [77, 4096]);
}

/// The kernel may list them in any order; the interval before the first is closed at 0.
#[test]
fn intervals_end_before_their_end() {
    let list = [
        element(5004, true),
        element(5000, false),
        element(0, true),
        element(77, false),
        element(78, true),
        element(5004, false),
        element(5006, true),
        element(9000, false),
    ]
    .concat();
    assert_eq!(
        has(
            &vnis(&list),
            &[
                0, 76, 77, 78, 4999, 5000, 5003, 5004, 5005, 5006, 8999, 9000, VNI_MAX
            ]
        ),
        [77, 5000, 5003, 5004, 5005, 9000, VNI_MAX]
    );
}

#[test]
fn an_element_with_both_ends_and_one_without_a_key_are_understood() {
    let both = nested(LIST_ELEMENT, &[(KEY, value(7)), (KEY_END, value(9))]);
    let any = nested(LIST_ELEMENT, &[(FLAGS, vec![0, 0, 0, 2])]);
    let mut long = Vec::new();
    push_attribute(&mut long, DATA_VALUE, &[0, 0, 0, 5]);
    let of_four_bytes = nested(LIST_ELEMENT, &[(KEY, long)]);
    let list = [both, any, of_four_bytes].concat();
    assert_eq!(has(&vnis(&list), &[0, 5, 6, 7, 9, 10]), [7, 9]);
}
