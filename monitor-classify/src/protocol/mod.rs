//! The protocols that are recognised: a file or folder for each, and the table of all.
//!
//! To add one: a member of [`Protocol`], a file here with a function that
//! inspects a payload, its row in [`CLASSIFIERS`], and samples of its messages
//! in `tests/samples.rs`, which the tests cut at every byte.
//!
//! A function that inspects a payload is pure, and its bytes are an attacker's:
//! cut anywhere, joined in the middle of a stream, or made up. Two rules bind
//! it:
//!
//! - **Plaintext is never called encrypted; when in doubt, unknown.**
//! - Evidence names *what* could be read, never the secret itself.

mod amqp;
mod bittorrent;
mod cassandra;
mod dhcp;
mod dns;
mod dtls;
mod elasticsearch;
mod ftp;
mod git;
mod gossip;
mod gquic;
mod http;
mod http2;
mod icmp;
mod imap;
mod ipsec;
mod irc;
mod kafka;
mod kerberos;
mod ldap;
mod memcached;
mod mongodb;
mod mqtt;
mod mysql;
mod nats;
mod ntp;
mod openvpn;
mod pop3;
mod postgresql;
mod quic;
mod radius;
mod rdp;
mod redis;
mod rsync;
mod rtp;
mod sip;
mod smb;
mod smtp;
mod snmp;
mod ssh;
mod statsd;
mod stomp;
mod sunrpc;
mod syslog;
mod tds;
mod telnet;
mod tls;
mod tns;
mod vnc;
mod websocket;
mod wireguard;
mod zookeeper;

use crate::classifier::{AH, Classifier, ESP, ICMP, both, over, tcp, udp};
use crate::names::Protocol;

pub use http::{http_body, http_rest};
pub(crate) use tls::inspect_rest as inspect_tls_rest;

