//! What the monitor says of real traffic of real servers, recorded by `cargo xtask record`: against what
//! the recorder knows because it made it so.

mod cases;
mod fixture;
mod planted_tokens;
mod report;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};

use monitor::traffic::record_text::SampleLine;
use monitor::traffic::sample_record::SampleRecord;
use monitor_classify::{Confidence, Exposure, Protocol};
use monitor_lab::recording::Readable;

use fixture::{Fixture, Flow};
use report::Shares;

/// How much of a frame a tap keeps. The overlay takes 50 bytes of it, so 96 bytes leave 4 of a UDP payload
/// and none of a TCP one with timestamps; 146 are 96 of the inner frame, what a tap inside the overlay has.
const SNAPS: &[(&str, usize)] = &[
    ("96", 96),
    ("96 inner", 146),
    ("256", 256),
    ("full", usize::MAX),
];
/// A tap can join a flow at each of its first packets.
const STARTS: usize = 10;
/// Fewer payload bytes than this in all packets that a tap had name no protocol for sure,
const TOO_FEW: usize = 24;
/// nor does any number of packets with fewer than this.
const TOO_SHORT: usize = 8;

/// Whether the protocol of a flow should be named.
fn is_known(flow: &Flow) -> bool {
    flow.is_recognised() && !flow.names(Protocol::Unknown)
}

/// A verdict about a flow that was joined at some packet: the surest of those of its packets, the earlier
/// one of two that are equally sure.
fn flow_verdict(records: &[SampleRecord]) -> (Protocol, Exposure) {
    let mut best: Option<&SampleRecord> = None;
    for record in records {
        let surer = best.is_none_or(|best| record.verdict.confidence > best.verdict.confidence);
        if surer && record.verdict.confidence > Confidence::None {
            best = Some(record);
        }
    }
    best.map_or((Protocol::Unknown, Exposure::Unknown), |record| {
        (record.verdict.protocol, record.verdict.exposure)
    })
}

/// Whether a tap had too little to name the protocol.
fn too_little(flow: &Flow, from: usize, snap: usize) -> bool {
    let lengths = flow.payload_lengths(from, snap);
    lengths.iter().sum::<usize>() < TOO_FEW || lengths.iter().all(|&length| length < TOO_SHORT)
}

#[test]
fn fixtures_are_there() {
    let fixtures = Fixture::all();
    assert!(fixtures.len() >= 40, "only {} fixtures", fixtures.len());
    for fixture in &fixtures {
        assert!(!fixture.flows.is_empty(), "{} has no flow", fixture.name());
    }
}

#[test]
fn plaintext_is_never_called_encrypted() {
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        for flow in &fixture.flows {
            for &(snap_name, snap) in SNAPS {
                for (number, record) in flow.records(0, snap).iter().enumerate() {
                    let plaintext = match flow.expected.readable {
                        Readable::Plaintext => true,
                        Readable::Mixed => flow.expected.tls_from.is_some_and(|tls| number < tls),
                        Readable::Encrypted | Readable::Hidden => false,
                    };
                    if plaintext && record.verdict.exposure == Exposure::Encrypted {
                        wrong.push(format!(
                            "{flow} packet {number} at {snap_name}: {}",
                            line(record)
                        ));
                    }
                }
            }
        }
    }
    report::none(&wrong, "plaintext packets called encrypted");
}

#[test]
fn encrypted_is_never_called_plaintext() {
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        for flow in &fixture.flows {
            for (number, record) in SNAPS
                .iter()
                .flat_map(|&(_, snap)| flow.records(0, snap).into_iter().enumerate())
            {
                let encrypted = match flow.expected.readable {
                    Readable::Encrypted => true,
                    Readable::Mixed => flow.expected.tls_from.is_some_and(|tls| number >= tls),
                    Readable::Plaintext | Readable::Hidden => false,
                };
                // Banners and key exchanges are readable, and can go over two packets.
                if encrypted
                    && record.verdict.exposure == Exposure::Plaintext
                    && !flow.names(record.verdict.protocol)
                {
                    wrong.push(format!("{flow} packet {number}: {}", line(&record)));
                }
            }
        }
    }
    report::none(
        &wrong,
        "encrypted packets called plaintext of something else",
    );
}

