//! Packets that were not so on the wire, or are there more than once.

use serde_json::json;

use super::{Case, counts};

#[test]
fn what_ipsec_has_decrypted_is_not_cleartext_on_the_wire() {
    let case = Case::read("esp-and-decrypted-copy", &[]);
    let copies: Vec<_> = case.samples.iter().filter(|at| at["vni"] == 4097).collect();
    assert_eq!(copies.len(), 1, "the others have no payload");
    assert_eq!(copies[0]["protocol"], "http");
    assert_eq!(copies[0]["doubts"], json!(["decrypted_copy"]));
    let marked = |lines: &[String]| {
        let says = "(decrypted copy of ESP, not in the clear on the wire)";
        lines.iter().filter(|line| line.contains(says)).count()
    };
    assert_eq!((marked(&case.lines), marked(&case.flow_lines)), (1, 1));

    let copy = case.flow("vni", 4097);
    assert_eq!(
        (&copy["protocol"], &copy["doubts"]),
        (&"http".into(), &json!(["decrypted_copy"]))
    );
    assert_eq!(counts(copy), [4, 308, 0, 0]);
    let esp = case.flow("transport", "esp");
    assert_eq!(
        (&esp["exposure"], &esp["doubts"]),
        (&"encrypted".into(), &json!([]))
    );
    let summary = case.summary();
    assert_eq!(
        (&summary["plaintext"]["flows"], &summary["doubted"]["flows"]),
        (&0.into(), &1.into())
    );
    assert_eq!(summary["doubted"]["packets"], 4);
}

#[test]
fn a_capture_of_any_device_has_an_exchange_once() {
    let case = Case::read("tcpdump-i-any-sll2", &[]);
    // Request and answer, on a veth, the VXLAN device and the NIC.
    assert_eq!(case.samples.len(), 6);
    let again: Vec<bool> = case
        .samples
        .iter()
        .map(|sample| sample["doubts"] == json!(["other_device"]))
        .collect();
    assert_eq!(again, [false, true, true, false, true, true]);
    let says = "(the same as before, on another device)";
    let marked: Vec<bool> = case.lines.iter().map(|line| line.ends_with(says)).collect();
    assert_eq!(marked, again);

    let in_overlay = case.flow("vni", 4097);
    assert_eq!(
        (counts(in_overlay), &in_overlay["doubts"]),
        ([4, 308, 2, 177], &json!([]))
    );
    assert_eq!(in_overlay["repeated_packets"], 0);
    assert_eq!(case.flows().len(), 2);
    let outside = case.flow("vni", ());
    assert_eq!(
        (&outside["doubts"], &outside["seen_in_vni"]),
        (&json!(["other_device"]), &4097.into())
    );
    let [there, _, back, _] = counts(outside);
    assert_eq!(
        (there, back, &outside["repeated_packets"]),
        (4, 2, &6.into())
    );
    let summary = case.summary();
    assert_eq!(
        (&summary["plaintext"]["flows"], &summary["doubted"]["flows"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        (&summary["packets"], &summary["repeated"]),
        (&18.into(), &6.into())
    );
    let note = "(the same exchange as in vni 4097, seen on other devices)";
    assert!(
        case.flow_lines.iter().any(|line| line.ends_with(note)),
        "{:#?}",
        case.flow_lines
    );
}
