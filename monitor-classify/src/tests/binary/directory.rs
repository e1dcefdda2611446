//! DNS, DHCP, NTP, SNMP, RADIUS, LDAP, Kerberos: after the examples of their RFCs.

use super::*;
use CredentialKind::{Kerberos as Ticket, LdapBind, RadiusPassword, SnmpCommunity};
use Protocol::{Dhcp, Dns, Kerberos, Ldap, Llmnr, Mdns, Ntp, Radius, Snmp};

pub(super) fn cases() -> Vec<Case> {
    [dns(), hosts(), snmp(), radius(), ldap(), kerberos()]
        .into_iter()
        .flatten()
        .collect()
}

const QUERY: &[u8] = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";
const ANSWER: &[u8] = b"\x12\x34\x81\x80\0\x01\0\x01\0\0\0\0\x07example\x03org\0\0\x01\0\x01\xc0\x0c\0\x01\0\x01\0\0\x0e\x10\0\x04\x5d\xb8\xd8\x22";

fn dns() -> Vec<Case> {
    let over_tcp = [
        &u16::try_from(QUERY.len()).unwrap().to_be_bytes()[..],
        QUERY,
    ]
    .concat();
    let absent = [b"\x12\x34\x81\x83", &QUERY[4..]].concat();
    let edns = [
        &QUERY[..10],
        b"\0\x01",
        &QUERY[12..],
        b"\0\0\x29\x10\0\0\0\0\0\0\0",
    ]
    .concat();
    let announced = b"\0\0\x84\0\0\0\0\x01\0\0\0\0\x05_http\x04_tcp\x05local\0\0\x0c\0\x01\0\0\0\x78\0\x07\x04node\xc0\x0c";
    vec![
        Case::to(Dns, 53, QUERY, Certain, "A? example.org").udp(),
        Case::to(Dns, 53, edns, Certain, "A? example.org").udp(),
        Case::from(Dns, 53, ANSWER, Certain, "A example.org 1 answers").udp(),
        Case::from(Dns, 53, absent, Certain, "A example.org NXDOMAIN").udp(),
        Case::to(Dns, 53, over_tcp, Certain, "A? example.org"),
        Case::from(Mdns, 5353, announced, Certain, "PTR _http._tcp.local").udp(),
        Case::to(
            Llmnr,
            5355,
            b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x04node\0\0\x1c\0\x01",
            Certain,
            "AAAA? node",
        )
        .udp(),
    ]
}

fn hosts() -> Vec<Case> {
    let mut discover = b"\x01\x01\x06\0\x39\x03\xf3\x26\0\0\0\0".to_vec();
    discover.extend([0; 16]);
    discover.extend(b"\x02\x42\x0a\0\0\x05");
    discover.resize(236, 0);
    discover.extend(b"\x63\x82\x53\x63\x35\x01\x01\x0c\x04node\x37\x02\x01\x03\xff");
    let solicit = b"\x01\x10\x08\x74\0\x01\0\x0a\0\x03\0\x01\x02\x42\x0a\0\0\x05\0\x06\0\x04\0\x17\0\x18\0\x08\0\x02\0\0";
    let mut query = b"\x23\0\x06\xec".to_vec();
    query.resize(40, 0);
    query.extend(b"\xea\x11\x22\x33\x44\x55\x66\x77");
    let reply = b"\x24\x02\x06\xe8\0\0\x01\x23\0\0\x02\x34\xc0\xa8\0\x01\xea\x11\x20\0\x12\x34\x56\x78\xea\x11\x22\x33\x44\x55\x66\x77\xea\x11\x22\x33\x99\x55\x66\x77\xea\x11\x22\x33\x9a\x55\x66\x77";
    // A clock that says 1998.
    let mut old = query.clone();
    old[0] = 0x1b;
    old.truncate(16);
    old.extend(b"\xba\x29\x66\x36\x7d\xd0\0\0".repeat(4));
    vec![
        Case::to(Ntp, 123, old, Likely, "v3 client").udp(),
        Case::to(Dhcp, 67, discover, Certain, "DISCOVER host=node").udp(),
        Case::to(Dhcp, 547, solicit, Certain, "SOLICIT").udp(),
        Case::to(Ntp, 123, query, Likely, "v4 client").udp(),
        Case::from(Ntp, 123, reply, Likely, "v4 server").udp(),
    ]
}

