//! SMB, RPC, TNS, RDP, memcached, `ZooKeeper`, gossip: after their specifications.

use super::*;
use CredentialKind::{GossipKey, MemcachedAuth, Ntlm, RdpLogin, TnsLogin, ZookeeperAuth};
use Protocol::{Elasticsearch, Gossip, Memcached, Nfs, Rdp, Smb, Sunrpc, Tns, Zookeeper};

pub(super) fn cases() -> Vec<Case> {
    [files(), desks(), stores(), gossip()]
        .into_iter()
        .flatten()
        .collect()
}

/// A length of 32 bits in front.
fn long(bytes: &[u8]) -> Vec<u8> {
    [
        &u32::try_from(bytes.len()).unwrap().to_be_bytes()[..],
        bytes,
    ]
    .concat()
}

fn files() -> Vec<Case> {
    let setup = [
        b"\xfeSMB\x40\0\x01\0\0\0\0\0\x01\0\x01\0",
        &[0; 60][..],
        b"NTLMSSP\0\x03\0\0\0s3cr3t",
    ]
    .concat();
    let hidden = [b"\xfdSMB", &[0x5a; 60][..]].concat();
    let call = |program: u32, flavour: u32| {
        let words = [7, 0, 2, program, 3, 1, flavour, 0, 0, 0, 0];
        words
            .iter()
            .flat_map(|word: &u32| word.to_be_bytes())
            .collect::<Vec<_>>()
    };
    let gss: Vec<u8> = [7_u32, 0, 2, 100_003, 4, 1, 6, 20, 1, 0, 5, 3]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    let context: Vec<u8> = [7_u32, 0, 2, 100_003, 4, 0, 6, 20, 1, 1, 0, 3]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    let reply: Vec<u8> = [7_u32, 1, 0, 0, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_be_bytes())
        .collect();
    let mut fragment = long(&call(100_003, 1));
    fragment[0] = 0x80;
    vec![
        Case::to(Smb, 445, long(&setup), Certain, "SMB2 session setup").with(Ntlm),
        Case::from(Smb, 445, long(&hidden), Certain, "SMB3 encrypted").exposed(Exposure::Encrypted),
        Case::to(Nfs, 2049, fragment, Certain, "NFS v3 call 1"),
        Case::to(Nfs, 2049, gss, Certain, "NFS v4 call 1 encrypted")
            .udp()
            .exposed(Exposure::Encrypted),
        // What the service will be says nothing of this one.
        Case::to(Nfs, 2049, context, Certain, "NFS v4 call 0 context")
            .udp()
            .exposed(Exposure::Unknown),
        Case::to(
            Sunrpc,
            111,
            call(100_000, 0),
            Certain,
            "portmapper v3 call 1",
        )
        .udp(),
        Case::from(Sunrpc, 111, reply, Likely, "reply").udp(),
    ]
}

fn desks() -> Vec<Case> {
    let tns = |kind: u8, body: &[u8]| {
        let length = u16::try_from(body.len() + 8).unwrap();
        [&length.to_be_bytes()[..], &[0, 0, kind, 0, 0, 0], body].concat()
    };
    let connect = [
        b"\x01\x3a\x01\x2c\0\0",
        &[0; 40][..],
        b"(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=s3cr3t)))",
    ]
    .concat();
    let info = [
        b"\x03\0\0\x21\x02\xf0\x80\x64\0\x07\x03\xeb\x70\x13\x40\0\0\0",
        &[0; 9][..],
        b"s3cr3t",
    ]
    .concat();
    vec![
        Case::to(Tns, 1521, tns(1, &connect), Certain, "connect"),
        Case::to(
            Tns,
            1521,
            tns(6, b"\0\0\x03\x73\x03\x0dAUTH_PASSWORD\x20s3cr3t"),
            Likely,
            "data",
        )
        .with(TnsLogin),
        Case::to(
            Rdp,
            3389,
            b"\x03\0\0\x13\x0e\xe0\0\0\0\0\0\x01\0\x08\0\x03\0\0\0",
            Certain,
            "connection request",
        )
        .exposed(Exposure::Unknown),
        Case::from(
            Rdp,
            3389,
            b"\x03\0\0\x13\x0e\xd0\0\0\x12\x34\0\x02\x1f\x08\0\x02\0\0\0",
            Certain,
            "connection confirm",
        )
        .exposed(Exposure::Unknown),
        Case::to(
            Rdp,
            3389,
            b"\x03\0\0\x0c\x02\xf0\x80\x04\x01\0\x01\0",
            Likely,
            "MCS domain",
        ),
        Case::to(Rdp, 3389, info, Certain, "client info").with(RdpLogin),
        Case::from(
            Rdp,
            3389,
            b"\x03\0\0\x1a\x02\xf0\x80\x68\0\x07\x03\xeb\x70\x80\x0b\x0b\0\x11\0\xf0\x03\0\0\0\0\0",
            Certain,
            "share control",
        ),
    ]
}

