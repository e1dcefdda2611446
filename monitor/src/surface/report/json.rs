//! An audit as JSON Lines: an object for each network, each violation, each protocol of a network and each forecast, then an
//! `audit_summary`.

use serde::Serialize;

use super::advice;
use super::audit::Audit;
use super::chapter::{Chapter, Row};
use super::conversation::{Conversation, Place, Speech};
use crate::kernel::Attribution;
use crate::surface::{forecast, networks_json};
use crate::traffic::json_object::SCHEMA;
use monitor_classify::{Confidence, CredentialKind, Exposure, Protocol, Transport};

/// The object of type `exposure`: what was counted of one protocol in one network. Names are those of the flow record.
#[derive(Serialize)]
struct ExposureRecord<'a> {
    r#type: &'static str,
    schema: u32,
    node: &'a str,
    place: &'static str,
    vni: Option<u32>,
    network: Option<String>,
    protocol: Protocol,
    exposure: Exposure,
    packets: u64,
    bytes: u64,
    share: Option<f64>,
    credentials: Vec<CredentialKind>,
    conversations: Vec<ConversationRecord<'a>>,
    advice: Vec<&'static str>,
}

/// All packets between a client and one port of a server.
#[derive(Serialize)]
struct ConversationRecord<'a> {
    inner_vni: Option<u32>,
    transport: Transport,
    src: std::net::IpAddr,
    dst: std::net::IpAddr,
    dst_port: u16,
    confidence: Confidence,
    samples: u64,
    first_seen: String,
    last_seen: String,
    credentials: Vec<CredentialKind>,
    evidence: Option<&'a str>,
}

/// Bytes by exposure.
#[derive(Serialize)]
struct Shares {
    readable: u64,
    encrypted: u64,
    in_esp: u64,
    unknown: u64,
}

/// The object of type `audit_summary`.
#[derive(Serialize)]
struct Summary<'a> {
    r#type: &'static str,
    schema: u32,
    node: &'a str,
    started: String,
    seconds: f64,
    complete: bool,
    watching: &'a str,
    esp_attributed: bool,
    violations: usize,
    undecided: Vec<String>,
    exposure_watched: bool,
    bytes: Shares,
    credentials: Vec<CredentialKind>,
    decrypted_packets: u64,
    samples: u64,
    lower_bound: bool,
    more_networks: usize,
    exit_code: u8,
}

impl<'a> ExposureRecord<'a> {
    fn new(node: &'a str, chapter: &Chapter, total: u64, row: &'a Row) -> ExposureRecord<'a> {
        let (place, vni) = place(chapter.place);
        ExposureRecord {
            r#type: "exposure",
            schema: SCHEMA,
            node,
            place,
            vni,
            network: chapter.name(),
            protocol: row.protocol,
            exposure: row.exposure,
            packets: row.count.packets,
            bytes: row.count.bytes,
            share: (total != 0).then(|| row.count.bytes as f64 / total as f64),
            credentials: row.credentials.iter().copied().collect(),
            conversations: row
                .conversations
                .iter()
                .map(ConversationRecord::new)
                .collect(),
            advice: [advice::of_row(row), advice::of_credentials(row)]
                .into_iter()
                .flatten()
                .collect(),
        }
    }
}

