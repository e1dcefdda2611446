//! A fleet as JSON Lines: an object for each network on each node, then a summary.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::history::FleetHistory;
use super::now::FleetNow;
use super::scope::Scope;
use crate::base::failure::Failure;
use crate::host::described_network::shown;
use crate::policy::State;
use crate::traffic::json_object::SCHEMA;

/// The object of type `fleet_network`.
#[derive(Serialize)]
struct NetworkRecord<'a> {
    r#type: &'static str,
    schema: u32,
    time: String,
    node: String,
    vni: u32,
    network: Option<String>,
    required: Option<&'static str>,
    state: Option<&'static str>,
    violated: bool,
    readable_share: Option<f64>,
    readable: Vec<&'a str>,
}

/// The object of type `fleet_history`.
#[derive(Serialize)]
struct HistoryRecord {
    r#type: &'static str,
    schema: u32,
    node: String,
    vni: u32,
    network: Option<String>,
    seconds: Seconds,
    holes: Vec<HoleRecord>,
    cleartext: Option<CleartextRecord>,
}

/// How long a network was what.
#[derive(Serialize)]
struct Seconds {
    encrypted: f64,
    cleartext: f64,
    mixed: f64,
    idle: f64,
    unknown: f64,
    undescribed: f64,
    uncovered: f64,
}

#[derive(Serialize)]
struct HoleRecord {
    from: String,
    to: String,
    uncovered_seconds: f64,
}

#[derive(Serialize)]
struct CleartextRecord {
    packets: u64,
    bytes: u64,
    after: String,
    until: String,
    peers: Vec<IpAddr>,
}

/// The object of type `fleet_summary`.
#[derive(Serialize)]
struct Summary<'a> {
    r#type: &'static str,
    schema: u32,
    server: &'a str,
    job: String,
    from: Option<String>,
    to: String,
    nodes: usize,
    missing: Vec<MissingRecord<'a>>,
    verdict: Option<&'static str>,
    tolerated_seconds: Option<f64>,
    violations: Vec<String>,
    undecided: Vec<String>,
    exit_code: u8,
}

#[derive(Serialize)]
struct MissingRecord<'a> {
    node: String,
    why: &'a str,
}

pub(in crate::surface::report) fn now(fleet: &FleetNow) -> serde_json::Result<String> {
    let mut text = String::new();
    for row in &fleet.rows {
        let record = NetworkRecord {
            r#type: "fleet_network",
            schema: SCHEMA,
            time: stamp(fleet.scope.to),
            node: row.node.to_string(),
            vni: row.vni,
            network: name(&row.name),
            required: row.required.map(|required| required.name()),
            state: row.state.map(State::name),
            violated: row.is_violated,
            readable_share: row.readable_share,
            readable: row.readable.iter().map(String::as_str).collect(),
        };
        push(&mut text, &record)?;
    }
    let summary = Summary {
        violations: fleet.violations(),
        undecided: fleet.undecided(),
        exit_code: exit_code(&fleet.outcome()),
        ..Summary::new(&fleet.scope)
    };
    push(&mut text, &summary)?;
    Ok(text)
}

pub(in crate::surface::report) fn history(fleet: &FleetHistory) -> serde_json::Result<String> {
    let mut text = String::new();
    for row in &fleet.rows {
        let seconds = |state| row.time(state).as_secs_f64();
        let holes = row.holes.iter().map(|hole| HoleRecord {
            from: stamp(hole.from),
            to: stamp(hole.to),
            uncovered_seconds: hole.uncovered.as_secs_f64(),
        });
        let record = HistoryRecord {
            r#type: "fleet_history",
            schema: SCHEMA,
            node: row.node.to_string(),
            vni: row.vni,
            network: name(&row.name),
            seconds: Seconds {
                encrypted: seconds(State::Encrypted),
                cleartext: seconds(State::Cleartext),
                mixed: seconds(State::Mixed),
                idle: seconds(State::Idle),
                unknown: seconds(State::Unknown),
                undescribed: row.undescribed.as_secs_f64(),
                uncovered: row.uncovered().as_secs_f64(),
            },
            holes: holes.collect(),
            cleartext: row.cleartext.as_ref().map(|seen| CleartextRecord {
                packets: seen.packets,
                bytes: seen.bytes,
                after: stamp(seen.after),
                until: stamp(seen.until),
                peers: seen.peers.iter().copied().collect(),
            }),
        };
        push(&mut text, &record)?;
    }
    let summary = Summary {
        from: Some(stamp(fleet.from)),
        verdict: Some(fleet.verdict().name()),
        tolerated_seconds: Some(fleet.tolerated).map(|time: Duration| time.as_secs_f64()),
        violations: fleet.violations(),
        undecided: fleet.doubts(),
        exit_code: exit_code(&fleet.outcome()),
        ..Summary::new(&fleet.scope)
    };
    push(&mut text, &summary)?;
    Ok(text)
}

impl<'a> Summary<'a> {
    fn new(scope: &'a Scope) -> Summary<'a> {
        let missing = scope.missing.iter().map(|at| MissingRecord {
            node: at.node.to_string(),
            why: &at.why,
        });
        Summary {
            r#type: "fleet_summary",
            schema: SCHEMA,
            server: &scope.server,
            job: shown(&scope.job),
            from: None,
            to: stamp(scope.to),
            nodes: scope.nodes,
            missing: missing.collect(),
            verdict: None,
            tolerated_seconds: None,
            violations: Vec::new(),
            undecided: Vec::new(),
            exit_code: 0,
        }
    }
}

fn exit_code(outcome: &Result<(), Failure>) -> u8 {
    let failure = outcome.as_ref().err();
    failure.map_or(0, |failure| failure.kind.exit_code())
}

fn push(text: &mut String, record: &impl Serialize) -> serde_json::Result<()> {
    text.push_str(&serde_json::to_string(record)?);
    text.push('\n');
    Ok(())
}

fn name(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| shown(name))
}

fn stamp(time: Timestamp) -> String {
    format!("{time:.6}")
}