fn stores() -> Vec<Case> {
    let memcached = |magic: u8, operation: u8, extras: u8, key: &[u8], value: &[u8]| {
        let length = u32::try_from(key.len() + value.len() + usize::from(extras)).unwrap();
        let head = [
            magic,
            operation,
            0,
            u8::try_from(key.len()).unwrap(),
            extras,
            0,
            0,
            0,
        ];
        [
            &head[..],
            &length.to_be_bytes(),
            &[0; 12],
            &vec![0; extras.into()],
            key,
            value,
        ]
        .concat()
    };
    let session = [
        &[0; 12][..],
        b"\0\0\x75\x30",
        &[0; 8],
        b"\0\0\0\x10",
        &[0; 17],
    ]
    .concat();
    let granted = [
        &[0; 4][..],
        b"\0\0\x75\x30\x01\0\0\x12\x34\x56\x78\x9a\0\0\0\x10s3cr3ts3cr3ts3cr\0",
    ]
    .concat();
    let search = [
        b"ES\0\0\0\x18\0\0\0\0\0\0\0\x05\0\0\x7a\x12\x0f",
        &[0; 11][..],
    ]
    .concat();
    vec![
        Case::to(
            Memcached,
            11211,
            memcached(0x80, 1, 8, b"cart:42", b"s3cr3t"),
            Certain,
            "set cart:42",
        ),
        Case::to(
            Memcached,
            11211,
            memcached(0x80, 0x21, 0, b"PLAIN", b"\0alice\0s3cr3t"),
            Certain,
            "SASL log-in PLAIN",
        )
        .with(MemcachedAuth),
        Case::from(
            Memcached,
            11211,
            memcached(0x81, 0, 4, b"", b"s3cr3t"),
            Certain,
            "get",
        ),
        Case::to(Zookeeper, 2181, long(&session), Certain, "session request"),
        Case::from(Zookeeper, 2181, long(&granted), Certain, "session").with(ZookeeperAuth),
        Case::to(
            Zookeeper,
            2181,
            long(b"\0\0\0\x01\0\0\0\x04\0\0\0\x0a/brokers/a\0"),
            Certain,
            "getData /brokers/a",
        ),
        Case::to(
            Zookeeper,
            2181,
            long(b"\xff\xff\xff\xfe\0\0\0\x0b"),
            Certain,
            "ping",
        ),
        Case::to(
            Zookeeper,
            2181,
            long(b"\0\0\0\x05\0\0\0\x0e\0\0\0\x01\0\xff\xff\xff\xff\0\0\0\x02/a"),
            Certain,
            "multi",
        ),
        Case::to(
            Zookeeper,
            2181,
            long(b"\0\0\0\x07\xff\xff\xff\xf5"),
            Likely,
            "close",
        ),
        Case::from(
            Zookeeper,
            2181,
            long(b"\0\0\0\x01\0\0\0\0\0\0\0\x09\0\0\0\0"),
            Likely,
            "reply",
        ),
        Case::to(Elasticsearch, 9300, search, Certain, "request"),
    ]
}

fn gossip() -> Vec<Case> {
    let random = super::tunnels::random(80);
    let hidden = [b"\x01", &random[..]].concat();
    let stream = [b"\x0a\0\0\0\x51\x01", &random[..]].concat();
    let ping = b"\0\x82\xa4Node\xa5node2\xa5SeqNo\x05";
    let several = [b"\x07\x01\0\x16", &ping[..]].concat();
    let spread = [
        b"\x08\x05\x84\xa4Name\xb1_serf_install-key\xa7Payload\xda\0\x07",
        &b"\x81s3cr3t"[..],
    ]
    .concat();
    let checked = [b"\x0c\x12\x34\x56\x78", &ping[..]].concat();
    vec![
        Case::to(Gossip, 7946, ping, Certain, "ping").udp(),
        Case::to(Gossip, 7946, several, Certain, "ping").udp(),
        Case::to(Gossip, 7946, checked, Certain, "ping").udp(),
        Case::to(Gossip, 7946, spread, Likely, "user message")
            .udp()
            .with(GossipKey),
        Case::to(Gossip, 7946, hidden, Likely, "encrypted")
            .udp()
            .exposed(Exposure::Encrypted),
        Case::to(Gossip, 7946, stream, Likely, "encrypted").exposed(Exposure::Encrypted),
    ]
}

#[test]
fn messages_of_gossip_have_room_for_their_lengths() {
    for (bytes, fits) in [(&[7, 1, 0, 9, 0x80][..], true), (&[7, 1, 0, 9], false)] {
        let payload = Payload {
            transport: Transport::Udp,
            ..payload(bytes, bytes.len(), CLIENT, 7946)
        };
        let verdict = classify(&payload);
        assert_eq!(verdict.protocol == Gossip, fits, "{verdict:?}");
    }
}

#[test]
fn a_second_line_of_imap_makes_the_first_certain() {
    let one = b"* NO such mailbox\r\n";
    for (bytes, confidence) in [
        (one.to_vec(), Likely),
        ([&one[..], b"* BYE\r\n"].concat(), Certain),
    ] {
        let verdict = from(143, &bytes);
        assert_eq!(
            (verdict.protocol, verdict.confidence),
            (Protocol::Imap, confidence)
        );
    }
}

/// A packet of SSH before encryption (RFC 4253, 6): KEXINIT with these lists.
fn kexinit(lists: &[&str]) -> Vec<u8> {
    let mut message = [&[20][..], &super::tunnels::random(16)].concat();
    for list in lists {
        message.extend(long(list.as_bytes()));
    }
    message.extend([0; 5]);
    let padding = 4 + (8 - (message.len() + 9) % 8) % 8;
    let length = u32::try_from(1 + message.len() + padding).unwrap();
    let head = [&length.to_be_bytes()[..], &[padding as u8]].concat();
    [head, message, vec![0; padding]].concat()
}

#[test]
fn a_banner_of_ssh_is_as_exposed_as_the_negotiation_behind_it() {
    let names = |cipher| {
        let mut lists = ["a"; 10];
        lists[2..4].fill(cipher);
        lists
    };
    for (cipher, exposure) in [
        ("aes128-gcm@openssh.com", Exposure::Encrypted),
        ("none", Exposure::Unknown),
    ] {
        let bytes = [&b"SSH-2.0-Server\r\n"[..], &kexinit(&names(cipher))].concat();
        let verdict = from(22, &bytes);
        assert_eq!(
            (verdict.protocol, verdict.exposure),
            (Protocol::Ssh, exposure),
            "{cipher}"
        );
    }
}