impl<'a> ConversationRecord<'a> {
    fn new((conversation, speech): &'a (Conversation, Speech)) -> ConversationRecord<'a> {
        ConversationRecord {
            inner_vni: conversation.inner_vni,
            transport: conversation.transport,
            src: conversation.client,
            dst: conversation.server,
            dst_port: conversation.port,
            confidence: speech.confidence,
            samples: speech.samples,
            first_seen: format!("{:.6}", conversation.seen.0),
            last_seen: format!("{:.6}", conversation.seen.1),
            credentials: speech.credentials.iter().copied().collect(),
            evidence: speech.evidence.as_deref(),
        }
    }
}

/// The field `place`, and the VNI if it is a network.
fn place(place: Place) -> (&'static str, Option<u32>) {
    match place {
        Place::Vni(vni) => ("network", Some(vni)),
        Place::Others => ("other", None),
        Place::Host => ("host", None),
    }
}

/// The rows of a network, with the bytes in ESP as one of them, so that the shares add up to 1.
fn rows(chapter: &Chapter) -> Vec<Row> {
    let mut rows = chapter.rows.clone();
    if chapter.in_esp.packets != 0 {
        rows.push(Row {
            protocol: Protocol::Ipsec,
            exposure: Exposure::Encrypted,
            count: chapter.in_esp,
            credentials: std::collections::BTreeSet::new(),
            conversations: Vec::new(),
        });
    }
    rows
}

/// The lines.
///
/// # Errors
/// None is known: the objects hold nothing that JSON cannot.
pub fn lines(audit: &Audit) -> serde_json::Result<String> {
    let mut text = networks_json::lines(&audit.report, &audit.node, jiff::Timestamp::now())?;
    for chapter in &audit.exposure.chapters {
        let total = chapter.shares().total();
        for row in &rows(chapter) {
            let record = ExposureRecord::new(&audit.node, chapter, total, row);
            text += &serde_json::to_string(&record)?;
            text.push('\n');
        }
    }
    text += &forecast::lines(&audit.forecasts)?;
    let shares = audit.exposure.shares();
    let summary = Summary {
        r#type: "audit_summary",
        schema: SCHEMA,
        node: &audit.node,
        started: format!("{:.6}", audit.started),
        seconds: audit.took.as_secs_f64(),
        complete: audit.took >= audit.planned,
        watching: &audit.watching,
        esp_attributed: audit.attribution == Attribution::Exact,
        violations: audit.report.violations.len(),
        undecided: audit.undecided(),
        exposure_watched: audit.exposure.is_watched,
        bytes: Shares {
            readable: shares.readable,
            encrypted: shares.encrypted,
            in_esp: shares.in_esp,
            unknown: shares.unknown,
        },
        credentials: audit.exposure.credentials().into_iter().collect(),
        decrypted_packets: audit.exposure.decrypted,
        samples: audit.exposure.samples,
        lower_bound: audit.exposure.is_lower_bound,
        more_networks: audit.exposure.more,
        exit_code: audit
            .outcome()
            .err()
            .map_or(0, |failure| failure.kind.exit_code()),
    };
    text += &serde_json::to_string(&summary)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{audit, hostile, violation};
    use super::*;
    use crate::policy::{Requirement, State};

    #[test]
    fn the_summary_comes_last() {
        let mut audit = audit(Requirement::Required, State::Cleartext);
        audit.report.violations = vec![violation()];
        let text = lines(&audit).unwrap();
        let types: Vec<String> = text
            .lines()
            .map(|line| {
                let object: serde_json::Value = serde_json::from_str(line).unwrap();
                object["type"].as_str().unwrap().to_owned()
            })
            .collect();
        assert_eq!(types, ["network", "violation", "audit_summary"]);
        assert!(text.ends_with("\"exit_code\":1}\n"), "{text}");
    }

    #[test]
    fn exposure_has_the_documented_fields_and_shares_add_up() {
        let mut audit = hostile();
        audit.node = "node1".to_owned();
        let text = lines(&audit).unwrap();
        let objects: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let exposure = |place: &str| {
            let objects = objects.iter();
            let of = objects.filter(|at| at["type"] == "exposure" && at["place"] == place);
            of.collect::<Vec<_>>()
        };
        let of_network = exposure("network");
        let protocols: Vec<_> = of_network.iter().map(|at| &at["protocol"]).collect();
        assert_eq!(protocols, ["http", "tls", "unknown", "ipsec"]);
        let shares = of_network.iter().map(|at| at["share"].as_f64().unwrap());
        assert!((shares.sum::<f64>() - 1.0).abs() < 1e-9);
        let http = of_network[0];
        assert_eq!(http["vni"], 4096);
        assert_eq!(
            http["credentials"].as_array().unwrap().len(),
            CredentialKind::ALL.len()
        );
        let keys: Vec<_> = http
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(keys.join(" "), EXPOSURE_FIELDS);
        let conversation = &http["conversations"][0];
        let keys: Vec<_> = conversation
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(keys.join(" "), CONVERSATION_FIELDS);
        assert_eq!(exposure("host")[0]["vni"], serde_json::Value::Null);
        let last = &objects[objects.len() - 1];
        assert_eq!(last["bytes"]["readable"], 1300);
        assert_eq!(last["bytes"]["in_esp"], 700);
    }

    /// The documented fields, in alphabetical order.
    const EXPOSURE_FIELDS: &str = "advice bytes conversations credentials exposure network node packets place protocol schema share type vni";
    const CONVERSATION_FIELDS: &str = "confidence credentials dst dst_port evidence first_seen inner_vni last_seen samples src transport";
}