fn snmp() -> Vec<Case> {
    let get = b"\x30\x29\x02\x01\x01\x04\x06s3cr3t\xa0\x1c\x02\x04\x12\x34\x56\x78\x02\x01\0\x02\x01\0\x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\0\x05\0";
    let version_3 = |flags: u8, contents: &[u8]| {
        let global = [
            b"\x30\x0d\x02\x01\x07\x02\x02\x05\xdc\x04\x01",
            &[flags][..],
            b"\x02\x01\x03",
        ]
        .concat();
        let body = [b"\x02\x01\x03", &global[..], b"\x04\x02\x30\0", contents].concat();
        [&[0x30, u8::try_from(body.len()).unwrap()][..], &body].concat()
    };
    vec![
        Case::to(Snmp, 161, get, Certain, "v2c get community …")
            .udp()
            .with(SnmpCommunity),
        Case::to(
            Snmp,
            161,
            version_3(
                7,
                b"\x04\x10\x9d\x11\x81\xf3\x2a\x0e\xbb\x47\x60\x05\xc2\x9e\xe1\x6f\x30\x88",
            ),
            Certain,
            "v3 encrypted",
        )
        .udp()
        .exposed(Exposure::Encrypted),
        Case::to(
            Snmp,
            161,
            version_3(4, b"\x30\x05\x04\0\x04\0\xa0"),
            Certain,
            "v3 without encryption",
        )
        .udp(),
    ]
}

fn radius() -> Vec<Case> {
    let head = |code: u8, attributes: &[u8]| {
        let length = u16::try_from(attributes.len() + 20).unwrap();
        let authenticator = b"\x0f\x40\x3f\x94\x73\x97\x80\x57\xbd\x83\xd5\xcb\x98\xf4\x22\x7a";
        [
            &[code, 0][..],
            &length.to_be_bytes(),
            authenticator,
            attributes,
        ]
        .concat()
    };
    // The example of RFC 2865 section 7.1.
    let request = head(1, b"\x01\x06nemo\x02\x12\x0d\xbe\x70\x8d\x93\xd4\x13\xce\x31\x96\xe4\x3f\x78\x2a\x0a\xee\x04\x06\xc0\xa8\x01\x10\x05\x06\0\0\0\x03");
    vec![
        Case::to(Radius, 1812, request, Certain, "Access-Request user=nemo")
            .udp()
            .with(RadiusPassword),
        Case::from(
            Radius,
            1812,
            head(2, b"\x06\x06\0\0\0\x01"),
            Certain,
            "Access-Accept",
        )
        .udp(),
    ]
}

fn ldap() -> Vec<Case> {
    let to = |bytes: &[u8], text: &str| Case::to(Ldap, 389, bytes, Certain, text);
    let from = |bytes: &[u8], text: &str| Case::from(Ldap, 389, bytes, Certain, text);
    vec![
        to(b"\x30\x23\x02\x01\x01\x60\x1e\x02\x01\x03\x04\x11cn=admin,dc=local\x80\x06s3cr3t", "bind cn=admin,dc=local").with(LdapBind),
        to(b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\0\x80\0", "bind (no password)"),
        from(b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0", "bind response"),
        to(b"\x30\x27\x02\x01\x02\x63\x22\x04\x08dc=local\x0a\x01\x02\x0a\x01\0\x02\x01\0\x02\x01\0\x01\x01\0\x87\x05cn=s3\x30\0", "search dc=local"),
        from(b"\x30\x28\x02\x01\x02\x64\x23\x04\x0fcn=bob,dc=local\x30\x10\x30\x0e\x04\x02sn\x31\x08\x04\x06s3cr3t", "entry cn=bob,dc=local"),
        to(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037", "StartTLS").exposed(Exposure::Unknown),
        to(b"\x30\x05\x02\x01\x03\x42\0", "unbind"),
    ]
}

fn kerberos() -> Vec<Case> {
    let name = b"\xa1\x12\x30\x10\xa0\x03\x02\x01\x01\xa1\x09\x30\x07\x1b\x05alice";
    let realm = b"\xa2\x0b\x1b\x09LAB.LOCAL";
    let fields = [b"\xa0\x07\x03\x05\0\x50\x80\0\0", &name[..], realm].concat();
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let body = [
        &[0xa4, length(&fields) + 2, 0x30, length(&fields)][..],
        &fields,
    ]
    .concat();
    let sequence = [b"\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a", &body[..]].concat();
    let request = [
        &[0x6a, length(&sequence) + 2, 0x30, length(&sequence)][..],
        &sequence,
    ]
    .concat();
    let mut answer =
        b"\x6b\x1e\x30\x1c\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x0b\xa3\x0b\x1b\x09LAB.LOCAL"
            .to_vec();
    answer.extend(b"\xa6\x03\x02\x01\x11");
    answer.truncate(32);
    let over_tcp = [&[0, 0, 0, length(&request)][..], &request].concat();
    vec![
        Case::to(Kerberos, 88, request, Certain, "AS-REQ alice LAB.LOCAL").udp(),
        Case::to(Kerberos, 88, over_tcp, Certain, "AS-REQ alice LAB.LOCAL"),
        Case::from(Kerberos, 88, answer, Certain, "AS-REP LAB.LOCAL")
            .udp()
            .with(Ticket),
    ]
}
