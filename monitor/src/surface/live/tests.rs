use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use monitor_classify::text::escape;
use monitor_classify::{Exposure, Protocol};
use monitor_common::count::{Count, EspCarried};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{ExposureKey, NetworkId};

use super::*;
use crate::agent::snapshot::Snapshot;
use crate::base::clock::Moment;
use crate::policy::violation::{Breach, Peer, Tally, Violation};
use crate::policy::{Doubt, Network, NetworkKind, NetworkStatus, Requirement, Seen, Source, State};
use crate::surface::{metrics, networks_json};
use crate::traffic::counted::{EspNetwork, Exposed, HookState, Traffic, Vni};
use crate::traffic::exposure_class::class;

const HOUR: Duration = Duration::from_secs(3600);

fn count(bytes: u64) -> Count {
    Count { packets: 3, bytes }
}

fn status(vni: u32, name: &str, required: Requirement, state: State) -> NetworkStatus {
    NetworkStatus {
        vni,
        network: Some(Network {
            vni,
            name: name.to_owned(),
            required,
            source: Source::Config,
            kind: NetworkKind::Overlay,
        }),
        state,
        seen: Seen::default(),
        doubts: vec![Doubt::Blind],
        times: None,
    }
}

/// A violated network with more nodes than are listed, an encrypted one, and one that is not described.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let tally = Tally {
        count: count(300),
        first: Moment::second(0),
        last: Moment::second(2),
    };
    let peer = |n| Peer {
        node: Some([192, 168, 77, n].into()),
        tally,
    };
    snapshot.policy.networks = vec![
        NetworkStatus {
            network: None,
            doubts: Vec::new(),
            ..status(7, "", Requirement::Optional, State::Cleartext)
        },
        status(4096, "app1", Requirement::Required, State::Mixed),
        status(4097, "a\u{1b}[2J", Requirement::Required, State::Encrypted),
    ];
    snapshot.policy.violations = vec![Violation {
        vni: 4096,
        name: "app1".to_owned(),
        direction: Direction::Tx,
        breach: Breach::Cleartext,
        tally,
        peers: (0..40).map(peer).collect(),
        others: count(100),
        ended: None,
        causes: vec!["an accident".to_owned()],
    }];
    let counted = &mut snapshot.counted;
    for (vni, bytes) in [(Vni::Id(4096), 1000), (Vni::Id(7), 20), (Vni::Other, 9)] {
        counted.traffic.push(Traffic {
            interface: Arc::from("eth0"),
            direction: Direction::Tx,
            encapsulation: Encapsulation::Vxlan,
            vni,
            count: count(bytes),
        });
    }
    counted.esp_networks.push(EspNetwork {
        direction: Direction::Rx,
        vni: 4097,
        peer: [192, 168, 77, 2].into(),
        count: EspCarried {
            packets: 3,
            bytes: 5000,
            overhead: 78,
        },
    });
    for (protocol, exposure, bytes) in [
        (Protocol::Redis, Exposure::Plaintext, 300),
        (Protocol::Tls, Exposure::Encrypted, 700),
    ] {
        let class = class(protocol, exposure);
        counted.exposure.push(Exposed {
            key: ExposureKey::new(Direction::Tx, NetworkId(4096), class),
            count: count(bytes),
        });
    }
    counted.hooks = Direction::ALL
        .map(|direction| HookState {
            interface: "eth0".to_owned(),
            direction,
            hook: None,
            first: false,
        })
        .to_vec();
    snapshot
}

#[test]
fn the_agent_itself_and_its_pages_give_the_same_reading() {
    let networks =
        networks_json::lines(&snapshot().policy, "node1", Timestamp::UNIX_EPOCH).unwrap();
    let page = metrics::encode(snapshot(), metrics::Format::Text).unwrap();
    let of_pages = Reading::read(HOUR, &networks, &page).unwrap();
    let clean = |text: &str, max: usize| plain(&escape(text, max), max);
    let of_agent = Reading::of(HOUR, "node1", &snapshot(), clean);
    assert_eq!(of_agent, of_pages);
    assert_eq!(of_agent.networks[&4097].name, "a\\x1b[2J");
    assert_eq!(of_agent.blind, ["eth0 rx", "eth0 tx"]);
    assert_eq!(of_agent.networks[&4096].readable(), Some(0.3));
    assert_eq!(of_agent.networks[&4097].readable(), Some(0.0));
    assert_eq!(of_agent.networks[&7].readable(), None);
    let peers = &of_agent.violations[0].peers;
    assert_eq!(peers.len(), 17);
    assert_eq!(peers.last().map(String::as_str), Some("and 25 more"));
}

#[test]
fn the_headline_is_the_worst_that_is_known() {
    let reading = |change: fn(&mut Snapshot)| {
        let mut snapshot = snapshot();
        change(&mut snapshot);
        Reading::of(HOUR, "node1", &snapshot, plain)
    };
    let mut live = Live::default();
    live.take(reading(|_| {}));
    assert_eq!(live.headline(), Headline::Violated(1));
    live.take(reading(|snapshot| snapshot.policy.violations.clear()));
    assert!(matches!(live.headline(), Headline::Blind([_, _])));
    let mut seeing = reading(|snapshot| {
        snapshot.policy.violations.clear();
        snapshot.policy.networks[2].state = State::Idle;
    });
    seeing.blind.clear();
    live.take(seeing.clone());
    assert_eq!(live.headline(), Headline::Undecided(1));
    seeing.networks.remove(&4097);
    live.take(seeing.clone());
    assert_eq!(live.headline(), Headline::Fine);
    live.miss("refused".to_owned());
    assert_eq!(live.headline(), Headline::NoAnswer("refused"));
    live.take(seeing);
    assert_eq!(live.headline(), Headline::Fine);
    // No interface is watched: nothing was seen, and nothing is said to be well.
    live.take(Reading::of(HOUR, "node1", &Snapshot::default(), plain));
    assert!(matches!(live.headline(), Headline::Blind([_])));
}

#[test]
fn a_rate_is_over_the_time_that_passed_and_a_minute_is_kept() {
    let mut live = Live::default();
    let mut at = |seconds: f64, bytes: f64| {
        let mut reading = Reading::of(
            HOUR + Duration::from_secs_f64(seconds),
            "node1",
            &snapshot(),
            plain,
        );
        reading.networks.get_mut(&4096).unwrap().bytes = [0.0, bytes];
        live.take(reading);
        (live.rate(4096), live.minute(4096).len())
    };
    assert_eq!(at(0.0, 1000.0), (None, 0));
    assert_eq!(at(0.5, 2000.0), (Some([0.0, 2000.0]), 1));
    assert_eq!(at(2.5, 2500.0), (Some([0.0, 250.0]), 2));
    // A counter that is smaller than before has begun again.
    assert_eq!(at(3.5, 100.0), (Some([0.0, 100.0]), 3));
    assert_eq!(at(61.0, 100.0).1, 3);
    assert_eq!(live.rate(9), None);
}
