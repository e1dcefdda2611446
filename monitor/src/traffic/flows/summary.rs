//! What all packets of a capture add up to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::record::FlowRecord;
use crate::traffic::record::{SCHEMA, timestamp};
use monitor_classify::Exposure;

/// Flows and what they have sent, in inner frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Flows.
    pub flows: u64,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What all packets add up to: each one is of a flow, a later fragment of one, not IP, or not understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets of all files.
    pub packets: u64,
    /// Bytes of these frames on the wire.
    pub bytes: u64,
    /// Nanoseconds since 1970 of the earliest packet and of the latest.
    pub time_ns: Option<(i64, i64)>,
    /// Flows that can be read.
    pub plaintext: Tally,
    /// Flows that cannot.
    pub encrypted: Tally,
    /// Flows without an honest verdict.
    pub unknown: Tally,
    /// Flows that were given up for lack of room, or whose rest was not read.
    pub incomplete: u64,
    /// Later fragments of outer packets.
    pub fragments: u64,
    /// Packets that are neither IPv4 nor IPv6.
    pub not_ip: u64,
    /// Packets that were not understood, by reason.
    pub unparsed: BTreeMap<&'static str, u64>,
    /// Files that were opened.
    pub files: u64,
    /// Whether a file ends in the middle of a packet, is corrupt, or was not read to its end.
    pub truncated: bool,
}

impl Summary {
    pub(super) fn note(&mut self, bytes: u32, time_ns: i64) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
        let (first, last) = self.time_ns.unwrap_or((time_ns, time_ns));
        self.time_ns = Some((first.min(time_ns), last.max(time_ns)));
    }

    pub(super) fn add(&mut self, flow: &FlowRecord) {
        let tally = match flow.verdict.exposure {
            Exposure::Plaintext => &mut self.plaintext,
            Exposure::Encrypted => &mut self.encrypted,
            Exposure::Unknown => &mut self.unknown,
        };
        tally.flows += 1;
        tally.packets += flow.sent.0 + flow.received.0;
        tally.bytes += flow.sent.1 + flow.received.1;
        self.incomplete += u64::from(!flow.complete);
    }
}

/// The object of type `summary`; see the README.
impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = |time_ns: Option<i64>| time_ns.map(|at| format!("{:.6}", timestamp(at)));
        let mut object = serializer.serialize_struct("summary", 15)?;
        object.serialize_field("type", "summary")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("files", &self.files)?;
        object.serialize_field("packets", &self.packets)?;
        object.serialize_field("bytes", &self.bytes)?;
        object.serialize_field("first_seen", &time(self.time_ns.map(|(first, _)| first)))?;
        object.serialize_field("last_seen", &time(self.time_ns.map(|(_, last)| last)))?;
        object.serialize_field("plaintext", &self.plaintext)?;
        object.serialize_field("encrypted", &self.encrypted)?;
        object.serialize_field("unknown", &self.unknown)?;
        object.serialize_field("incomplete_flows", &self.incomplete)?;
        object.serialize_field("fragments", &self.fragments)?;
        object.serialize_field("not_ip", &self.not_ip)?;
        object.serialize_field("unparsed", &self.unparsed)?;
        object.serialize_field("truncated", &self.truncated)?;
        object.end()
    }
}

/// Some lines of text.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets, {} bytes", self.packets, self.bytes)?;
        for (name, tally) in [
            ("plaintext", &self.plaintext),
            ("encrypted", &self.encrypted),
            ("unknown", &self.unknown),
        ] {
            let Tally {
                flows,
                packets,
                bytes,
            } = tally;
            write!(
                f,
                "\n  {name:9}  {flows} flows, {packets} packets, {bytes} bytes"
            )?;
        }
        for (name, count) in [
            ("later fragments of outer packets", self.fragments),
            ("neither IPv4 nor IPv6", self.not_ip),
        ] {
            if count != 0 {
                write!(f, "\n  {name}: {count} packets")?;
            }
        }
        for (reason, count) in &self.unparsed {
            write!(f, "\n  not understood, {reason}: {count} packets")?;
        }
        if self.incomplete != 0 {
            write!(f, "\n  not complete: {} flows", self.incomplete)?;
        }
        Ok(())
    }
}