#[test]
fn no_packet_is_taken_for_another_protocol() {
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        for flow in &fixture.flows {
            for &(snap_name, snap) in SNAPS {
                for (number, record) in flow.records(0, snap).iter().enumerate() {
                    let protocol = record.verdict.protocol;
                    if protocol != Protocol::Unknown && !flow.names(protocol) {
                        wrong.push(format!(
                            "{flow} packet {number} at {snap_name}: {}",
                            line(record)
                        ));
                    }
                }
            }
        }
    }
    report::none(&wrong, "packets taken for another protocol");
}

/// From any of the first ten packets on, at each snap length, the flow's protocol is right. It may be
/// unknown where the tap had fewer than [`TOO_FEW`] bytes of payload, or never [`TOO_SHORT`] of one packet; where it was encrypted without a sign;
/// and where it was joined behind everything that names the protocol, which shows in the shares.
#[test]
fn protocol_is_right_from_any_of_the_first_packets() {
    let mut shares = Shares::default();
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        for flow in &fixture.flows {
            if !is_known(flow) {
                continue;
            }
            for &(snap_name, snap) in SNAPS {
                for start in 0..STARTS.min(flow.expected.packets) {
                    let records = flow.records(start, snap);
                    let (protocol, _) = flow_verdict(&records);
                    let right = flow.names(protocol);
                    let few = too_little(flow, start, snap);
                    shares.add(
                        fixture.name(),
                        snap_name,
                        right,
                        protocol == Protocol::Unknown,
                        few,
                    );
                    if !right && (protocol != Protocol::Unknown || start == 0) && !few {
                        let hidden = flow.expected.readable == Readable::Hidden;
                        if protocol != Protocol::Unknown || !hidden {
                            wrong.push(format!(
                                "{flow} from packet {start} at {snap_name}: {protocol}"
                            ));
                        }
                    }
                }
            }
        }
    }
    shares.print();
    report::none(
        &wrong,
        "flows of which the protocol is wrong, or unknown from the first packet",
    );
    shares.check();
}

#[test]
fn exposure_of_whole_flows_is_right() {
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        for flow in fixture.flows.iter().filter(|flow| is_known(flow)) {
            let records = flow.records(0, usize::MAX);
            let seen: BTreeSet<&str> = records
                .iter()
                .filter(|record| record.payload_len > 0)
                .map(|record| record.verdict.exposure.name())
                .collect();
            let any = |exposure: Exposure| seen.contains(exposure.name());
            let right = match flow.expected.readable {
                Readable::Plaintext => any(Exposure::Plaintext) || too_little(flow, 0, usize::MAX),
                Readable::Encrypted => any(Exposure::Encrypted),
                Readable::Mixed => match flow.expected.tls_from {
                    // The request for TLS and its answer, which can be all that came before it, have no verdict.
                    Some(tls) => {
                        let before = records.iter().take(tls);
                        let spoke = before.filter(|record| record.payload_len > 0).count() > 2;
                        any(Exposure::Encrypted) && (any(Exposure::Plaintext) || !spoke)
                    }
                    None => any(Exposure::Plaintext),
                },
                Readable::Hidden => true,
            };
            if !right {
                wrong.push(format!(
                    "{flow}: {:?}, seen {seen:?}",
                    flow.expected.readable
                ));
            }
        }
    }
    report::none(&wrong, "flows with the wrong exposure");
}

#[test]
fn credentials_in_the_clear_are_named() {
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for flow in fixture.flows.iter().filter(|flow| is_known(flow)) {
            let service = flow.expected.server.as_str();
            wanted
                .entry(service)
                .or_default()
                .extend(flow.expected.credentials.iter().map(String::as_str));
            for record in flow.records(0, usize::MAX) {
                let kinds = record.verdict.credentials.iter().map(|kind| kind.name());
                found.entry(service).or_default().extend(kinds);
            }
        }
        for (service, wanted) in wanted {
            let found = found.remove(service).unwrap_or_default();
            let missing: Vec<&&str> = wanted.difference(&found).collect();
            if !missing.is_empty() {
                wrong.push(format!(
                    "{} {service}: {missing:?} not found, but {found:?}",
                    fixture.name()
                ));
            }
        }
    }
    report::none(
        &wrong,
        "services whose credentials in the clear were not all named",
    );
}

fn line(record: &SampleRecord) -> String {
    SampleLine {
        record,
        colour: false,
    }
    .to_string()
}
