use super::*;
use crate::esp;
use crate::tests::neighbours::{Outcomes, compare, line};

/// Bytes that cannot be distinguished from random ones.
fn random(mut seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = seed;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        bytes.extend(x.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// An ESP packet with this body, of which so many bytes were captured.
fn observe(association: &mut Association, body: &[u8], captured: usize) -> Verdict {
    let bytes = [&[0, 0, 1, 0, 0, 0, 0, 9], body].concat();
    association.observe(&EspPacket {
        bytes: &bytes[..bytes.len().min(captured.saturating_add(8))],
        wire_len: u32::try_from(bytes.len()).unwrap(),
        is_first_fragment: false,
    })
}

fn packet(body: &[u8]) -> Verdict {
    observe(&mut Association::default(), body, usize::MAX)
}

/// A packet under the NULL cipher behind a vector (of GMAC) with a check value of these lengths.
fn wrapped(inside: &[u8], next: u8, vector: usize, check: usize) -> Vec<u8> {
    let padding = (4 - (inside.len() + 2) % 4) % 4;
    let mut body = random(11, vector);
    body.extend(inside);
    body.extend((1..).take(padding));
    body.extend([padding as u8, next]);
    body.extend(random(12 + inside.len() as u64, check));
    body
}

/// The packets that a NULL cipher may be around: name, protocol, bytes that end in 100 random ones.
fn insides(seed: u64) -> Vec<(&'static str, u8, Vec<u8>)> {
    let payload = random(seed, 100);
    let with = |head: &[u8]| [head, &payload].concat();
    let port = &random(seed ^ 1, 4)[..];
    let tcp = [
        port,
        &[
            1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 1, 0xf5, 0xab, 0xcd, 0, 0,
        ],
    ]
    .concat();
    let udp = |port: u16, inside: &[u8]| {
        let length = u16::try_from(8 + inside.len()).unwrap().to_be_bytes();
        let [high, low] = port.to_be_bytes();
        [
            &[0x9c, 0x40, high, low, length[0], length[1], 0xab, 0xcd],
            inside,
        ]
        .concat()
    };
    let vxlan = with(&[8, 0, 0, 0, 0, 0x10, 0, 0]);
    let geneve = with(&[0, 0, 0x65, 0x58, 0, 0x10, 0, 0]);
    let version_4 = |options: &[u8]| {
        let words = 0x45 + u8::try_from(options.len() / 4).unwrap();
        let length = 140 + u8::try_from(options.len()).unwrap();
        let mut header = vec![
            words, 0, 0, length, 0, 9, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        header.extend_from_slice(options);
        let sum: u32 = header
            .chunks(2)
            .map(|two| u32::from(two[0]) << 8 | u32::from(two[1]))
            .sum();
        let sum = !((sum & 0xffff) + (sum >> 16));
        header[10..12].copy_from_slice(&(sum as u16).to_be_bytes());
        header.extend(with(&tcp));
        header
    };
    let mut version_6 = vec![0x60, 0, 0, 0, 0, 120, 6, 64];
    version_6.extend(random(3, 32));
    version_6.extend(with(&tcp));
    let mut extension = vec![6, 0, 1, 4, 0, 0, 0, 0];
    extension.extend(with(&tcp));
    let fragment = [&[17, 0, 0, 1][..], &random(4, 4)].concat();
    vec![
        ("tcp", 6, with(&tcp)),
        ("udp", 17, udp(6000, &payload)),
        ("vxlan", 17, udp(4789, &vxlan)),
        ("vxlan on another port", 17, udp(8472, &vxlan)),
        ("geneve", 17, udp(6081, &geneve)),
        ("gre", 47, with(&[0x20, 0, 0x65, 0x58, 0, 0, 0, 7])),
        ("tunnel mode, IPv4", 4, version_4(&[])),
        ("tunnel mode, router alert", 4, version_4(&[0x94, 4, 0, 0])),
        ("tunnel mode, IPv6", 41, version_6),
        ("icmpv6", 58, with(&[128, 0, 1, 2, 3, 4, 0, 1])),
        (
            "sctp",
            132,
            with(&[0, 1, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 0, 3, 0, 104]),
        ),
        ("hop-by-hop options", 0, extension.clone()),
        ("destination options", 60, extension),
        ("fragment", 44, with(&fragment)),
        ("esp", 50, with(&[1, 2, 3, 4, 0, 0, 0, 1])),
        ("ah", 51, with(&[6, 4, 0, 0, 1, 2, 3, 4])),
        ("ospf", 89, with(&[2, 1, 0, 44])),
        ("l2tp", 115, with(&[9, 8, 7, 6])),
        ("ethernet", 143, with(&[2; 12])),
    ]
}

#[test]
fn the_null_cipher_around_anything_is_never_called_encrypted() {
    for vector in [0, 8] {
        for check in [0, 8, 12, 16, 24, 32, 64] {
            let mut associations = vec![Association::default(); insides(0).len()];
            for round in 0..8 {
                for ((name, next, inside), association) in
                    insides(round).into_iter().zip(&mut associations)
                {
                    let body = wrapped(&inside, next, vector, check);
                    let case = format!("{name}, vector {vector}, check value {check}, {round}");
                    assert_ne!(packet(&body).exposure, Exposure::Encrypted, "{case}");
                    let verdict = observe(association, &body, usize::MAX);
                    // Four packets with a trailer are no chance.
                    if round >= 3 {
                        assert_eq!(verdict.exposure, Exposure::Plaintext, "{case}");
                        assert_eq!(verdict.confidence, Confidence::Certain, "{case}");
                    }
                }
            }
        }
    }
}

#[test]
fn one_packet_with_a_header_and_a_trailer_that_agree_is_enough() {
    let certain = [
        "tcp",
        "udp",
        "vxlan",
        "vxlan on another port",
        "geneve",
        "gre",
        "tunnel mode, IPv4",
        "tunnel mode, router alert",
        "tunnel mode, IPv6",
        "sctp",
    ];
    for (name, next, inside) in insides(5) {
        for check in [0, 12, 16] {
            let verdict = packet(&wrapped(&inside, next, 0, check));
            let is_certain = verdict.exposure == Exposure::Plaintext;
            assert_eq!(is_certain, certain.contains(&name), "{name}");
        }
    }
}

#[test]
fn a_small_packet_that_shows_nothing_is_unknown() {
    // A dummy packet, an ICMPv6 message.
    for (next, inside) in [(59, &[1, 2, 3, 4][..]), (58, &[135, 0, 1, 2, 0, 0, 0, 0])] {
        let verdict = packet(&wrapped(inside, next, 0, 12));
        assert_eq!(verdict.exposure, Exposure::Unknown, "{next}");
        assert_eq!(
            verdict.evidence.as_deref(),
            Some("ESP, perhaps not encrypted")
        );
    }
}

#[test]
fn a_cut_packet_under_the_null_cipher_is_not_certainly_encrypted() {
    for (name, next, inside) in insides(9) {
        for vector in [0, 8] {
            let body = wrapped(&inside, next, vector, 12);
            let mut association = Association::default();
            for captured in [16, 24, 40, 60, 90] {
                let alone = observe(&mut Association::default(), &body, captured);
                let together = observe(&mut association, &body, captured);
                let recognised = RECOGNISED.contains(&next);
                for verdict in [alone, together] {
                    let case = format!("{name} behind {vector}, {captured}: {verdict:?}");
                    let is_certain = verdict.confidence == Confidence::Certain;
                    assert!(
                        verdict.exposure != Exposure::Encrypted || !is_certain,
                        "{case}"
                    );
                    assert!(
                        verdict.exposure != Exposure::Encrypted || !recognised,
                        "{case}"
                    );
                }
            }
        }
    }
}

#[test]
fn cut_packets_that_all_begin_like_tcp_are_in_the_clear() {
    let mut association = Association::default();
    for round in 0..u64::from(HEADERS) {
        let (_, next, inside) = insides(round).swap_remove(0);
        let verdict = observe(&mut association, &wrapped(&inside, next, 0, 12), 60);
        let expected = if round + 1 < u64::from(HEADERS) {
            Exposure::Unknown
        } else {
            Exposure::Plaintext
        };
        assert_eq!(verdict.exposure, expected, "{round}");
    }
}

/// Ciphertext of AES-GCM: a counter in front, and random bytes.
fn ciphertext(seed: u64, number: u64, length: usize) -> Vec<u8> {
    let mut body = number.to_be_bytes().to_vec();
    body.extend(random(
        seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number << 40,
        length - 8,
    ));
    body
}

/// How many of so many associations are called encrypted after 1, 2, 4 and 8 packets; none is called plaintext.
fn encrypted_after(associations: u64, length: usize, captured: usize) -> [u64; 4] {
    let mut encrypted = [0; 4];
    for seed in 0..associations {
        let mut association = Association::default();
        for number in 1..=8_u64 {
            let body = ciphertext(seed, number, length);
            let verdict = observe(&mut association, &body, captured);
            assert_ne!(verdict.exposure, Exposure::Plaintext, "{seed}, {number}");
            if verdict.exposure == Exposure::Encrypted && number.is_power_of_two() {
                encrypted[number.ilog2() as usize] += 1;
            }
        }
    }
    encrypted
}

#[test]
fn ciphertext_is_encrypted_at_once_and_never_taken_for_a_packet() {
    const ALL: u64 = 20_000;
    for (length, captured) in [
        (40, usize::MAX),
        (64, usize::MAX),
        (120, usize::MAX),
        (1400, usize::MAX),
        (64, 54),
        (120, 54),
        (1400, 54),
        (1400, 200),
    ] {
        let captured = captured.min(length);
        let [one, two, four, eight] = encrypted_after(ALL, length, captured);
        let case =
            format!("{length} bytes, {captured} captured, of {ALL}: {one} {two} {four} {eight}");
        let of = |share: f64, count: u64| assert!(count as f64 > share * ALL as f64, "{case}");
        if captured < length {
            of(0.90, one);
            of(0.98, two);
            of(0.99, four);
        } else {
            of(0.96, one);
            of(0.999, two);
            of(0.9999, four);
        }
        of(0.999, eight);
    }
}

#[test]
fn what_can_be_read_inside_is_reported() {
    let request = b"GET /login HTTP/1.1\r\nHost: shop\r\nAuthorization: Basic dXNlcjpwYXNz\r\n\r\n";
    let mut tcp = vec![
        0x9c, 0x40, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 1, 0xf5, 0xab, 0xcd, 0, 0,
    ];
    tcp.extend(request);
    let verdict = packet(&wrapped(&tcp, 6, 0, 12));
    assert_eq!(verdict.protocol, Protocol::Http);
    assert_eq!(verdict.exposure, Exposure::Plaintext);
    assert!(!verdict.credentials.is_empty());
    // A packet that shows nothing leaves the association what it is.
    let mut association = Association::default();
    observe(&mut association, &wrapped(&tcp, 6, 0, 12), usize::MAX);
    let later = observe(&mut association, &random(1, 200), usize::MAX);
    assert_eq!(
        (later.protocol, later.exposure),
        (Protocol::Ipsec, Exposure::Plaintext)
    );
}

#[test]
fn text_is_plaintext() {
    let text = b"GET /index.html HTTP/1.1 Host: example";
    assert_eq!(packet(text).exposure, Exposure::Plaintext);
}

#[test]
fn what_is_not_encrypted_yet_is_not_called_plaintext() {
    // As TC sees a packet that is sent with esp4_offload: behind ESP's header and the vector the datagram,
    // and no trailer.
    let inside = random(7, 200);
    let length = u16::try_from(16 + inside.len()).unwrap().to_be_bytes();
    let mut body = random(11, 8);
    body.extend([0xc0, 1, 0x12, 0xb5, length[0], length[1], 0, 0]);
    body.extend([8, 0, 0, 0, 0, 0x10, 0, 0]);
    body.extend(&inside);
    assert_ne!(packet(&body).exposure, Exposure::Plaintext);
}

#[test]
fn too_few_bytes_are_unknown() {
    for length in 0..16 {
        assert_eq!(packet(&random(3, length)).exposure, Exposure::Unknown);
    }
    for (bytes, wire_len) in [(&[][..], 0), (&[1; 4], u32::MAX)] {
        for is_first_fragment in [false, true] {
            let packet = EspPacket {
                bytes,
                wire_len,
                is_first_fragment,
            };
            assert_eq!(esp(&packet).exposure, Exposure::Unknown);
        }
    }
    assert_eq!(ah().exposure, Exposure::Plaintext);
}

/// Bytes at both ends of a packet that are changed: headers, and padding, trailer and check value.
const ENDS: (usize, usize) = (56, 28);

/// Packets under the NULL cipher with one byte that is another, and cut.
#[test]
fn of_packets_with_a_byte_that_is_another() {
    let mut texts = Vec::new();
    for (vector, check) in [(0, 12), (8, 16)] {
        for (name, next, inside) in insides(5) {
            let body = wrapped(&inside, next, vector, check);
            let verdict = packet(&body);
            let mut outcomes = Outcomes::other_than(&verdict);
            let places = || (0..ENDS.0).chain(body.len() - ENDS.1..body.len());
            outcomes.change(&body, places(), packet);
            for at in places() {
                let mut association = Association::default();
                outcomes.note("cut", at, &observe(&mut association, &body, at));
                outcomes.note("shorter", at, &packet(&body[..at]));
                let fragment = esp(&EspPacket {
                    bytes: &body[..at],
                    wire_len: body.len() as u32,
                    is_first_fragment: true,
                });
                outcomes.note("fragment", at, &fragment);
            }
            texts.push(format!(
                "{name}, vector {vector}, check value {check}, {} bytes\n  {}\n{outcomes}",
                body.len(),
                line(&verdict),
            ));
        }
    }
    compare("esp-null-cipher", &texts);
}

/// Ethernet and IPv4 with TCP of an inner host, in VXLAN in UDP. The IPv4 header says `more` bytes than there are.
fn framed(inside: &[u8], more: u16) -> Vec<u8> {
    let total = u16::try_from(20 + inside.len()).unwrap();
    let [high, low] = (total + more).to_be_bytes();
    let length = u16::try_from(8 + 8 + 14).unwrap() + total;
    let mut bytes = vec![0xc0, 1, 0x12, 0xb5];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0, 8, 0, 0, 0, 0, 0x10, 0, 0]);
    bytes.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    bytes.extend([0x45, 0, high, low, 0, 9, 0x40, 0, 64, 6, 0, 0]);
    bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend(inside);
    bytes
}

#[test]
fn what_can_be_read_in_a_frame_inside_is_reported_and_nothing_of_one_that_ends_behind_the_packet() {
    let mut tcp = vec![
        0x9c, 0x40, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 1, 0xf5, 0xab, 0xcd, 0, 0,
    ];
    tcp.extend(b"GET /login HTTP/1.1\r\nHost: shop\r\n\r\n");
    for (more, protocol) in [(0, Protocol::Http), (20, Protocol::Unknown)] {
        let verdict = packet(&wrapped(&framed(&tcp, more), 17, 0, 0));
        assert_eq!(verdict.protocol, protocol, "{more}: {verdict:?}");
    }
}

#[test]
fn a_cipher_is_as_certain_as_its_association_and_not_as_what_is_inside() {
    let mut association = Association::default();
    for round in 0..8 {
        let (_, next, inside) = insides(round).swap_remove(0);
        observe(&mut association, &wrapped(&inside, next, 0, 12), usize::MAX);
    }
    let inside = Verdict {
        confidence: Confidence::Likely,
        ..ah()
    };
    let verdict = association.verdict(Some(inside));
    assert_eq!(verdict.confidence, Confidence::Certain);
    assert_eq!(verdict.evidence, ah().evidence);
}

#[test]
fn ah_is_named() {
    assert_eq!(
        ah().evidence.unwrap().to_string(),
        "AH, authenticated, not encrypted"
    );
}
