//! One decoded sample, as a line of text or a line of JSON.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use monitor_classify::{Exposure, Transport, Verdict};

/// Version of the JSON objects.
pub const SCHEMA: u32 = 1;

/// Nanoseconds since 1970 as a time; the epoch if there is no such time.
pub(crate) fn timestamp(time_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(time_ns)).unwrap_or_default()
}

/// Two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
}

/// A decoded sample. Everything that came from a packet is redacted and escaped already, but for
/// `payload`, which is only escaped, and only there if it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When the kernel saw it.
    pub time: Timestamp,
    /// Interface name; empty where a capture file has none.
    pub interface: String,
    /// Which way it crossed the interface, where that is known.
    pub direction: Option<Direction>,
    /// The nodes; absent outside any overlay.
    pub outer: Option<Endpoints>,
    /// What it was wrapped in.
    pub encapsulation: Encapsulation,
    /// VXLAN Network Identifier.
    pub vni: Option<u32>,
    /// Security Parameters Index of ESP.
    pub spi: Option<u32>,
    /// Sequence number of ESP.
    pub sequence: Option<u32>,
    /// Transport of the inner packet, or of the host's own.
    pub transport: Option<Transport>,
    /// The inner endpoints, or the host's own.
    pub inner: Option<Endpoints>,
    /// Source port; 0 where there is none.
    pub source_port: u16,
    /// Destination port; 0 where there is none.
    pub destination_port: u16,
    /// What can be read.
    pub verdict: Verdict,
    /// Why the packet was not understood, if it was not.
    pub reason: Option<Reason>,
    /// Length of the frame on the wire in bytes, without FCS.
    pub length: u32,
    /// How many bytes of it were captured.
    pub captured: u32,
    /// Length of the inner payload on the wire in bytes.
    pub payload_len: u32,
    /// The payload, escaped, not redacted.
    pub payload: Option<String>,
}

impl Record {
    /// Whether there is anything in it that could be read or not: a payload, ESP, or bytes that were
    /// not understood.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        self.payload_len != 0
            || self.spi.is_some()
            || self.reason.is_some()
            || matches!(
                self.encapsulation,
                Encapsulation::Ike | Encapsulation::Wireguard
            )
    }
}

impl Record {
    /// What is said of the packet beside its addresses, as a comment in a capture file: redacted and escaped.
    #[must_use]
    pub fn comment(&self) -> String {
        struct Said<'a>(&'a Verdict);
        impl fmt::Display for Said<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Paint(false).verdict(f, self.0)
            }
        }
        if let Some(reason) = self.reason {
            format!("not understood: {}", reason.label())
        } else if self.spi.is_some() {
            self.encapsulation.label().to_owned()
        } else if self.payload_len == 0 {
            "no payload".to_owned()
        } else {
            Said(&self.verdict).to_string().trim_start().to_owned()
        }
    }
}

/// The object of type `sample`; see the README.
impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("sample", 25)?;
        object.serialize_field("type", "sample")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("time", &format!("{:.6}", self.time))?;
        let interface = Some(&self.interface).filter(|name| !name.is_empty());
        object.serialize_field("interface", &interface)?;
        object.serialize_field("direction", &self.direction.map(Direction::label))?;
        object.serialize_field("outer_src", &self.outer.map(|outer| outer.source))?;
        object.serialize_field("outer_dst", &self.outer.map(|outer| outer.destination))?;
        object.serialize_field("encapsulation", self.encapsulation.label())?;
        object.serialize_field("vni", &self.vni)?;
        object.serialize_field("spi", &self.spi.map(|spi| format!("{spi:#010x}")))?;
        object.serialize_field("sequence", &self.sequence)?;
        object.serialize_field("transport", &self.transport)?;
        object.serialize_field("src", &self.inner.map(|inner| inner.source))?;
        object.serialize_field("src_port", &self.source_port)?;
        object.serialize_field("dst", &self.inner.map(|inner| inner.destination))?;
        object.serialize_field("dst_port", &self.destination_port)?;
        object.serialize_field("protocol", &self.verdict.protocol)?;
        object.serialize_field("exposure", &self.verdict.exposure)?;
        object.serialize_field("confidence", &self.verdict.confidence)?;
        object.serialize_field("evidence", &self.verdict.evidence)?;
        object.serialize_field("credentials", &self.verdict.credentials)?;
        object.serialize_field("reason", &self.reason.map(Reason::label))?;
        object.serialize_field("length", &self.length)?;
        object.serialize_field("captured", &self.captured)?;
        match &self.payload {
            Some(payload) => object.serialize_field("payload", payload)?,
            None => object.skip_field("payload")?,
        }
        object.end()
    }
}

