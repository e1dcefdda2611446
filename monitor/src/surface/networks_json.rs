//! The JSON objects of type `network` and `violation`; docs/json.md describes their fields.

use jiff::Timestamp;
use monitor_common::count::Count;
use serde::Serialize;

use crate::host::described_network::shown;
use crate::policy::history::BothWays;
use crate::policy::violation::{Peer, Violation};
use crate::policy::violation_text::node;
use crate::policy::{NetworkStatus, PolicyReport};
use crate::traffic::json_object::SCHEMA;

/// The object of type `network`.
#[derive(Clone, Debug, Serialize)]
pub struct NetworkRecord {
    r#type: &'static str,
    schema: u32,
    node: String,
    time: String,
    vni: u32,
    network: Option<String>,
    required: Option<&'static str>,
    source: Option<&'static str>,
    kind: Option<&'static str>,
    state: &'static str,
    cleartext: Ways,
    encrypted: Ways,
    cleartext_share: Option<f64>,
    doubts: Vec<&'static str>,
}

/// The object of type `violation`.
#[derive(Clone, Debug, Serialize)]
pub struct ViolationRecord {
    r#type: &'static str,
    schema: u32,
    node: String,
    vni: u32,
    network: Option<String>,
    breach: &'static str,
    direction: &'static str,
    active: bool,
    first_seen: String,
    last_seen: String,
    ended: Option<String>,
    packets: u64,
    bytes: u64,
    peers: Vec<PeerRecord>,
    causes: Vec<String>,
}

/// Packets and bytes of both directions.
#[derive(Clone, Copy, Debug, Serialize)]
struct Ways {
    rx_packets: u64,
    rx_bytes: u64,
    tx_packets: u64,
    tx_bytes: u64,
}

/// What one node sent or received.
#[derive(Clone, Debug, Serialize)]
struct PeerRecord {
    address: String,
    packets: u64,
    bytes: u64,
    first_seen: Option<String>,
    last_seen: Option<String>,
}

impl Ways {
    fn new([rx, tx]: &BothWays) -> Ways {
        Ways {
            rx_packets: rx.packets,
            rx_bytes: rx.bytes,
            tx_packets: tx.packets,
            tx_bytes: tx.bytes,
        }
    }
}

/// Name of this host, as in all objects.
#[must_use]
pub fn this_node() -> String {
    shown(&crate::base::procfs::read("/proc/sys/kernel/hostname"))
}

/// One object for each network, then one for each violation, as JSON Lines.
///
/// # Errors
/// None is known: the objects hold nothing that JSON cannot.
pub fn lines(report: &PolicyReport, node: &str, time: Timestamp) -> serde_json::Result<String> {
    let mut text = String::new();
    for status in &report.networks {
        text += &serde_json::to_string(&NetworkRecord::new(status, node, time))?;
        text.push('\n');
    }
    for violation in &report.violations {
        text += &serde_json::to_string(&ViolationRecord::new(violation, node))?;
        text.push('\n');
    }
    Ok(text)
}

impl NetworkRecord {
    /// The object of a network, as evaluated on `node` at `time`.
    #[must_use]
    pub fn new(status: &NetworkStatus, node: &str, time: Timestamp) -> NetworkRecord {
        let seen = &status.seen;
        let (cleartext, encrypted) = (seen.cleartext_packets(), seen.encrypted_packets());
        let all = cleartext.saturating_add(encrypted);
        let network = status.network.as_ref();
        NetworkRecord {
            r#type: "network",
            schema: SCHEMA,
            node: node.to_owned(),
            time: stamp(time),
            vni: status.vni,
            network: network.and_then(|network| name(&network.name)),
            required: network.map(|network| network.required.name()),
            source: network.map(|network| network.source.name()),
            kind: network.map(|network| network.kind.name()),
            state: status.state.name(),
            cleartext: Ways::new(&seen.cleartext),
            encrypted: Ways::new(&seen.encrypted),
            cleartext_share: (all != 0).then(|| cleartext as f64 / all as f64),
            doubts: status.doubts.iter().map(|doubt| doubt.name()).collect(),
        }
    }
}

