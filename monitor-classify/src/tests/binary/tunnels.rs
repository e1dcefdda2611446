//! QUIC, DTLS, WireGuard, OpenVPN, IKE, ESP: their shapes, filled with what looks random.

use super::*;
use Protocol::{Dtls, Ike, Ipsec, Openvpn, Quic, Wireguard};

pub(super) fn cases() -> Vec<Case> {
    [quic(), dtls(), wireguard(), openvpn(), ipsec()]
        .into_iter()
        .flatten()
        .collect()
}

/// Ciphertext: the bytes of a multiplicative generator.
pub(super) fn random(length: usize) -> Vec<u8> {
    let mut state = 0x853c_49e6_748f_ea9b_u64;
    (0..length)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        })
        .collect()
}

fn quic() -> Vec<Case> {
    // RFC 9001 appendix A.2: the header of a client's first packet.
    let initial = [
        b"\xc0\0\0\0\x01\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\0\0\x44\x9e",
        &random(1182)[..],
    ]
    .concat();
    let handshake = [
        b"\xe0\0\0\0\x01\0\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\x40\x40",
        &random(64)[..],
    ]
    .concat();
    let version_2 = [
        b"\xd0\x6b\x33\x43\xcf\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\0\0\x44\x9e",
        &random(1182)[..],
    ]
    .concat();
    let data = [b"\x4c", &random(120)[..]].concat();
    // Google's own: flags, an identifier, the version, a number, a hash, a stream, and a message of two entries.
    let message = b"CHLO\x02\0\0\0SNI\0\x0b\0\0\0VER\0\x0f\0\0\0example.orgQ043";
    let google = [
        b"\x0d\x83\x94\xc8\xf0\x3e\x51\x57\x08Q043\x01",
        &random(12)[..],
        b"\xa0\x01\x04\0",
        message,
        &[0; 900],
    ]
    .concat();
    let google_data = [
        b"\x0d\x83\x94\xc8\xf0\x3e\x51\x57\x08Q043\x02",
        &random(200)[..],
    ]
    .concat();
    let google_long = [
        b"\xc3Q046\x50\x83\x94\xc8\xf0\x3e\x51\x57\x08\0\0\0\x01",
        &random(12)[..],
        b"\xa0\x01\x04\0",
        message,
        &[0; 900],
    ]
    .concat();
    let google_crypto = [
        b"\xc3Q050\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\0\0\x44\x9e",
        &random(1182)[..],
    ]
    .concat();
    vec![
        Case::to(Quic, 443, google, Certain, "QUIC Q043 CHLO")
            .udp()
            .exposed(Exposure::Encrypted),
        Case::to(Quic, 443, google_data, Certain, "QUIC Q043")
            .udp()
            .exposed(Exposure::Encrypted),
        Case::to(Quic, 443, google_long, Certain, "QUIC Q046 CHLO")
            .udp()
            .exposed(Exposure::Encrypted),
        Case::to(Quic, 443, google_crypto, Certain, "QUIC Google Initial")
            .udp()
            .exposed(Exposure::Encrypted),
        Case::to(Quic, 443, initial, Certain, "QUIC v1 Initial")
            .udp()
            .exposed(Exposure::Encrypted),
        Case::from(Quic, 443, handshake, Certain, "QUIC v1 Handshake")
            .udp()
            .exposed(Exposure::Encrypted),
        Case::to(Quic, 443, version_2, Certain, "QUIC v2 Initial")
            .udp()
            .exposed(Exposure::Encrypted),
        Case::to(Quic, 443, data, Likely, "QUIC data, joined in the middle")
            .udp()
            .exposed(Exposure::Unknown),
    ]
}

/// A record of DTLS 1.2: type, epoch, body.
fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap();
    [
        &[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 1][..],
        &length.to_be_bytes(),
        body,
    ]
    .concat()
}

fn dtls() -> Vec<Case> {
    let message = |kind: u8, body: &[u8]| {
        let length = u32::try_from(body.len()).unwrap().to_be_bytes();
        record(
            22,
            0,
            &[
                &[kind][..],
                &length[1..],
                &[0, 0, 0, 0, 0],
                &length[1..],
                body,
            ]
            .concat(),
        )
    };
    let hello = [
        b"\xfe\xfd",
        &random(32)[..],
        b"\0\x04abcd\0\x04\xc0\x2b\xc0\x2f\x01\0\0\0",
    ]
    .concat();
    let null = [
        b"\xfe\xfd",
        &random(32)[..],
        b"\0\0\0\x02\xc0\x06\x01\0\0\0",
    ]
    .concat();
    let data = [b"\0\x01\0\0\0\0\0\x01", &random(48)[..]].concat();
    vec![
        Case::to(
            Dtls,
            4433,
            message(1, &hello),
            Certain,
            "DTLS 1.2 ClientHello",
        )
        .udp()
        .exposed(Exposure::Encrypted),
        Case::from(
            Dtls,
            4433,
            message(3, b"\xfe\xff\x04abcd"),
            Certain,
            "DTLS 1.2/1.3 HelloVerifyRequest",
        )
        .udp()
        .exposed(Exposure::Unknown),
        Case::to(
            Dtls,
            4433,
            message(1, &null),
            Certain,
            "DTLS 1.2 ClientHello with NULL cipher",
        )
        .udp(),
        // Behind the preamble of CAPWAP.
        Case::to(
            Dtls,
            5246,
            [&[1, 0, 0, 0][..], &message(1, &hello)].concat(),
            Certain,
            "DTLS 1.2 ClientHello",
        )
        .udp()
        .exposed(Exposure::Encrypted),
        Case::to(
            Dtls,
            4433,
            record(23, 1, &data),
            Certain,
            "DTLS 1.2/1.3 application data",
        )
        .udp()
        .exposed(Exposure::Encrypted),
        Case::to(
            Dtls,
            4433,
            record(23, 1, b"GET /s3cr3t/s3cr3t coap, in the clear"),
            Likely,
            "DTLS 1.2/1.3 application data, not encrypted",
        )
        .udp(),
    ]
}

