//! Records as lines of text.

use std::fmt;
use std::net::IpAddr;

use jiff::tz::TimeZone;
use monitor_common::encapsulation::Encapsulation;

use super::layer::Around;
use super::not_understood::NotUnderstood;
use super::recognised_port::OnPort;
use super::sample_record::SampleRecord;
use monitor_classify::{Exposure, Protocol, Verdict};

impl SampleRecord {
    /// The comment on the packet in a capture file: everything but its addresses, redacted and escaped.
    #[must_use]
    pub fn comment(&self) -> String {
        struct Finding<'a>(&'a Verdict);
        impl fmt::Display for Finding<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                Paint(false).verdict(f, self.0)
            }
        }
        if let Some(reason) = self.reason {
            reason.to_string()
        } else if self.is_association() && self.verdict.exposure == Exposure::Encrypted {
            self.encapsulation.label().to_owned()
        } else if self.payload_len == 0 && !self.is_association() {
            "no payload".to_owned()
        } else {
            Finding(&self.verdict).to_string().trim_start().to_owned()
        }
    }
}

/// A record as one line of text, without the line break.
#[derive(Clone, Copy, Debug)]
pub struct SampleLine<'a> {
    /// The record.
    pub record: &'a SampleRecord,
    /// Whether to colour it.
    pub colour: bool,
}

impl fmt::Display for SampleLine<'_> {
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
        let encapsulation = record.encapsulation;
        let name = encapsulation.name();
        if let (Some(spi), Some(sequence)) = (record.spi, record.sequence)
            && record.is_association()
        {
            write!(f, "  {name} spi {spi:#010x} seq {sequence}")?;
            let paint = Paint(self.colour);
            return match (encapsulation, record.verdict.exposure) {
                (Encapsulation::Ah, _) => {
                    paint.coloured(f, YELLOW, format_args!("  (authenticated, not encrypted)"))
                }
                (_, Exposure::Encrypted) => {
                    paint.coloured(f, GREEN, format_args!("  (nothing to read)"))
                }
                (_, Exposure::Plaintext | Exposure::Unknown) => paint.verdict(f, &record.verdict),
            };
        }
        if encapsulation.is_tunnel() {
            // Parts of IKE are cleartext.
            let all = if encapsulation == Encapsulation::Ike {
                ""
            } else {
                "  (nothing to read)"
            };
            return Paint(self.colour).coloured(f, GREEN, format_args!("  {name}{all}"));
        }
        if record.layers.is_empty() {
            // A VNI alone is one of VXLAN.
            if encapsulation.has_vni() && encapsulation != Encapsulation::Vxlan {
                write!(f, "  {name}")?;
            }
            if let Some(vni) = record.vni {
                write!(f, "  vni {vni}")?;
            }
        } else {
            write!(f, "  {}", Around(&record.layers))?;
        }
        self.inner(f)?;
        if let (Some(spi), Some(sequence)) = (record.spi, record.sequence) {
            write!(f, " spi {spi:#010x} seq {sequence}")?;
        }
        if let Some(reason) = record.reason {
            Paint(self.colour).coloured(f, YELLOW, format_args!("  {reason}"))?;
            if reason == NotUnderstood::SnapLength {
                self.cut(f)?;
            } else {
                write!(f, " ({} bytes; {})", record.length, reason.explanation())?;
            }
        } else if record.payload_len == 0 {
            write!(f, "  no payload")?;
        } else {
            Paint(self.colour).verdict(f, &record.verdict)?;
            let is_nothing = record.verdict.evidence.is_none()
                && (record.verdict.protocol, record.verdict.exposure)
                    == (Protocol::Unknown, Exposure::Unknown);
            if is_nothing && record.captured < record.length {
                write!(f, "  {}", NotUnderstood::SnapLength)?;
                self.cut(f)?;
            }
        }
        if let Some(port) = record.recognised_port {
            write!(f, "{}", OnPort(port))?;
        }
        for doubt in &record.doubts {
            Paint(self.colour).coloured(f, YELLOW, format_args!("  ({doubt})"))?;
        }
        if let Some(payload) = &record.payload {
            write!(f, "  | {payload}")?;
        }
        Ok(())
    }
}

const RED: &str = "31;1";
const GREEN: &str = "32";
pub(super) const YELLOW: &str = "33";

impl SampleLine<'_> {
    /// How much was captured of a packet that was cut.
    fn cut(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        write!(f, " ({} of {} bytes)", record.captured, record.length)
    }

    /// The inner endpoints and transport.
    fn inner(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        let Some(inner) = record.inner else {
            return if record.network_vni().is_some() && record.reason.is_none() {
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

/// Whether to colour the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// A verdict, after two spaces: protocol, exposure, evidence, kinds of credentials.
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

    pub(super) fn coloured(
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

/// An address and its port, unless that is 0: `10.0.1.3:6379`, `[fd00::1]:80`, `10.0.1.3`.
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
