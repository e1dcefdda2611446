//! The table of classifiers and the names that others rely on.

use super::*;
use crate::protocol::CLASSIFIERS;

#[test]
fn unknown_is_no_protocol_to_look_for_and_names_are_in_order() {
    assert!(
        CLASSIFIERS
            .iter()
            .all(|row| row.protocol() != Protocol::Unknown)
    );
    let (last, known) = Protocol::ALL.split_last().unwrap();
    assert_eq!(*last, Protocol::Unknown);
    assert!(known.is_sorted_by(|a, b| a.name() < b.name()));
}

#[test]
fn every_protocol_but_unknown_has_a_classifier() {
    for protocol in Protocol::ALL {
        assert_eq!(
            recognised(*protocol),
            *protocol != Protocol::Unknown,
            "{protocol}"
        );
    }
}

#[test]
fn names_are_the_same_in_json_and_text() {
    for protocol in Protocol::ALL {
        assert_eq!(
            serde_json::to_value(protocol).unwrap(),
            protocol.to_string()
        );
    }
    for kind in CredentialKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.to_string());
    }
    assert_eq!(
        serde_json::to_value(Transport::from(89)).unwrap(),
        "other:89"
    );
    assert_eq!(serde_json::to_value(Transport::from(6)).unwrap(), "tcp");
}

#[test]
fn a_contested_payload_names_no_protocol_and_may_be_plaintext_all_the_same() {
    // HTTP cut before its version, or an inline command cut in its key.
    let contested = to(6379, b"GET /x");
    assert_eq!(contested.protocol, Protocol::Unknown);
    assert_eq!(contested.exposure, Exposure::Plaintext);
    assert_eq!(to(1, b"GET /x").protocol, Protocol::Http);
}

#[test]
fn no_payload_is_no_verdict() {
    assert_eq!(to(80, b""), Verdict::unknown());
}
