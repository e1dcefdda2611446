use proptest::prelude::*;

use super::*;

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = u16::try_from(4 + value.len())
        .unwrap()
        .to_ne_bytes()
        .to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn algorithm(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(ALGORITHM, 0);
    // Length of key and check value, and a key.
    bytes.extend(160u32.to_ne_bytes());
    bytes.extend(64u32.to_ne_bytes());
    bytes.extend([0xee; 20]);
    bytes
}

/// Docker's association from 10.0.0.1 to 10.0.0.2, as the kernel encodes it.
fn docker() -> Vec<u8> {
    let mut bytes = vec![0; ASSOCIATION];
    put(&mut bytes, 56, &[10, 0, 0, 2]);
    put(&mut bytes, 72, &0x0102_0304u32.to_be_bytes());
    bytes[76] = 50;
    put(&mut bytes, 80, &[10, 0, 0, 1]);
    put(&mut bytes, 120, &INFINITE.to_ne_bytes());
    put(&mut bytes, 160, &4000u64.to_ne_bytes());
    put(&mut bytes, 168, &40u64.to_ne_bytes());
    put(&mut bytes, 200, &3u32.to_ne_bytes());
    put(&mut bytes, 208, &0xd0_c4e3u32.to_ne_bytes());
    put(&mut bytes, 212, &INET.to_ne_bytes());
    bytes.extend(attribute(ALG_AEAD, &algorithm("rfc4106(gcm(aes))")));
    let mut replay = 40u32.to_ne_bytes().to_vec();
    replay.extend([0; 8]);
    bytes.extend(attribute(REPLAY_VAL, &replay));
    bytes.extend(attribute(27, &[]));
    bytes.extend(attribute(OFFLOAD_DEV, &[7, 0, 0, 0, FLAG_PACKET, 0, 0, 0]));
    bytes
}

#[test]
fn an_association_is_decoded_without_its_key() {
    let found = association(&docker()).unwrap();
    let expected = SecurityAssociation {
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        spi: 0x0102_0304,
        protocol: 50,
        mode: Mode::Transport,
        reqid: 0xd0_c4e3,
        mark: None,
        algorithms: vec!["rfc4106(gcm(aes))".to_owned()],
        packets: 40,
        bytes: 4000,
        packets_limit: None,
        sequence_sent: 40,
        extended_sequence: false,
        integrity_failed: 3,
        udp: false,
        offload: Some(Offload {
            ifindex: u32::from_ne_bytes([7, 0, 0, 0]),
            packet: true,
        }),
    };
    assert_eq!(found, expected);
    assert!(!found.is_readable());
}

#[test]
fn null_ciphers_and_authentication_alone_are_readable() {
    let with = |names: &[&str]| {
        let mut found = association(&docker()).unwrap();
        found.algorithms = names.iter().map(|name| (*name).to_owned()).collect();
        found.is_readable()
    };
    assert!(with(&["ecb(cipher_null)", "hmac(sha256)"]));
    assert!(with(&["hmac(sha256)", "ecb(cipher_null)"]));
    assert!(with(&["rfc4543(gcm(aes))"]));
    assert!(!with(&["cbc(aes)", "hmac(sha256)"]));
    assert!(!with(&["cbc(aes)", "digest_null"]));
    assert!(!with(&["rfc7539esp(chacha20,poly1305)"]));
    assert!(!with(&[]));
}

#[test]
fn a_policy_is_decoded_with_its_template() {
    let mut bytes = vec![0; POLICY];
    put(&mut bytes, 0, &[10, 0, 0, 2]);
    put(&mut bytes, 16, &[10, 0, 0, 1]);
    put(&mut bytes, 32, &4789u16.to_be_bytes());
    put(&mut bytes, 34, &[0xff, 0xff]);
    put(&mut bytes, 40, &INET.to_ne_bytes());
    bytes[42] = 32;
    bytes[43] = 32;
    bytes[44] = 17;
    bytes[160] = 1;
    let mut template = vec![0; TEMPLATE];
    put(&mut template, 0, &[10, 0, 0, 2]);
    put(&mut template, 16, &0x101u32.to_be_bytes());
    template[20] = 50;
    put(&mut template, 24, &INET.to_ne_bytes());
    put(&mut template, 28, &[10, 0, 0, 1]);
    put(&mut template, 44, &0xd0_c4e3u32.to_ne_bytes());
    bytes.extend(attribute(TMPL, &template));
    let mut mark = 0xd0_c4e3u32.to_ne_bytes().to_vec();
    mark.extend(u32::MAX.to_ne_bytes());
    bytes.extend(attribute(MARK, &mark));
    let found = policy(&bytes).unwrap();
    let (one, two) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    assert_eq!(
        (found.direction, found.source, found.destination),
        (PolicyDirection::Out, (one, 32), (two, 32))
    );
    assert_eq!(found.templates.len(), 1);
    assert_eq!(
        (found.templates[0].source, found.templates[0].spi),
        (one, 0x101)
    );
    assert!(found.sends(two, 4789, 0xd0_c4e3));
    assert!(!found.sends(two, 4789, 0), "without the mark");
    assert!(!found.sends(one, 4789, 0xd0_c4e3), "to another node");
    assert!(!found.sends(two, 8472, 0xd0_c4e3), "to another port");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600), at in 0..400usize, byte: u8) {
        let _ = association(&bytes);
        let _ = policy(&bytes);
        let mut damaged = docker();
        if let Some(place) = damaged.get_mut(at) {
            *place = byte;
        }
        let _ = association(&damaged);
        let _ = policy(&damaged);
    }
}