/// Every protocol that is recognised, a row for each of its forms: transports, usual ports, and what inspects the
/// bytes.
///
/// All rows are asked. The surest finding wins; of two equally sure ones, the
/// one on its usual port; an equal claim of two protocols names neither, so the
/// order of the rows decides nothing. Both can still agree that the payload is
/// plaintext. Known conflicts:
///
/// | bytes | fit | settled by |
/// | --- | --- | --- |
/// | `220 …`, `250 …` | SMTP, FTP | wording of SMTP or FTP servers; else the port |
/// | `USER …`, `PASS …`, `QUIT`, `NOOP`, `LIST` | FTP, POP3, IRC, SMTP | the port |
/// | `a1 LOGIN …` and other tagged commands | IMAP | a tag without a digit takes the port |
/// | `:x NOTICE …`, `PING :x` | IRC | no other protocol writes the colon |
/// | `CONNECT …` | HTTP, NATS, STOMP | what follows: a host, `{`, a line end |
/// | `ERROR` | memcached, STOMP, IRC | the port |
/// | `stat`, `conf` | ZooKeeper, memcached | the port, and the whole payload |
/// | a header of two bytes, then text | WebSocket, TLS, VNC | length and UTF-8; the port |
/// | `name:1\|c` | StatsD | value and type |
/// | version 2 and a known type | RTP, RTCP, much else | whole frames of a codec, or reports that add up |
/// | `GET /x` cut before the version | HTTP, inline Redis | the Redis port: none; else HTTP |
/// | `PING`, `QUIT`, `AUTH …`, `get k` | inline Redis, NATS, SMTP, POP3, memcached | the port |
/// | `+OK`, `-ERR …` | RESP, POP3, NATS | the port, or RESP beside other RESP values |
/// | `OPTIONS *`, `PRI *` cut before the version | HTTP/1, SIP, RTSP, HTTP/2 | none |
/// | a length of 32 bits, then small numbers | Kafka, ZooKeeper, TNS, AMQP 1.0 | Kafka names its client; paths, sessions; TNS has 32 bits only behind its connection; else the port |
/// | the same with the highest bit set | SunRPC over TCP | version 2 and a program, or a reply that adds up |
/// | `\0\0\0` and a length of 8 | PostgreSQL's request for TLS, TNS, DNS over TCP | its number |
/// | `\x03\0` and a length | RDP, others over TPKT | a cookie or the request for a protocol, else the port |
/// | `\0` and 24 bits of length | SMB, MySQL with its length in the other byte order | `SMB` |
/// | `\x80`, `\x81` first | memcached, WebSocket, RTP, RTCP | data type 0 and lengths that add up |
/// | `\x0a` first | gossip, MySQL, protobuf | a length that is right, and the port |
/// | `0` and a length (BER) | LDAP, SNMP, Kerberos | the application's tag behind it |
/// | a header of 12 bytes, then names | DNS, mDNS, LLMNR | the port alone |
/// | version 1 or 2 in network order, long header | QUIC, gossip, RTP | the version, identifiers, and lengths that add up |
/// | a short header: all but two bits are random | QUIC, DTLS, WireGuard, OpenVPN data, SRTP | long headers of the flow; else the port, and exposure unknown |
/// | a TLS record right behind a header | OpenVPN's control, STARTTLS, RDP | OpenVPN's session and numbers; else it is TLS |
/// | a record: `\x14` to `\x17`, a version | TLS, DTLS | the transport, and the version |
#[rustfmt::skip]
pub(crate) const CLASSIFIERS: &[Classifier] = &[
    // Lines of text, and what grew out of HTTP.
    tcp(Protocol::Http, http::PORTS, http::inspect).text(),
    tcp(Protocol::Http2, http2::PORTS, http2::inspect),
    tcp(Protocol::Grpc, http2::GRPC_PORTS, http2::inspect_grpc),
    tcp(Protocol::Websocket, websocket::PORTS, websocket::inspect),
    tcp(Protocol::Redis, redis::PORTS, redis::inspect).text(),
    both(Protocol::Memcached, memcached::PORTS, memcached::inspect_text).text(),
    tcp(Protocol::Nats, nats::PORTS, nats::inspect).text(),
    tcp(Protocol::Stomp, stomp::PORTS, stomp::inspect).text(),
    tcp(Protocol::Smtp, smtp::PORTS, smtp::inspect).text(),
    tcp(Protocol::Imap, imap::PORTS, imap::inspect).text(),
    tcp(Protocol::Pop3, pop3::PORTS, pop3::inspect).text(),
    tcp(Protocol::Ftp, ftp::PORTS, ftp::inspect).text(),
    tcp(Protocol::Telnet, telnet::PORTS, telnet::inspect).text(),
    tcp(Protocol::Irc, irc::PORTS, irc::inspect).text(),
    both(Protocol::Sip, sip::SIP_PORTS, sip::inspect_sip).text(),
    tcp(Protocol::Rtsp, sip::RTSP_PORTS, sip::inspect_rtsp).text(),
    both(Protocol::Syslog, syslog::PORTS, syslog::inspect).text(),
    both(Protocol::Statsd, statsd::PORTS, statsd::inspect).text(),
    tcp(Protocol::Zookeeper, zookeeper::PORTS, zookeeper::inspect_words),
    tcp(Protocol::Rsync, rsync::PORTS, rsync::inspect),
    tcp(Protocol::Git, git::PORTS, git::inspect),
    both(Protocol::Bittorrent, bittorrent::PORTS, bittorrent::inspect),
    tcp(Protocol::Vnc, vnc::PORTS, vnc::inspect),
    udp(Protocol::Rtp, rtp::PORTS, rtp::inspect),
    udp(Protocol::Rtcp, rtp::PORTS, rtp::inspect_rtcp),
    over(ICMP, Protocol::Icmp, &[], icmp::inspect),
    // Messages in binary.
    tcp(Protocol::Amqp, amqp::PORTS, amqp::inspect),
    tcp(Protocol::Cassandra, cassandra::PORTS, cassandra::inspect),
    udp(Protocol::Dhcp, dhcp::PORTS, dhcp::inspect),
    both(Protocol::Dns, dns::PORTS, dns::inspect),
    both(Protocol::Llmnr, dns::LLMNR_PORTS, dns::inspect_llmnr),
    udp(Protocol::Mdns, dns::MDNS_PORTS, dns::inspect_mdns),
    tcp(Protocol::Elasticsearch, elasticsearch::PORTS, elasticsearch::inspect),
    both(Protocol::Gossip, gossip::PORTS, gossip::inspect),
    tcp(Protocol::Kafka, kafka::PORTS, kafka::inspect),
    both(Protocol::Kerberos, kerberos::PORTS, kerberos::inspect),
    both(Protocol::Ldap, ldap::PORTS, ldap::inspect),
    both(Protocol::Memcached, memcached::PORTS, memcached::inspect_binary),
    tcp(Protocol::Mongodb, mongodb::PORTS, mongodb::inspect),
    tcp(Protocol::Mqtt, mqtt::PORTS, mqtt::inspect),
    tcp(Protocol::Mysql, mysql::PORTS, mysql::inspect),
    both(Protocol::Nfs, sunrpc::NFS_PORTS, sunrpc::inspect_nfs),
    udp(Protocol::Ntp, ntp::PORTS, ntp::inspect),
    tcp(Protocol::Postgresql, postgresql::PORTS, postgresql::inspect),
    udp(Protocol::Radius, radius::PORTS, radius::inspect),
    tcp(Protocol::Rdp, rdp::PORTS, rdp::inspect),
    tcp(Protocol::Smb, smb::PORTS, smb::inspect),
    udp(Protocol::Snmp, snmp::PORTS, snmp::inspect),
    both(Protocol::Sunrpc, sunrpc::PORTS, sunrpc::inspect),
    tcp(Protocol::Tds, tds::PORTS, tds::inspect),
    tcp(Protocol::Tns, tns::PORTS, tns::inspect),
    tcp(Protocol::Zookeeper, zookeeper::PORTS, zookeeper::inspect),
    // Encrypted, once they are set up.
    udp(Protocol::Dtls, dtls::PORTS, dtls::inspect),
    udp(Protocol::Ike, ipsec::IKE_PORTS, ipsec::inspect_ike),
    over(ESP, Protocol::Ipsec, &[], ipsec::inspect_esp),
    over(AH, Protocol::Ipsec, &[], ipsec::inspect_ah),
    udp(Protocol::Ipsec, ipsec::NAT_PORTS, ipsec::inspect_nat),
    both(Protocol::Openvpn, openvpn::PORTS, openvpn::inspect),
    udp(Protocol::Quic, quic::PORTS, quic::inspect),
    udp(Protocol::Quic, quic::PORTS, gquic::inspect),
    udp(Protocol::Wireguard, wireguard::PORTS, wireguard::inspect),
    tcp(Protocol::Ssh, ssh::PORTS, ssh::inspect),
    tcp(Protocol::Tls, &[443, 465, 636, 853, 989, 990, 993, 995, 5061, 6443, 8443], tls::inspect),
];

/// Every classifier, in the order of the table. A protocol can have more than one.
#[must_use]
pub const fn classifiers() -> &'static [Classifier] {
    CLASSIFIERS
}

/// Whether there is a classifier for this protocol at all.
#[must_use]
pub fn recognised(protocol: Protocol) -> bool {
    CLASSIFIERS.iter().any(|row| row.protocol() == protocol)
}

/// Whether servers of this protocol usually listen on this port.
#[must_use]
pub fn is_usual_port(protocol: Protocol, port: u16) -> bool {
    CLASSIFIERS
        .iter()
        .any(|row| row.protocol() == protocol && row.has_port(port))
}
