//! The totals of a capture.

use std::collections::BTreeMap;
use std::fmt;

use monitor_common::count::{Count, Total};
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::flow_records::FlowRecord;
use crate::traffic::json_object::{SCHEMA, rfc3339, timestamp};
use crate::traffic::not_understood::NotUnderstood;
use crate::traffic::recognised_port::Recognised;
use monitor_classify::Exposure;

/// Flows, and the packets and bytes of their inner frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowTotal {
    /// Flows.
    pub flows: u64,
    /// Their packets.
    pub count: Count,
}

impl Serialize for FlowTotal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("flows", 3)?;
        object.serialize_field("flows", &self.flows)?;
        object.serialize_field("packets", &self.count.packets)?;
        object.serialize_field("bytes", &self.count.bytes)?;
        object.end()
    }
}

/// The totals of a capture. Each packet belongs to a flow, was seen before on another device, is a later fragment of an
/// outer packet, is not IP, or was not understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Packets of all files, and the bytes of their frames on the wire.
    pub count: Count,
    /// Times of the earliest and latest packet, in nanoseconds since 1970.
    pub time_ns: Option<(i64, i64)>,
    /// Flows in plaintext.
    pub plaintext: FlowTotal,
    /// Encrypted flows.
    pub encrypted: FlowTotal,
    /// Flows whose exposure is unknown.
    pub unknown: FlowTotal,
    /// Flows that may not be what was on the wire; they are in none of the three above.
    pub doubted: FlowTotal,
    /// Flows reported early for lack of room, or whose end was not read.
    pub incomplete: u64,
    /// Later fragments of outer packets.
    pub fragments: u64,
    /// Packets of flows that were seen before on another device.
    pub repeated: u64,
    /// Packets that are neither IPv4 nor IPv6.
    pub not_ip: u64,
    /// Packets that were not understood, by reason.
    pub unparsed: BTreeMap<NotUnderstood, u64>,
    /// Ports on which VXLAN was recognised by its header.
    pub recognised: Recognised,
    /// Files that were opened.
    pub files: u64,
    /// Whether a file ends in the middle of a packet, is corrupt, or was not read to its end.
    pub truncated: bool,
}

impl Summary {
    /// Counts a packet.
    pub(super) fn count_packet(&mut self, bytes: u32, time_ns: i64) {
        self.count.add(Count {
            packets: 1,
            bytes: bytes.into(),
        });
        let (first, last) = self.time_ns.unwrap_or((time_ns, time_ns));
        self.time_ns = Some((first.min(time_ns), last.max(time_ns)));
    }

    /// Adds a finished flow.
    pub(super) fn add_flow(&mut self, flow: &FlowRecord) {
        let total = match flow.verdict.exposure {
            _ if !flow.doubts.is_empty() => &mut self.doubted,
            Exposure::Plaintext => &mut self.plaintext,
            Exposure::Encrypted => &mut self.encrypted,
            Exposure::Unknown => &mut self.unknown,
        };
        total.flows += 1;
        total.count.add(flow.sent);
        total.count.add(flow.received);
        self.incomplete += u64::from(!flow.complete);
    }
}

/// The object of type `read_summary`.
impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = |time_ns: Option<i64>| time_ns.map(|at| rfc3339(timestamp(at)));
        let mut object = serializer.serialize_struct("summary", 18)?;
        object.serialize_field("type", "read_summary")?;
        object.serialize_field("schema", &SCHEMA)?;
        object.serialize_field("files", &self.files)?;
        object.serialize_field("packets", &self.count.packets)?;
        object.serialize_field("bytes", &self.count.bytes)?;
        object.serialize_field("first_seen", &time(self.time_ns.map(|(first, _)| first)))?;
        object.serialize_field("last_seen", &time(self.time_ns.map(|(_, last)| last)))?;
        object.serialize_field("plaintext", &self.plaintext)?;
        object.serialize_field("encrypted", &self.encrypted)?;
        object.serialize_field("unknown", &self.unknown)?;
        object.serialize_field("doubted", &self.doubted)?;
        object.serialize_field("incomplete_flows", &self.incomplete)?;
        object.serialize_field("fragments", &self.fragments)?;
        object.serialize_field("repeated", &self.repeated)?;
        object.serialize_field("not_ip", &self.not_ip)?;
        let unparsed = self
            .unparsed
            .iter()
            .map(|(why, count)| (why.label(), count));
        object.serialize_field("unparsed", &BTreeMap::from_iter(unparsed))?;
        object.serialize_field("recognised_ports", &self.recognised.ports)?;
        object.serialize_field("truncated", &self.truncated)?;
        object.end()
    }
}

/// Several lines of text, without a line break at the end.
impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets, {} bytes",
            self.count.packets, self.count.bytes
        )?;
        for (name, total) in [
            ("plaintext", &self.plaintext),
            ("encrypted", &self.encrypted),
            ("unknown", &self.unknown),
        ] {
            let FlowTotal {
                flows,
                count: Count { packets, bytes },
            } = total;
            write!(
                f,
                "\n  {name:9}  {flows} flows, {packets} packets, {bytes} bytes"
            )?;
        }
        let FlowTotal { flows, count } = self.doubted;
        if flows != 0 {
            write!(
                f,
                "\n  doubted    {flows} flows, {} packets, {} bytes: not so on the wire, or the same as another",
                count.packets, count.bytes
            )?;
        }
        for (name, count) in [
            ("the same as before, on another device", self.repeated),
            ("later fragments of outer packets", self.fragments),
            ("neither IPv4 nor IPv6", self.not_ip),
        ] {
            if count != 0 {
                write!(f, "\n  {name}: {count} packets")?;
            }
        }
        for (reason, count) in &self.unparsed {
            write!(f, "\n  {reason}: {count} packets")?;
        }
        for line in self.recognised.lines() {
            write!(f, "\n  {line}")?;
        }
        if self.incomplete != 0 {
            write!(f, "\n  not complete: {} flows", self.incomplete)?;
        }
        Ok(())
    }
}
