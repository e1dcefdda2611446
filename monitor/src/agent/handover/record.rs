//! What one process writes down for the next one.

use std::hash::Hash;
use std::net::IpAddr;

use anyhow::{Context, anyhow, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use monitor_classify::CredentialKind;
use monitor_common::count::Count;
use monitor_common::cpu_state::CpuState;
use monitor_common::key::{ExposureKey, Group, NetworkId};
use monitor_common::packet_time::PacketTimes;
use monitor_common::shared::Shared;
use serde::{Deserialize, Serialize};

use crate::agent::esp_timing::LeftTime;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::kernel::Reading;
use crate::policy::LeftPolicy;
use crate::traffic::credential_flows::CredentialRow;

/// Changes with the meaning of anything in the record, and of any map.
const FORMAT: u32 = 2;

/// Everything that was counted.
#[derive(Deserialize, Serialize)]
pub(super) struct Record {
    format: u32,
    /// Version of the agent, for the log.
    pub(super) version: String,
    /// When the counters began, in milliseconds of the Unix epoch.
    counting_since: i64,
    /// Token of the owner of its TC filters.
    pub(super) owner: String,
    /// Names of interfaces, the longest removed first.
    pub(super) names: Vec<String>,
    /// Index of each interface in the maps, and the place of its name in `names`.
    pub(super) interfaces: Vec<(u32, u32)>,
    /// What a page would have shown. Keys have the place of a name in place of the index of an interface.
    pub(super) shown: Tables,
    /// What the maps held then.
    pub(super) maps: Tables,
    /// Cleartext where it is forbidden, as the map held it then.
    pub(super) peers: String,
    /// What waited for a verdict.
    pub(super) waiting: String,
    /// Packets whose flow was removed for others before a verdict came.
    pub(super) evicted: u64,
    /// Network, kind, whether it is described, and flows that showed such credentials.
    credentials: Vec<(u32, String, bool, u64)>,
    pub(super) policy: Option<LeftPolicy>,
    /// Networks that something describes.
    pub(super) described: Vec<u32>,
    /// Nodes with which the host has an association.
    pub(super) esp_nodes: Vec<IpAddr>,
    /// What was timed of encryptions. A version that timed nothing does not write it.
    #[serde(default)]
    pub(super) esp_times: Vec<LeftTime>,
    /// The same of single packets, as its bytes in base 64.
    #[serde(default)]
    packet_times: String,
}

/// A reading of the maps, each as its keys and values in the byte order of this machine, in base 64.
#[derive(Deserialize, Serialize)]
pub(super) struct Tables {
    counters: String,
    esp: String,
    esp_networks: String,
    reasons: String,
    exposure: String,
    state: String,
}

/// What a record is made of beside its tables.
pub(super) struct Parts {
    pub(super) counting_since: Timestamp,
    pub(super) owner: String,
    pub(super) names: Vec<String>,
    pub(super) interfaces: Vec<(u32, u32)>,
    pub(super) evicted: u64,
    pub(super) credentials: Vec<CredentialRow>,
    pub(super) policy: Option<LeftPolicy>,
    pub(super) described: Vec<u32>,
    pub(super) esp_nodes: Vec<IpAddr>,
    pub(super) esp_times: Vec<LeftTime>,
    pub(super) packet_times: PacketTimes,
}

impl Record {
    pub(super) fn new(
        parts: Parts,
        shown: &Reading,
        maps: &Reading,
        peers: String,
        waiting: &HashMap<ExposureKey, Count>,
    ) -> Record {
        let credentials = parts.credentials.into_iter().map(|row| {
            let is_described = row.group == Group::Described;
            (
                row.network.0,
                row.kind.name().to_owned(),
                is_described,
                row.flows,
            )
        });
        Record {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            counting_since: parts.counting_since.as_millisecond(),
            owner: parts.owner,
            names: parts.names,
            interfaces: parts.interfaces,
            shown: Tables::of(shown),
            maps: Tables::of(maps),
            peers,
            waiting: encode(waiting),
            evicted: parts.evicted,
            credentials: credentials.collect(),
            policy: parts.policy,
            described: parts.described,
            esp_nodes: parts.esp_nodes,
            esp_times: parts.esp_times,
            packet_times: STANDARD.encode(parts.packet_times.to_bytes()),
        }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// If a version wrote it that has another format.
    pub(super) fn parse(bytes: &[u8]) -> anyhow::Result<Record> {
        /// What every version writes.
        #[derive(Deserialize)]
        struct Start {
            format: u32,
            version: String,
        }
        let start: Start = serde_json::from_slice(bytes).context("its record is not readable")?;
        ensure!(
            start.format == FORMAT,
            "version {} counts in another way",
            start.version
        );
        serde_json::from_slice(bytes).context("its record is not readable")
    }

    /// The times of single packets; nothing where another version has other buckets.
    pub(super) fn packet_times(&self) -> PacketTimes {
        let bytes = STANDARD.decode(&self.packet_times).unwrap_or_default();
        PacketTimes::from_bytes(&bytes).unwrap_or_default()
    }

    /// When the counters began.
    ///
    /// # Errors
    /// A runtime failure, if it is out of range.
    pub(super) fn counting_since(&self) -> Result<Timestamp, Failure> {
        Timestamp::from_millisecond(self.counting_since)
            .context("the record of the agent before")
            .map_err(Failure::runtime)
    }

    pub(super) fn credentials(&self) -> impl Iterator<Item = CredentialRow> {
        self.credentials
            .iter()
            .filter_map(|(network, kind, is_described, flows)| {
                let kind = CredentialKind::ALL.iter().find(|at| at.name() == kind)?;
                Some(CredentialRow {
                    network: NetworkId(*network),
                    kind: *kind,
                    group: match is_described {
                        true => Group::Described,
                        false => Group::Unknown,
                    },
                    flows: *flows,
                })
            })
    }
}

impl Tables {
    fn of(reading: &Reading) -> Tables {
        Tables {
            counters: encode(&reading.counters),
            esp: encode(&reading.esp),
            esp_networks: encode(&reading.esp_networks),
            reasons: encode(&reading.reasons),
            exposure: encode(&reading.exposure),
            state: STANDARD.encode(reading.state.to_bytes()),
        }
    }

    /// # Errors
    /// If they are not those of this version's maps.
    pub(super) fn reading(&self) -> anyhow::Result<Reading> {
        let state = bytes(&self.state)?;
        Ok(Reading {
            counters: decode(&self.counters)?,
            esp: decode(&self.esp)?,
            esp_networks: decode(&self.esp_networks)?,
            reasons: decode(&self.reasons)?,
            exposure: decode(&self.exposure)?,
            state: CpuState::from_bytes(&state).context("the state of CPUs has another layout")?,
        })
    }
}

/// Rows of a map as text.
pub(super) fn encode<K: Shared, V: Shared>(rows: &HashMap<K, V>) -> String {
    let mut bytes = vec![0; rows.len() * (K::SIZE + V::SIZE)];
    let mut rest = &mut bytes[..];
    for (key, value) in rows {
        rest = value.put(key.put(rest));
    }
    STANDARD.encode(bytes)
}

fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    let bytes = STANDARD.decode(text);
    bytes.map_err(|error| anyhow!("rows of a map are not readable: {error}"))
}

/// Rows of a map from text.
///
/// # Errors
/// If the text is none, or has a part of a row.
pub(super) fn decode<K: Shared + Eq + Hash, V: Shared>(
    text: &str,
) -> anyhow::Result<HashMap<K, V>> {
    let bytes = bytes(text)?;
    let mut rest = &bytes[..];
    let mut rows = HashMap::default();
    while !rest.is_empty() {
        let row = K::take(rest).and_then(|(key, rest)| {
            let (value, rest) = V::take(rest)?;
            Some((key, value, rest))
        });
        let (key, value, left) = row.context("a row ends early")?;
        rows.insert(key, value);
        rest = left;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use monitor_common::direction::Direction;
    use monitor_common::encapsulation::Encapsulation;
    use monitor_common::key::CounterKey;

    use super::*;

    fn reading() -> Reading {
        let key = |vni| CounterKey::new(3, Direction::Tx, Encapsulation::Vxlan, vni);
        let count = |packets| Count {
            packets,
            bytes: packets * 100,
        };
        Reading {
            counters: (0..999)
                .map(|vni| (key(vni), count(u64::from(vni))))
                .collect(),
            state: CpuState {
                sent: 7,
                ..CpuState::default()
            },
            ..Reading::default()
        }
    }

    fn packet_times() -> PacketTimes {
        let mut counts = PacketTimes::default();
        counts.buckets[3][1] = 70;
        counts
    }

    fn record() -> Record {
        let parts = Parts {
            counting_since: Timestamp::from_millisecond(1_500).unwrap(),
            owner: "00ff".to_owned(),
            names: vec!["eth0".to_owned()],
            interfaces: vec![(3, 0)],
            evicted: 5,
            credentials: vec![CredentialRow {
                network: NetworkId::vni(4096),
                kind: CredentialKind::Cookie,
                group: Group::Unknown,
                flows: 9,
            }],
            policy: None,
            described: vec![4096],
            esp_nodes: vec![IpAddr::from([192, 0, 2, 1])],
            esp_times: vec![(3, 70, 2, 20)],
            packet_times: packet_times(),
        };
        Record::new(
            parts,
            &reading(),
            &Reading::default(),
            String::new(),
            &HashMap::default(),
        )
    }

    #[test]
    fn a_record_says_what_was_counted() {
        let written = record();
        let text = serde_json::to_vec(&written).unwrap();
        let read = Record::parse(&text).unwrap();
        let shown = read.shown.reading().unwrap();
        assert_eq!(shown.counters, reading().counters);
        assert_eq!(shown.state, reading().state);
        assert!(read.maps.reading().unwrap().counters.is_empty());
        assert_eq!(read.counting_since().unwrap().as_millisecond(), 1_500);
        assert!(read.credentials().eq(written.credentials()));
        assert_eq!(read.credentials().count(), 1);
        assert_eq!(read.esp_times, [(3, 70, 2, 20)]);
        assert_eq!(read.packet_times(), packet_times());
        for other in ["", "AAAA", "?"] {
            let read = Record {
                packet_times: other.to_owned(),
                ..record()
            };
            assert_eq!(read.packet_times(), PacketTimes::default(), "{other:?}");
        }
        assert_eq!((read.evicted, read.interfaces), (5, vec![(3, 0)]));
    }

    #[test]
    fn a_record_of_another_format_is_refused_with_the_version_that_wrote_it() {
        let mut other = record();
        other.format += 1;
        other.version = "9.9.9".to_owned();
        let text = serde_json::to_vec(&other).unwrap();
        let why = Record::parse(&text).err().unwrap().to_string();
        assert_eq!(why, "version 9.9.9 counts in another way");
        // Whatever else such a version writes.
        let later = r#"{"format": 1000, "version": "9.9.9", "shown": []}"#;
        assert_eq!(
            Record::parse(later.as_bytes()).err().unwrap().to_string(),
            why
        );
        for bad in ["", "{}", "[1]", r#"{"format": 1, "version": "1.0.0"}"#] {
            assert!(Record::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn rows_of_another_layout_are_refused() {
        let text = encode(&reading().counters);
        assert!(decode::<CounterKey, u64>(&text).is_err());
        assert!(decode::<CounterKey, Count>(&text[..text.len() - 4]).is_err());
        assert!(decode::<CounterKey, Count>("?").is_err());
    }
}
