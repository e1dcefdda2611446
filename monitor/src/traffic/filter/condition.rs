//! The values of conditions, as users write them.

use std::net::IpAddr;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp};
use monitor_classify::{Protocol, Transport};
use monitor_common::encapsulation::Encapsulation;

use super::subject::Subject;

/// An address, or a range of them: `10.0.1.7`, `10.42.0.0/16`, `fd00::/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    prefix: u32,
}

impl AddressRange {
    /// Whether this address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.leading_zeros() >= self.prefix
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = String;

    fn from_str(text: &str) -> Result<AddressRange, String> {
        let bad = || "give an address such as 10.0.1.7, or a range such as 10.42.0.0/16".to_owned();
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .map_or(Ok(bits), str::parse)
            .ok()
            .filter(|prefix| *prefix <= bits);
        Ok(AddressRange {
            address,
            prefix: prefix.ok_or_else(bad)?,
        })
    }
}

/// A protocol as JSON and lines name it, or a transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolName {
    /// A protocol of payloads.
    Protocol(Protocol),
    /// A transport.
    Transport(Transport),
}

/// Transports that have a name of their own. ICMP is a protocol too, under the same name.
const TRANSPORTS: [Transport; 5] = [
    Transport::Tcp,
    Transport::Udp,
    Transport::Icmpv6,
    Transport::Sctp,
    Transport::Esp,
];

impl ProtocolName {
    /// Every name, for the help of the flag.
    pub fn all() -> impl Iterator<Item = String> {
        let transports = TRANSPORTS.iter().map(ToString::to_string);
        transports.chain(Protocol::ALL.iter().map(ToString::to_string))
    }

    pub(super) fn is_of(self, subject: &Subject<'_>) -> bool {
        let is_esp = matches!(
            subject.encapsulation,
            Encapsulation::Esp | Encapsulation::EspUdp
        );
        match self {
            ProtocolName::Transport(Transport::Esp) => {
                is_esp || subject.transport == Some(Transport::Esp)
            }
            ProtocolName::Transport(transport) => subject.transport == Some(transport),
            ProtocolName::Protocol(protocol) => {
                subject.protocol == protocol
                    || match protocol {
                        Protocol::Ipsec => is_esp || subject.encapsulation == Encapsulation::Ah,
                        Protocol::Ike => subject.encapsulation == Encapsulation::Ike,
                        Protocol::Wireguard => subject.encapsulation == Encapsulation::Wireguard,
                        Protocol::Icmp => subject.transport == Some(Transport::Icmp),
                        _ => false,
                    }
            }
        }
    }
}

impl FromStr for ProtocolName {
    type Err = String;

    fn from_str(text: &str) -> Result<ProtocolName, String> {
        let text = text.to_ascii_lowercase();
        let transport = TRANSPORTS.iter().find(|at| at.to_string() == text);
        let protocol = Protocol::ALL.iter().find(|at| at.name() == text);
        match (transport, protocol) {
            (Some(transport), _) => Ok(ProtocolName::Transport(*transport)),
            (None, Some(protocol)) => Ok(ProtocolName::Protocol(*protocol)),
            (None, None) => Err(format!(
                "no such protocol; give one of {}",
                Vec::from_iter(ProtocolName::all()).join(", ")
            )),
        }
    }
}

/// A time as users write it, in UTC once it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(pub Timestamp);

impl Since {
    /// Reads a time: `2026-11-27T09:27:15Z`, the same without `Z` in the time zone `zone`, or a duration before `now`.
    ///
    /// # Errors
    /// A sentence that lists the forms.
    pub fn read(text: &str, now: Timestamp, zone: TimeZone) -> Result<Since, String> {
        let bad = || {
            "give a time such as 2026-11-27T09:27:15, with Z for UTC, or a duration before now such as 5m or 30d"
                .to_owned()
        };
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Since(time));
        }
        if let Ok(time) = text.parse::<DateTime>() {
            let zoned = time.to_zoned(zone).map_err(|_| bad())?;
            return Ok(Since(zoned.timestamp()));
        }
        let before: Span = text.parse().map_err(|_| bad())?;
        let before = before
            .to_duration(SpanRelativeTo::days_are_24_hours())
            .map_err(|_| bad())?;
        if before.is_negative() {
            return Err(bad());
        }
        now.checked_sub(before).map(Since).map_err(|_| bad())
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Since, String> {
        Since::read(text, Timestamp::now(), TimeZone::system())
    }
}
