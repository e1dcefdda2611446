//! Data for the tests of the reports, and the outcome.

use monitor_common::count::{Count, EspCarried};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::{ExposureKey, NetworkId};

use crate::agent::snapshot::Snapshot;
use crate::base::clock::Moment;
use crate::base::failure::FailureKind;
use crate::kernel::Attribution;
use crate::policy::violation::{Breach, Tally};
use crate::policy::{
    self, Network, NetworkStatus, PolicyReport, Requirement, Seen, Source, State, Violation,
};
use crate::traffic::counted::Exposed;
use crate::traffic::counted::{Counted, EspNetwork};
use crate::traffic::exposure_class::class;
use crate::traffic::sample_record::{Endpoints, SampleRecord};
use monitor_classify::{Confidence, Exposure as Readable, Protocol, Transport, Verdict};

use std::time::Duration;

use jiff::Timestamp;
use monitor_classify::CredentialKind;

use super::audit::{Audit, ExposureReport};
use super::chapter;
use super::conversation::Conversations;
use crate::surface::forecast::{self, Forecasts};

/// An audit of one network with this requirement and state.
pub(super) fn audit(required: Requirement, state: State) -> Audit {
    Audit {
        node: "node1".to_owned(),
        watching: "eth0 rx (tcx)".to_owned(),
        took: Duration::from_secs(60),
        planned: Duration::from_secs(60),
        attribution: Attribution::Exact,
        report: PolicyReport {
            networks: vec![NetworkStatus {
                vni: 4096,
                network: Some(Network {
                    vni: 4096,
                    name: "app1\u{1b}[2J".to_owned(),
                    required,
                    source: Source::Config,
                    kind: policy::NetworkKind::Overlay,
                }),
                state,
                seen: Seen::default(),
                doubts: vec![],
                times: None,
            }],
            ..PolicyReport::default()
        },
        ..Audit::default()
    }
}

pub(super) fn violation() -> Violation {
    Violation {
        vni: 4096,
        name: "app1".to_owned(),
        direction: monitor_common::direction::Direction::Rx,
        breach: Breach::Cleartext,
        tally: Tally {
            count: monitor_common::count::Count {
                packets: 3,
                bytes: 300,
            },
            first: Moment::second(0),
            last: Moment::second(0),
        },
        peers: vec![],
        others: monitor_common::count::Count::default(),
        ended: None,
        causes: vec!["an accident".to_owned()],
    }
}

/// What would run or break out, were it not escaped.
pub(super) const HOSTILE: &str =
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'>&lt;b&gt;";

/// A sample of Redis in the clear, from one endpoint to another.
pub(super) fn record(
    vni: Option<u32>,
    source: (&str, u16),
    destination: (&str, u16),
) -> SampleRecord {
    let endpoints = |source: &str, destination: &str| Endpoints {
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
    };
    SampleRecord {
        time: Timestamp::UNIX_EPOCH,
        interface: "eth0".into(),
        direction: Some(Direction::Rx),
        outer: vni.map(|_| endpoints("192.168.77.2", "192.168.77.1")),
        encapsulation: match vni {
            Some(_) => Encapsulation::Vxlan,
            None => Encapsulation::None,
        },
        vni,
        layers: Vec::new(),
        recognised_port: None,
        spi: None,
        sequence: None,
        transport: Some(Transport::Tcp),
        inner: Some(endpoints(source.0, destination.0)),
        source_port: source.1,
        destination_port: destination.1,
        verdict: Verdict {
            protocol: Protocol::Redis,
            exposure: Readable::Plaintext,
            confidence: Confidence::Certain,
            evidence: Some("HGETALL ip".into()),
            credentials: vec![],
        },
        doubts: Vec::new(),
        reason: None,
        length: 100,
        captured: 100,
        payload_len: 20,
        payload: None,
    }
}