/// A record as one line of text, without the line break.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The record.
    pub record: &'a Record,
    /// Whether the terminal takes colours.
    pub colour: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        let time = record.time.to_zoned(TimeZone::system());
        write!(f, "{}", time.strftime("%H:%M:%S.%6f"))?;
        if !record.interface.is_empty() {
            write!(f, " {}", record.interface)?;
        }
        if let Some(direction) = record.direction {
            write!(f, " {}", direction.label())?;
        }
        if let Some(outer) = record.outer {
            write!(f, "  {} > {}", outer.source, outer.destination)?;
        }
        if let (Some(spi), Some(sequence)) = (record.spi, record.sequence) {
            let name = match record.encapsulation {
                Encapsulation::Ah => "AH",
                Encapsulation::EspUdp => "ESP in UDP",
                _ => "ESP",
            };
            write!(f, "  {name} spi {spi:#010x} seq {sequence}")?;
            return if record.encapsulation == Encapsulation::Ah {
                Paint(self.colour).coloured(
                    f,
                    YELLOW,
                    format_args!("  (authenticated, not encrypted)"),
                )
            } else {
                Paint(self.colour).coloured(f, GREEN, format_args!("  (nothing to read)"))
            };
        }
        match record.encapsulation {
            Encapsulation::Ike => {
                return Paint(self.colour).coloured(f, GREEN, format_args!("  IKE"));
            }
            Encapsulation::Wireguard => {
                return Paint(self.colour).coloured(
                    f,
                    GREEN,
                    format_args!("  WireGuard  (nothing to read)"),
                );
            }
            Encapsulation::EspNull => write!(f, "  ESP without encryption")?,
            Encapsulation::Geneve => write!(f, "  Geneve")?,
            Encapsulation::VxlanGpe => write!(f, "  VXLAN-GPE")?,
            Encapsulation::None
            | Encapsulation::Vxlan
            | Encapsulation::Esp
            | Encapsulation::Ah
            | Encapsulation::EspUdp => {}
        }
        if let Some(vni) = record.vni {
            write!(f, "  vni {vni}")?;
        }
        self.inner(f)?;
        if let Some(reason) = record.reason {
            Paint(self.colour).coloured(
                f,
                YELLOW,
                format_args!("  not understood: {}", reason.label()),
            )?;
            write!(f, " ({} bytes; {})", record.length, reason.explanation())?;
        } else if record.payload_len == 0 {
            write!(f, "  no payload")?;
        } else {
            Paint(self.colour).verdict(f, &record.verdict)?;
        }
        if let Some(payload) = &record.payload {
            write!(f, "  | {payload}")?;
        }
        Ok(())
    }
}

const RED: &str = "31;1";
const GREEN: &str = "32";
const YELLOW: &str = "33";

impl Line<'_> {
    fn inner(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        let Some(inner) = record.inner else {
            return if record.vni.is_some() && record.reason.is_none() {
                write!(f, "  not IP")
            } else {
                Ok(())
            };
        };
        let source = Endpoint(inner.source, record.source_port);
        let destination = Endpoint(inner.destination, record.destination_port);
        write!(f, "  {source} > {destination}")?;
        match record.transport {
            Some(transport) => write!(f, " {transport}"),
            None => Ok(()),
        }
    }
}

/// Whether the terminal takes colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// What a verdict says, behind two spaces.
    pub(crate) fn verdict(self, f: &mut fmt::Formatter<'_>, verdict: &Verdict) -> fmt::Result {
        write!(f, "  {}", verdict.protocol)?;
        let colour = match verdict.exposure {
            Exposure::Plaintext => RED,
            Exposure::Encrypted => GREEN,
            Exposure::Unknown => YELLOW,
        };
        self.coloured(f, colour, format_args!("  {}", verdict.exposure))?;
        if let Some(evidence) = &verdict.evidence {
            write!(f, "  {evidence}")?;
        }
        for (n, credential) in verdict.credentials.iter().enumerate() {
            let before = if n == 0 { "  credentials: " } else { ", " };
            self.coloured(f, RED, format_args!("{before}{credential}"))?;
        }
        Ok(())
    }

    fn coloured(
        self,
        f: &mut fmt::Formatter<'_>,
        colour: &str,
        text: fmt::Arguments<'_>,
    ) -> fmt::Result {
        if self.0 {
            write!(f, "\x1b[{colour}m{text}\x1b[0m")
        } else {
            f.write_fmt(text)
        }
    }
}

/// An address with its port, if it has one: `10.0.1.3:6379`, `[fd00::1]:80`, `10.0.1.3`.
pub(crate) struct Endpoint(pub(crate) IpAddr, pub(crate) u16);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (address, 0) => write!(f, "{address}"),
            (IpAddr::V4(address), port) => write!(f, "{address}:{port}"),
            (IpAddr::V6(address), port) => write!(f, "[{address}]:{port}"),
        }
    }
}