impl ViolationRecord {
    /// The object of a violation on `node`.
    #[must_use]
    pub fn new(violation: &Violation, node: &str) -> ViolationRecord {
        let mut peers: Vec<PeerRecord> = violation.peers.iter().map(PeerRecord::new).collect();
        if violation.others != Count::default() {
            peers.push(PeerRecord {
                address: "more".to_owned(),
                packets: violation.others.packets,
                bytes: violation.others.bytes,
                first_seen: None,
                last_seen: None,
            });
        }
        ViolationRecord {
            r#type: "violation",
            schema: SCHEMA,
            node: node.to_owned(),
            vni: violation.vni,
            network: name(&violation.name),
            breach: violation.breach.name(),
            direction: violation.direction.label(),
            active: violation.ended.is_none(),
            first_seen: stamp(violation.tally.first.wall()),
            last_seen: stamp(violation.tally.last.wall()),
            ended: violation.ended.map(|at| stamp(at.wall())),
            packets: violation.tally.count.packets,
            bytes: violation.tally.count.bytes,
            peers,
            causes: violation.causes.clone(),
        }
    }
}

impl PeerRecord {
    fn new(peer: &Peer) -> PeerRecord {
        PeerRecord {
            address: node(peer.node),
            packets: peer.tally.count.packets,
            bytes: peer.tally.count.bytes,
            first_seen: Some(stamp(peer.tally.first.wall())),
            last_seen: Some(stamp(peer.tally.last.wall())),
        }
    }
}

fn name(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| shown(name))
}

fn stamp(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use monitor_common::direction::Direction;

    use super::*;
    use crate::base::clock::Moment;
    use crate::policy::violation::{Breach, Tally};
    use crate::policy::{Doubt, Network, NetworkKind, Requirement, Seen, Source, State};

    #[test]
    fn objects_have_the_documented_fields() {
        let count = |packets| Count {
            packets,
            bytes: packets * 100,
        };
        let tally = Tally {
            count: count(3),
            first: Moment::second(0),
            last: Moment::second(2),
        };
        let report = PolicyReport {
            networks: vec![
                NetworkStatus {
                    vni: 4096,
                    network: Some(Network {
                        vni: 4096,
                        name: "app1\u{1b}".to_owned(),
                        required: Requirement::Required,
                        source: Source::Docker,
                        kind: NetworkKind::Ingress,
                    }),
                    state: State::Mixed,
                    seen: Seen {
                        cleartext: [count(1), count(0)],
                        encrypted: [count(2), count(1)],
                    },
                    doubts: vec![Doubt::Blind],
                    times: None,
                },
                NetworkStatus {
                    vni: 7,
                    network: None,
                    state: State::Idle,
                    seen: Seen::default(),
                    doubts: vec![],
                    times: None,
                },
            ],
            violations: vec![Violation {
                vni: 4096,
                name: "app1".to_owned(),
                direction: Direction::Rx,
                breach: Breach::Cleartext,
                tally,
                peers: vec![Peer {
                    node: Some([192, 168, 77, 2].into()),
                    tally,
                }],
                others: count(1),
                ended: None,
                causes: vec!["an accident".to_owned()],
            }],
            totals: vec![],
        };
        let text = lines(&report, "node1", Timestamp::UNIX_EPOCH).unwrap();
        let expected = [
            r#"{"type":"network","schema":1,"node":"node1","time":"1970-01-01T00:00:00.000000Z","vni":4096,"network":"app1\\x1b","required":"required","source":"docker","kind":"ingress","state":"mixed","cleartext":{"rx_packets":1,"rx_bytes":100,"tx_packets":0,"tx_bytes":0},"encrypted":{"rx_packets":2,"rx_bytes":200,"tx_packets":1,"tx_bytes":100},"cleartext_share":0.25,"doubts":["blind"]}"#,
            r#"{"type":"network","schema":1,"node":"node1","time":"1970-01-01T00:00:00.000000Z","vni":7,"network":null,"required":null,"source":null,"kind":null,"state":"idle","cleartext":{"rx_packets":0,"rx_bytes":0,"tx_packets":0,"tx_bytes":0},"encrypted":{"rx_packets":0,"rx_bytes":0,"tx_packets":0,"tx_bytes":0},"cleartext_share":null,"doubts":[]}"#,
            r#"{"type":"violation","schema":1,"node":"node1","vni":4096,"network":"app1","breach":"cleartext","direction":"rx","active":true,"first_seen":"1970-01-01T00:00:00.000000Z","last_seen":"1970-01-01T00:00:02.000000Z","ended":null,"packets":3,"bytes":300,"peers":[{"address":"192.168.77.2","packets":3,"bytes":300,"first_seen":"1970-01-01T00:00:00.000000Z","last_seen":"1970-01-01T00:00:02.000000Z"},{"address":"more","packets":1,"bytes":100,"first_seen":null,"last_seen":null}],"causes":["an accident"]}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }
}
