//! Every protocol that is recognised, in one table.

use super::Payload;
use super::payload::Transport;
use super::protocol::Protocol;
use super::verdict::Finding;
use super::{
    amqp, cassandra, dhcp, dns, dtls, elasticsearch, gossip, gquic, ipsec, kafka, kerberos, ldap,
    mongodb, mqtt, mysql, ntp, openvpn, postgresql, quic, radius, rdp, smb, snmp, sunrpc, tds, tns,
    wireguard,
};
use super::{
    bittorrent, ftp, git, http, http2, icmp, imap, irc, memcached, nats, pop3, redis, rsync, rtp,
    sip, smtp, ssh, statsd, stomp, syslog, telnet, tls, vnc, websocket, zookeeper,
};

/// One protocol, and how its bytes are told from those of the others.
pub(super) struct Classifier {
    pub(super) protocol: Protocol,
    pub(super) transports: &'static [Transport],
    /// Usual ports. They lift a weak finding to a likely one; they are never
    /// evidence by themselves.
    pub(super) ports: &'static [u16],
    /// What the bytes say, or nothing if they do not fit.
    pub(super) inspect: Inspect,
    /// Whether text that fits nothing else, on one of its ports, is likely its own:
    /// a body, the rest of a line, what a person types.
    pub(super) is_text: bool,
}

type Inspect = fn(&Payload<'_>) -> Option<Finding>;

/// Every protocol that is recognised, a row for each way to speak it.
///
/// All are asked. The surest finding wins; of two that are equally sure, the
/// one on its usual port; and an equal claim of two protocols names none of
/// them, so the order decides nothing. They can still agree that it is
/// plaintext. Known conflicts:
///
/// | bytes | fit | settled by |
/// | --- | --- | --- |
/// | `220 …`, `250 …` | SMTP, FTP | what SMTP or FTP servers say; else the port |
/// | `USER …`, `PASS …`, `QUIT`, `NOOP`, `LIST` | FTP, POP3, IRC, SMTP | the port |
/// | `a1 LOGIN …` and other tagged commands | IMAP | a tag without a digit takes the port |
/// | `:x NOTICE …`, `PING :x` | IRC | nobody else writes the colon |
/// | `CONNECT …` | HTTP, NATS, STOMP | what follows: a host, `{`, a line end |
/// | `ERROR` | memcached, STOMP, IRC | the port |
/// | `stat`, `conf` | ZooKeeper, memcached | the port, and the whole payload |
/// | two bytes of a head, then text | WebSocket, TLS, VNC | length and UTF-8; the port |
/// | `name:1|c` | StatsD | value and type |
/// | version 2 and a known type | RTP, RTCP, much else | whole frames of a codec, or reports that add up |
/// | `GET /x` cut before the version | HTTP, inline Redis | the Redis port: none; else HTTP |
/// | `PING`, `QUIT`, `AUTH …`, `get k` | inline Redis, NATS, SMTP, POP3, memcached | the port |
/// | `+OK`, `-ERR …` | RESP, POP3, NATS | the port, or RESP beside other RESP values |
/// | `OPTIONS *`, `PRI *` cut before the version | HTTP/1, SIP, RTSP, HTTP/2 | none |
/// | a length of 32 bits, then small numbers | Kafka, ZooKeeper, TNS, AMQP 1.0 | Kafka names its client; paths, sessions; TNS has 32 bits only behind its connection; else the port |
/// | the same with the highest bit | SunRPC over TCP | version 2 and a program, or a reply that adds up |
/// | `\0\0\0` and a length of 8 | PostgreSQL's request for TLS, TNS, DNS over TCP | its number |
/// | `\x03\0` and a length | RDP, others over TPKT | a cookie or the request for a protocol, else the port |
/// | `\0` and 24 bits of length | SMB, MySQL's length the other way round | `SMB` |
/// | `\x80`, `\x81` first | memcached, WebSocket, RTP, RTCP | data type 0 and lengths that add up |
/// | `\x0a` first | gossip, MySQL, protobuf | a length that is right, and the port |
/// | `0` and a length (BER) | LDAP, SNMP, Kerberos | the application's tag behind it |
/// | a head of 12 bytes, then names | DNS, mDNS, LLMNR | the port, that is all that tells them apart |
/// | version 1 or 2 in network order, long header | QUIC, gossip, RTP | the version, identifiers, and lengths that add up |
/// | a short header: all but two bits are random | QUIC, DTLS, WireGuard, OpenVPN data, SRTP | long headers of the flow; else the port, and exposure unknown |
/// | a record of TLS right behind a head | OpenVPN's control, STARTTLS, RDP | OpenVPN's session and numbers; else it is TLS |
/// | a record: `\x14` to `\x17`, a version | TLS, DTLS | the transport, and the version |
#[rustfmt::skip]
pub(super) const CLASSIFIERS: &[Classifier] = &[
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

/// Whether there is a classifier for this protocol at all.
#[must_use]
pub fn recognised(protocol: Protocol) -> bool {
    CLASSIFIERS
        .iter()
        .any(|classifier| classifier.protocol == protocol)
}

/// Whether servers of this protocol usually listen at this port.
#[must_use]
pub fn is_usual_port(protocol: Protocol, port: u16) -> bool {
    CLASSIFIERS
        .iter()
        .any(|classifier| classifier.protocol == protocol && classifier.ports.contains(&port))
}

const TCP: &[Transport] = &[Transport::Tcp];
const UDP: &[Transport] = &[Transport::Udp];
const TCP_UDP: &[Transport] = &[Transport::Tcp, Transport::Udp];
const ESP: &[Transport] = &[Transport::Esp];
const AH: &[Transport] = &[Transport::Other(51)];
const ICMP: &[Transport] = &[Transport::Icmp, Transport::Icmpv6];

const fn tcp(protocol: Protocol, ports: &'static [u16], inspect: Inspect) -> Classifier {
    over(TCP, protocol, ports, inspect)
}

const fn udp(protocol: Protocol, ports: &'static [u16], inspect: Inspect) -> Classifier {
    over(UDP, protocol, ports, inspect)
}

const fn both(protocol: Protocol, ports: &'static [u16], inspect: Inspect) -> Classifier {
    over(TCP_UDP, protocol, ports, inspect)
}

const fn over(
    transports: &'static [Transport],
    protocol: Protocol,
    ports: &'static [u16],
    inspect: Inspect,
) -> Classifier {
    Classifier {
        protocol,
        transports,
        ports,
        inspect,
        is_text: false,
    }
}

impl Classifier {
    const fn text(self) -> Self {
        Self {
            is_text: true,
            ..self
        }
    }
}