fn wireguard() -> Vec<Case> {
    let message = |kind: u8, rest: usize| [&[kind, 0, 0, 0][..], &random(rest)].concat();
    let data = [
        b"\x04\0\0\0\x91\x05\x6c\x2a\x07\0\0\0\0\0\0\0",
        &random(112)[..],
    ]
    .concat();
    vec![
        Case::to(
            Wireguard,
            51820,
            message(1, 144),
            Certain,
            "handshake initiation",
        )
        .udp()
        .exposed(Exposure::Encrypted),
        Case::from(
            Wireguard,
            51820,
            message(2, 88),
            Certain,
            "handshake response",
        )
        .udp()
        .exposed(Exposure::Encrypted),
        Case::to(Wireguard, 51820, data, Likely, "data")
            .udp()
            .exposed(Exposure::Encrypted),
    ]
}

fn openvpn() -> Vec<Case> {
    let reset = b"\x38\x5a\x91\xc3\x07\xee\x10\x42\x8b\0\0\0\0\0";
    let over_tcp = [b"\0\x0e", &reset[..]].concat();
    let data = [b"\x48\0\0\x01\0\0\0\x09", &random(100)[..]].concat();
    let control = [
        b"\x20\x5a\x91\xc3\x07\xee\x10\x42\x8b\0\0\0\0\x01\x16\x03\x01\x01\0\x01\0\0\xfc\x03\x03",
        &random(64)[..],
    ]
    .concat();
    // Over TCP, with an acknowledgement.
    let inside = [
        b"\0\x5f\x20\x5a\x91\xc3\x07\xee\x10\x42\x8b\x01\0\0\0\0\x5a\x91\xc3\x07\xee\x10\x42\x8b\0\0\0\x02\x17\x03\x03\0\x40",
        &random(64)[..],
    ]
    .concat();
    let unknown = Exposure::Unknown;
    // With a code of authentication of 20 bytes, number 1, and a time.
    let authenticated = [
        b"\x38\x5a\x91\xc3\x07\xee\x10\x42\x8b",
        &random(20)[..],
        b"\0\0\0\x01\x57\xa1\xc1\x5f\0\0\0\0\0",
    ]
    .concat();
    vec![
        Case::to(Openvpn, 1194, authenticated, Likely, "reset by the client")
            .udp()
            .exposed(unknown),
        Case::to(Openvpn, 1194, reset, Likely, "reset by the client")
            .udp()
            .exposed(unknown),
        Case::to(Openvpn, 1194, over_tcp, Likely, "reset by the client").exposed(unknown),
        Case::to(Openvpn, 1194, control, Certain, "control, TLS handshake")
            .udp()
            .exposed(unknown),
        Case::to(Openvpn, 1194, inside, Certain, "control, TLS data").exposed(Exposure::Encrypted),
        Case::to(Openvpn, 1194, data, Likely, "data")
            .udp()
            .exposed(Exposure::Encrypted),
    ]
}

fn ipsec() -> Vec<Case> {
    let ike = |exchange: u8, next: u8, flags: u8, rest: usize| {
        let length = u32::try_from(rest + 28).unwrap();
        [
            &random(16)[..],
            &[next, 0x20, exchange, flags, 0, 0, 0, 0],
            &length.to_be_bytes(),
            &random(rest),
        ]
        .concat()
    };
    let encrypted = Exposure::Encrypted;
    let behind_nat = [&[0; 4][..], &ike(35, 46, 8, 100)].concat();
    let esp = [b"\xc0\xff\xee\x01\0\0\0\x05", &random(100)[..]].concat();
    let mut direct = Case::to(Ipsec, 0, esp.clone(), Likely, "ESP").exposed(encrypted);
    direct.transport = Transport::Esp;
    let mut header = Case::to(
        Ipsec,
        0,
        b"\x06\x04\0\0\0\0\x10\x01\0\0\0\x01abcdefghijkl",
        Certain,
        "AH",
    );
    header.transport = Transport::Other(51);
    vec![
        Case::to(Ike, 500, ike(34, 33, 8, 200), Certain, "IKEv2 IKE_SA_INIT")
            .udp()
            .exposed(encrypted),
        Case::to(Ike, 500, ike(35, 46, 8, 100), Certain, "IKEv2 IKE_AUTH")
            .udp()
            .exposed(encrypted),
        Case::to(Ike, 4500, behind_nat, Certain, "IKEv2 IKE_AUTH")
            .udp()
            .exposed(encrypted),
        Case::to(Ipsec, 4500, esp, Likely, "ESP")
            .udp()
            .exposed(encrypted),
        direct,
        header,
    ]
}

#[test]
fn a_record_of_dtls_ends_within_its_datagram_also_behind_capwap() {
    let whole = record(21, 1, &random(40));
    for preamble in [&[][..], &[1, 0, 0, 0]] {
        let datagram = [preamble, &whole].concat();
        for (missing, is_record) in [(0, true), (1, false)] {
            let bytes = &datagram[..datagram.len() - missing];
            let payload = Payload {
                transport: Transport::Udp,
                ..payload(bytes, bytes.len(), CLIENT, 5246)
            };
            let verdict = classify(&payload);
            assert_eq!(verdict.protocol == Dtls, is_record, "{verdict:?}");
        }
    }
}
