//! Random bytes, and random changes to samples.

use super::*;
use proptest::prelude::*;

/// Beginnings from which random bytes get further into the classifiers.
const SEEDS: &[&[u8]] = &[
    b"",
    b"GET /",
    b"GET / HTTP/1.1\r\n",
    b"HTTP/1.1 200 ",
    b"*2\r\n$",
    b"*1000000\r\n",
    b"$5\r\n",
    b"%3\r\n",
    b"SET a ",
    b"+OK\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
    b"\x17\x03\x03\0\x20",
    b"\x16\x03\x03\0\x70\x02\0\0\x6c\x03\x03",
    b"\x14\x03\x03\0\x01\x01\x16\x03\x03\0\x28",
];

fn hold(payload: &Payload<'_>) -> Result<(), TestCaseError> {
    let verdict = classify(payload);
    let text = evidence(&verdict);
    prop_assert!(text.chars().count() <= EVIDENCE_MAX);
    prop_assert!(!text.chars().any(char::is_control));
    prop_assert!(
        text.is_ascii()
            || text.chars().all(|c| c.is_ascii()
                || c == '…'
                || c.is_alphanumeric()
                || !c.escape_debug().to_string().starts_with('\\'))
    );
    prop_assert_eq!(
        verdict.protocol == Protocol::Unknown && verdict.exposure == Exposure::Unknown,
        verdict.confidence == Confidence::None
    );
    prop_assert!(verdict.credentials.is_sorted());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_get_a_bounded_printable_verdict(
        seed in 0..SEEDS.len(), rest: Vec<u8>, src: u16, dst in prop::sample::select(vec![80_u16, 443, 6379, 1]),
    ) {
        let bytes = [SEEDS[seed], &rest].concat();
        hold(&payload(&bytes, bytes.len(), src, dst))?;
    }

    #[test]
    fn text_gets_a_bounded_printable_verdict(text in "[A-Z]{3,7} /?\\PC{0,40}( HTTP/1.1)?\r\n(\\PC{0,20}: \\PC{0,20}\r\n){0,3}") {
        hold(&payload(text.as_bytes(), text.len(), 1, 6379))?;
    }

    #[test]
    fn random_payloads_are_not_called_plaintext_or_certain(bytes in prop::collection::vec(any::<u8>(), 32..256)) {
        prop_assert_eq!(classify(&payload(&bytes, bytes.len(), 1, 2)).protocol, Protocol::Unknown);
    }

    #[test]
    fn a_planted_value_never_shows(value in "Q[a-z0-9]{5,30}Z", cut in 0..400_usize) {
        let messages = [
            format!("GET /a?x={value}&{value} HTTP/1.1\r\nHost: host01\r\nCookie: {value}\r\nAuthorization: Bearer {value}\r\n\r\n{value}"),
            format!("HTTP/1.1 200 {value}\r\nSet-Cookie: {value}\r\nX: {value}\r\n\r\n{value}"),
            format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n", value.len()),
            format!("*2\r\n$4\r\nAUTH\r\n${}\r\n{value}\r\n", value.len()),
            format!("*2\r\n${}\r\n{value}\r\n$1\r\na\r\n", value.len()),
            format!("-ERR {value}\r\n-NOAUTH {value}\r\n"),
            format!("AUTH {value}\r\nSET k {value}\r\n"),
        ];
        for message in &messages {
            let bytes = &message.as_bytes()[..cut.min(message.len())];
            for port in [80, 6379] {
                let verdict = classify(&payload(bytes, message.len(), CLIENT, port));
                prop_assert!(!evidence(&verdict).contains(&value[..5]), "{:?}", verdict);
            }
        }
    }
}
