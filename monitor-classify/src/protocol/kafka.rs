//! Kafka: the headers of requests and responses ("Kafka protocol guide" of its
//! documentation), and the topics of the requests that name them early.

use crate::finding::{Finding, Strength};
use crate::names::CredentialKind;
use crate::parse::reader::{Reader, is_name, is_text};
use crate::payload::Payload;
use crate::text::Evidence;

pub(super) const PORTS: &[u16] = &[9092, 9093, 9094];

/// Longest message that a broker accepts by default, in bytes (`socket.request.max.bytes`).
const LENGTH_MAX: u32 = 100 << 20;

/// Newest version of any request that is believed.
const VERSION_MAX: u16 = 24;

const NAME_MAX: usize = 40;

/// Longest name of a topic.
const TOPIC_MAX: usize = 249;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut reader = Reader::new(p.bytes);
    let length = reader.u32()?;
    if !(4..=LENGTH_MAX).contains(&length) || *p.bytes.first()? > 6 {
        return None;
    }
    let is_filled = p.is_filled_by(u64::from(length) + 4);
    let is_server = PORTS.contains(&p.src_port) && !PORTS.contains(&p.dst_port);
    if !is_server && let Some(finding) = request(reader, is_filled) {
        return Some(finding);
    }
    response(reader, is_filled, is_server)
}

/// Request, version, number, client.
fn request(mut reader: Reader<'_>, is_filled: bool) -> Option<Finding> {
    let key = reader.u16()?;
    let name = request_name(key)?;
    let version = reader.u16().filter(|version| *version <= VERSION_MAX)?;
    let text = Evidence::of(|e| e.word(name).word(" v").number(version));
    reader.u32()?;
    let weak = |text| Finding::plaintext(Strength::Weak, text);
    let Some(length) = reader.u16() else {
        return Some(weak(text));
    };
    // -1: no name.
    let client = if length == u16::MAX {
        &[][..]
    } else {
        let (client, whole) = reader.upto(usize::from(length));
        if length > 256 || !is_text(client.bytes()) {
            return None;
        }
        if !whole {
            return Some(weak(text));
        }
        client.bytes()
    };
    // A missing or empty name is zeros or ones, which other protocols have too (ZooKeeper).
    let strength = match (is_filled, client.is_empty()) {
        (true, false) => Strength::Certain,
        (true, true) if length == u16::MAX => Strength::Likely,
        (false, false) => Strength::Likely,
        (_, true) => Strength::Weak,
    };
    let mut finding = Finding::plaintext(strength, text);
    if is_name(client) {
        finding.evidence.word(" client=").key(client, NAME_MAX);
    }
    if let Some(topic) = topic(key, version, reader) {
        finding.evidence.word(" topic=").topic(topic, NAME_MAX);
    }
    if key == 36 {
        finding.credentials.push(CredentialKind::KafkaAuth);
    }
    Some(finding)
}

/// The first topic, where it stands in front.
fn topic(key: u16, version: u16, mut body: Reader<'_>) -> Option<&[u8]> {
    let is_compact = match key {
        // Produce: transaction, acknowledgements, time, topics.
        0 if version >= 9 => {
            compact_header(&mut body)?;
            compact_string(&mut body)?;
            body.take(6)?;
            true
        }
        0 => {
            if version >= 3 {
                nullable_string(&mut body)?;
            }
            body.take(6)?;
            false
        }
        // Metadata: topics, with an identifier since version 10.
        3 if version >= 9 => {
            compact_header(&mut body)?;
            true
        }
        3 => false,
        // Fetch: replica, time, sizes, level, session, topics by name up to version 12.
        1 if (4..12).contains(&version) => {
            body.take(if version >= 7 { 25 } else { 17 })?;
            false
        }
        // Offset fetch and commit: group first.
        9 if version < 6 => {
            nullable_string(&mut body)?;
            false
        }
        _ => return None,
    };
    let name = if is_compact {
        varint(&mut body).filter(|&count| count > 1)?;
        if key == 3 && version >= 10 {
            body.take(16)?;
        }
        compact_string(&mut body)?
    } else {
        body.u32().filter(|&count| (1..1 << 20).contains(&count))?;
        body.string()?
    };
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    (!name.is_empty() && name.len() <= TOPIC_MAX && name.iter().all(fits)).then_some(name)
}

/// Tagged fields at the end of a newer header: none, nearly always.
fn compact_header(body: &mut Reader<'_>) -> Option<()> {
    (body.u8()? == 0).then_some(())
}

fn nullable_string(body: &mut Reader<'_>) -> Option<()> {
    let length = body.u16()?;
    if length != u16::MAX {
        body.take(usize::from(length))?;
    }
    Some(())
}

fn compact_string<'a>(body: &mut Reader<'a>) -> Option<&'a [u8]> {
    match varint(body)? {
        0 => Some(&[]),
        length => body.take(length as usize - 1),
    }
}

/// An unsigned number of 7 bits a byte, the lowest first.
fn varint(body: &mut Reader<'_>) -> Option<u32> {
    let mut value = 0;
    for shift in [0, 7, 14, 21] {
        let byte = body.u8()?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// The number of the request and its result: little to recognise it by.
fn response(mut reader: Reader<'_>, is_filled: bool, is_server: bool) -> Option<Finding> {
    let number = reader.u32()?;
    (is_server && is_filled && number < 1 << 24)
        .then(|| Finding::plaintext(Strength::Weak, "response"))
}

/// The requests that clients and brokers send.
const fn request_name(key: u16) -> Option<&'static str> {
    Some(match key {
        0 => "Produce",
        1 => "Fetch",
        2 => "ListOffsets",
        3 => "Metadata",
        4 => "LeaderAndIsr",
        5 => "StopReplica",
        6 => "UpdateMetadata",
        7 => "ControlledShutdown",
        8 => "OffsetCommit",
        9 => "OffsetFetch",
        10 => "FindCoordinator",
        11 => "JoinGroup",
        12 => "Heartbeat",
        13 => "LeaveGroup",
        14 => "SyncGroup",
        15 => "DescribeGroups",
        16 => "ListGroups",
        17 => "SaslHandshake",
        18 => "ApiVersions",
        19 => "CreateTopics",
        20 => "DeleteTopics",
        21 => "DeleteRecords",
        22 => "InitProducerId",
        23 => "OffsetForLeaderEpoch",
        24 => "AddPartitionsToTxn",
        25 => "AddOffsetsToTxn",
        26 => "EndTxn",
        27 => "WriteTxnMarkers",
        28 => "TxnOffsetCommit",
        29..=31 => "Acls",
        32 => "DescribeConfigs",
        33 => "AlterConfigs",
        36 => "SaslAuthenticate",
        37 => "CreatePartitions",
        42 => "DeleteGroups",
        50 | 51 => "UserScramCredentials",
        52..=55 => "Quorum",
        57 => "UpdateFeatures",
        59 => "FetchSnapshot",
        60 => "DescribeCluster",
        62 => "BrokerRegistration",
        63 => "BrokerHeartbeat",
        68 => "ConsumerGroupHeartbeat",
        71 | 72 => "Telemetry",
        34 | 35 | 38..=41 | 43..=49 | 56 | 58 | 61 | 64..=67 | 69 | 70 | 73..=92 => "request",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_has_its_name() {
        let name = |key| Some(format!("{key} {}", request_name(key)?));
        let names: Vec<String> = (0..=u16::MAX).filter_map(name).collect();
        insta::assert_snapshot!(names.join("\n"));
    }
}
