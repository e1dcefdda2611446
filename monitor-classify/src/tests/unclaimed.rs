//! What fits no protocol.

use super::*;

/// The verdict off any port.
fn of(bytes: &[u8]) -> Verdict {
    classify(&payload(bytes, bytes.len(), CLIENT, 1))
}

#[track_caller]
fn plain(bytes: &[u8], confidence: Confidence, text: &str) {
    let verdict = of(bytes);
    assert_eq!(verdict.protocol, Protocol::Unknown, "{verdict:?}");
    assert_eq!(verdict.exposure, Exposure::Plaintext, "{verdict:?}");
    assert_eq!(
        (verdict.confidence, evidence(&verdict).as_str()),
        (confidence, text)
    );
}

#[test]
fn text_can_be_read_whatever_it_says() {
    use Confidence::Certain;
    plain(b"the quick brown fox jumps", Certain, "text");
    plain("Zürich, 東京 und anderswo".as_bytes(), Certain, "text");
    plain(b"{\"a\": 1, \"b\": [2, 3]}", Certain, "JSON");
    plain(b"[{\"a\": 1}, {\"b\": 22}]", Certain, "JSON");
    plain(b"<?xml version=\"1.0\"?><a/>", Certain, "XML");
    plain(b"<h1>host01 is up and running</h1>", Certain, "markup");
    plain(b"---\nkind: Secret\nname: a\n", Certain, "YAML");
    // Cut inside a character.
    plain(
        &"und noch ein paar Wörter für Zürich".as_bytes()[..35],
        Certain,
        "text",
    );
    assert_eq!(of(b"too few"), Verdict::unknown());
}

#[test]
fn files_can_be_opened_by_anybody() {
    use Confidence::Certain;
    plain(
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x9a\x31\x02\x77\xe4\x10",
        Certain,
        "gzip data",
    );
    plain(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", Certain, "PNG image");
    plain(
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0",
        Certain,
        "ELF program",
    );
    plain(
        b"PK\x03\x04\x14\0\0\0\x08\0\x9a\x31\x02\x77",
        Certain,
        "ZIP archive",
    );
    // An encrypted entry.
    assert_ne!(
        of(b"PK\x03\x04\x14\0\x01\0\x08\0\x9a\x31\x02\x77").exposure,
        Exposure::Plaintext
    );
}

#[test]
fn structures_can_be_read() {
    use Confidence::Likely;
    plain(
        b"\x07\0\0\0\x05alice\0\0\0\x0fapp1/config/db\x01",
        Likely,
        "strings in binary",
    );
    plain(
        b"\x01\x02\x9a\xff the quick brown fox jumps \x80\x81",
        Likely,
        "text in binary",
    );
    let numbers: Vec<u8> = (0..40_u32).flat_map(|n| (n * 3).to_be_bytes()).collect();
    plain(&numbers, Likely, "binary structure");
}

#[test]
fn what_may_be_encrypted_is_unknown() {
    let random: Vec<u8> = (0..256_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let verdict = of(&random);
    assert_eq!(verdict.exposure, Exposure::Unknown);
    assert_eq!(evidence(&verdict), "high entropy");
    // A header in the clear in front of it proves nothing.
    let headed = [&[0; 60][..], &random].concat();
    assert_eq!(of(&headed).exposure, Exposure::Unknown);
    // Nor does a short header: MySQL asks for TLS with 36 bytes of little else than zeros.
    assert_eq!(
        of(&[&[0x20, 0, 0, 1, 0x85][..], &[0; 31]].concat()).exposure,
        Exposure::Unknown
    );
    // Nor does what was captured of a packet that goes on.
    let cut = classify(&payload(&[0; 60], 600, CLIENT, 1));
    assert_eq!(cut.exposure, Exposure::Unknown);
    // The middle of a certificate, in the handshake of TLS or what else has one.
    let certificate =
        b"\x06\x03U\x04\x0a\x0c\x14Example Organization Ltd 1\x0b0\x09\x06\x03U\x04\x06\x13\x02";
    assert_eq!(of(certificate).exposure, Exposure::Unknown);
    let names = b"ample.org\x82\x0fwww.example.org\x82\x11*.img.example.org\x82\x0cmail.example";
    assert_eq!(of(names).exposure, Exposure::Unknown);
    // The middle of SSH's negotiation.
    let names = b"om,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256";
    assert_eq!(of(names).exposure, Exposure::Unknown);
    assert_eq!(of(names).protocol, Protocol::Ssh);
}

#[test]
fn a_structured_header_in_front_of_random_bytes_is_unknown() {
    let random: Vec<u8> = (0..256_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    // A session's name and a device's, with their lengths, as file synchronisation sends them.
    let header = b"\x07\0\0\0\x05alice\0\0\0\x0fapp1/config/db\x01";
    assert_eq!(of(header).exposure, Exposure::Plaintext);
    let packet = [&header[..], &random[..120]].concat();
    let verdict = of(&packet);
    assert_eq!(verdict.exposure, Exposure::Unknown);
    assert_eq!(evidence(&verdict), "structured header, then high entropy");
    // What goes on in the clear can be read.
    let packet = [&header[..], &header[..], &header[..], &random[..20]].concat();
    assert_eq!(of(&packet).exposure, Exposure::Plaintext);
}

#[test]
fn text_on_the_port_of_a_protocol_of_text_is_likely_its_own() {
    let verdict = to(25, b"Dear Bob, the meeting is on Monday.\r\n");
    assert_eq!(verdict.protocol, Protocol::Smtp);
    assert_eq!(verdict.confidence, Confidence::Likely);
    assert_eq!(evidence(&verdict), "text");
}

#[test]
fn credentials_are_found_where_no_protocol_is() {
    let verdict = of(b"{\"user\":\"alice\",\"password\":\"s3cr3t\"}");
    assert_eq!(verdict.credentials, [CredentialKind::PasswordField]);
    assert!(!format!("{verdict:?}").contains("s3cr3t"));
}

/// A TCP segment to a port in IPv4 with another header around it.
fn in_ip(port: u16, bytes: &[u8]) -> Verdict {
    let length = u16::try_from(40 + bytes.len()).unwrap().to_be_bytes();
    let packet = [
        &[0x45, 0, length[0], length[1], 0, 1, 0x40, 0, 64, 6, 0, 0][..],
        &[10, 0, 0, 1, 10, 0, 0, 2],
        &40_000_u16.to_be_bytes(),
        &port.to_be_bytes(),
        &[0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0],
        bytes,
    ]
    .concat();
    classify(&Payload {
        transport: Transport::Other(4),
        ..payload(&packet, packet.len(), 0, 0)
    })
}

#[test]
fn a_packet_in_a_packet_is_looked_into() {
    let request = in_ip(80, b"GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_eq!(request.protocol, Protocol::Http);
    assert_eq!(request.exposure, Exposure::Plaintext);
    // A tunnel has other connections too, which need not be encrypted.
    let hello = in_ip(443, tls::HELLO_13);
    assert_eq!(hello.protocol, Protocol::Tls);
    assert_eq!(hello.exposure, Exposure::Unknown);
    // No payload gives no verdict; bytes that are no IP packet are classified by their content.
    assert_eq!(in_ip(80, b""), Verdict::unknown());
    let text = Payload {
        transport: Transport::Other(4),
        ..payload(b"text that is no packet at all", 29, 0, 0)
    };
    assert_eq!(classify(&text).exposure, Exposure::Plaintext);
}
