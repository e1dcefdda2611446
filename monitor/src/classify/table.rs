//! Every protocol that is recognised, in one table.

use super::Payload;
use super::payload::Transport;
use super::protocol::Protocol;
use super::verdict::Finding;
use super::{http, redis, tls};

/// One protocol, and how its bytes are told from those of the others.
pub(super) struct Classifier {
    pub(super) protocol: Protocol,
    pub(super) transports: &'static [Transport],
    /// Usual ports. They lift a weak finding to a likely one; they are never
    /// evidence by themselves.
    pub(super) ports: &'static [u16],
    /// What the bytes say, or nothing if they do not fit.
    pub(super) inspect: fn(&Payload<'_>) -> Option<Finding>,
}

/// Every protocol that is recognised, a row for each way to speak it.
///
/// All are asked. The surest finding wins; of two that are equally sure, the
/// one on its usual port; and an equal claim of two protocols names none of
/// them, so the order decides nothing. They can still agree that it is
/// plaintext. Known conflicts:
///
/// | bytes | fit | settled by |
/// | --- | --- | --- |
/// | `GET /x` cut before the version | HTTP, inline Redis | the Redis port: none; else HTTP |
/// | `PING`, `QUIT`, `AUTH …`, `get k` | inline Redis, NATS, SMTP, POP3, memcached | the port |
/// | `+OK`, `-ERR …` | RESP, POP3, NATS | the port, or RESP beside other RESP values |
/// | `OPTIONS *`, `PRI *` cut before the version | HTTP/1, SIP, RTSP, HTTP/2 | none |
#[rustfmt::skip]
pub(super) const CLASSIFIERS: &[Classifier] = &[
    // Lines of text, and what grew out of HTTP.
    tcp(Protocol::Http, &[80, 3128, 8000, 8008, 8080, 8888], http::inspect),
    tcp(Protocol::Redis, redis::PORTS, redis::inspect),
    // Messages in binary.
    // Encrypted, once they are set up.
    tcp(Protocol::Tls, &[443, 465, 636, 853, 989, 990, 993, 995, 5061, 6443, 8443], tls::inspect),
];

const TCP: &[Transport] = &[Transport::Tcp];

type Inspect = fn(&Payload<'_>) -> Option<Finding>;

const fn tcp(protocol: Protocol, ports: &'static [u16], inspect: Inspect) -> Classifier {
    over(TCP, protocol, ports, inspect)
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
    }
}