/// What the kernel counted: a row for each of these.
pub(super) fn counted(rows: &[(NetworkId, Protocol, Readable, u64)]) -> Snapshot {
    let counted = Counted {
        exposure: rows
            .iter()
            .map(|(network, protocol, exposure, packets)| Exposed {
                key: ExposureKey::new(Direction::Rx, *network, class(*protocol, *exposure)),
                count: Count {
                    packets: *packets,
                    bytes: packets * 100,
                },
            })
            .collect(),
        ..Counted::default()
    };
    Snapshot {
        counted,
        ..Snapshot::default()
    }
}

/// An audit with hostile text in every field that a stranger can fill.
pub(super) fn hostile() -> Audit {
    let mut audit = audit(Requirement::Required, State::Mixed);
    audit.node = HOSTILE.to_owned();
    audit.watching = format!("{HOSTILE} rx (tcx)");
    audit.blind = vec![format!("no interface {HOSTILE}\u{1b}[2J")];
    audit.report.networks[0].network.as_mut().unwrap().name = HOSTILE.to_owned();
    let mut violation = violation();
    violation.name = HOSTILE.to_owned();
    violation.causes = vec![HOSTILE.to_owned()];
    audit.report.violations = vec![violation];
    let mut conversations = Conversations::default();
    for n in 0..300 {
        let client = format!("fd00:1234:5678:9abc:def0:1234:5678:{n:x}");
        let mut record = record(Some(4096), (&client, 40_000), ("fd00::1", 80));
        record.verdict.protocol = Protocol::Http;
        record.verdict.evidence = Some(HOSTILE.into());
        record.verdict.credentials = CredentialKind::ALL.to_vec();
        conversations.add(&record);
    }
    let vni = NetworkId::vni(4096);
    let mut snapshot = counted(&[
        (vni, Protocol::Http, Readable::Plaintext, 10),
        (vni, Protocol::Tls, Readable::Encrypted, 2),
        (vni, Protocol::Unknown, Readable::Unknown, 1),
        (NetworkId::HOST, Protocol::Http, Readable::Plaintext, 3),
    ]);
    snapshot.counted.esp_networks = vec![EspNetwork {
        direction: Direction::Tx,
        vni: 4096,
        peer: [192, 168, 77, 2].into(),
        count: EspCarried {
            packets: 7,
            bytes: 700,
            overhead: 182,
        },
    }];
    let (chapters, more) = chapter::chapters(&snapshot, &audit.report, &conversations);
    audit.exposure = ExposureReport {
        is_watched: true,
        chapters,
        more,
        is_lower_bound: true,
        decrypted: 1500,
        ..ExposureReport::default()
    };
    let shares = audit.exposure.shares();
    audit.exposure.timeline.note(Duration::from_secs(3), shares);
    let traffic = |n: u32| forecast::Traffic {
        node: String::new(),
        vni: 4096 + n,
        network: Some(HOSTILE.to_owned()),
        packets_per_second: 52_000.0 - f64::from(n),
        bytes_per_second: 51_251_200.0 - f64::from(n),
    };
    audit.forecasts = Forecasts::of((0..25).map(traffic).collect(), None, 1500);
    audit
}

fn kind(audit: &Audit) -> Option<FailureKind> {
    audit.outcome().err().map(|failure| failure.kind)
}

#[test]
fn a_violation_takes_precedence_over_what_is_undecided() {
    for (required, state, expected) in [
        (Requirement::Required, State::Encrypted, None),
        (
            Requirement::Required,
            State::Idle,
            Some(FailureKind::Undecided),
        ),
        (
            Requirement::Required,
            State::Unknown,
            Some(FailureKind::Undecided),
        ),
        (Requirement::Optional, State::Cleartext, None),
        (Requirement::Optional, State::Idle, None),
        (Requirement::Forbidden, State::Cleartext, None),
    ] {
        let mut audit = audit(required, state);
        assert_eq!(kind(&audit), expected, "{required:?} {state:?}");
        audit.blind = vec!["no interface eth0".to_owned()];
        assert_eq!(kind(&audit), Some(FailureKind::Undecided));
        audit.report.violations = vec![violation()];
        assert_eq!(kind(&audit), Some(FailureKind::Violation));
    }
}
