//! What an eavesdropper gets out of a payload: which protocol it speaks,
//! whether it can be read, and what it gives away.
//!
//! One folder or file per protocol, each a pure function over the captured
//! first bytes of one packet of one direction. Those bytes can be cut anywhere,
//! can come from the middle of a stream, and are an attacker's.
//!
//! Two rules bind every classifier:
//!
//! - **Plaintext is never called encrypted; when in doubt, unknown.**
//! - Evidence says *what* could be read, never the secret itself.

mod again;
mod alone;
mod association;
mod ber;
mod generic;
mod judge;
mod lines;
mod magic;
mod nested;
mod payload;
mod protocol;
mod randomness;
mod reader;
mod secrets;
mod sql;
mod strings;
mod table;
mod verdict;

mod bittorrent;
mod ftp;
mod git;
mod http;
mod http2;
mod icmp;
mod imap;
mod irc;
mod memcached;
mod nats;
mod pop3;
mod redis;
mod rsync;
mod rtp;
mod sip;
mod smtp;
mod ssh;
mod statsd;
mod stomp;
mod syslog;
mod telnet;
mod tls;
mod vnc;
mod websocket;
mod zookeeper;

mod amqp;
mod cassandra;
mod dhcp;
mod dns;
mod dtls;
mod elasticsearch;
mod gossip;
mod gquic;
mod ipsec;
mod kafka;
mod kerberos;
mod ldap;
mod mongodb;
mod mqtt;
mod mysql;
mod ntp;
mod openvpn;
mod postgresql;
mod quic;
mod radius;
mod rdp;
mod smb;
mod snmp;
mod sunrpc;
mod tds;
mod tns;
mod wireguard;

pub mod text;

#[cfg(test)]
mod tests;

pub use again::{classify_as, classify_on};
pub use alone::Alone;
pub use association::{ah, esp};
pub use judge::classify;
pub use payload::{Payload, Transport};
pub use protocol::{Confidence, CredentialKind, Exposure, Protocol};
pub use table::{is_usual_port, recognised};
pub use verdict::{EVIDENCE_MAX, Verdict};
