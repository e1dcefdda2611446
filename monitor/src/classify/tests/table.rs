//! The table of classifiers and the names that others rely on.

use super::*;

#[test]
fn every_protocol_has_one_classifier() {
    for protocol in Protocol::ALL {
        let rows = CLASSIFIERS
            .iter()
            .filter(|row| row.protocol == *protocol)
            .count();
        assert_eq!(
            rows,
            usize::from(*protocol != Protocol::Unknown),
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
fn a_contested_payload_is_unknown() {
    // HTTP cut before its version, or an inline command cut in its key.
    assert_eq!(to(6379, b"GET /x"), Verdict::unknown());
    assert_eq!(to(1, b"GET /x").protocol, Protocol::Http);
}

#[test]
fn no_payload_is_no_verdict() {
    assert_eq!(to(80, b""), Verdict::unknown());
}
