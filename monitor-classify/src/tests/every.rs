//! What must hold for every message of every protocol.

use super::samples::SAMPLES;
use super::*;

fn show(payload: &Payload<'_>) -> String {
    format!("{:?} {}", payload.transport, payload.bytes.escape_ascii())
}

/// All that went wrong at once, a line each.
#[track_caller]
fn none(wrong: Vec<String>) {
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_sample_is_recognised_on_its_port() {
    let mut wrong = Vec::new();
    for sample in SAMPLES {
        let payload = sample.payload();
        let verdict = classify(&payload);
        let right = verdict.protocol == sample.protocol
            && verdict.exposure != Exposure::Encrypted
            && verdict.credentials == sample.credentials;
        if !right {
            wrong.push(format!(
                "{}: {} {verdict:?}",
                sample.protocol,
                show(&payload)
            ));
        }
    }
    none(wrong);
}

#[test]
fn every_sample_is_recognised_or_unnamed_off_its_port() {
    let mut wrong = Vec::new();
    for sample in SAMPLES {
        let payload = sample.off_port();
        let verdict = classify(&payload);
        let named = [sample.protocol, Protocol::Unknown].contains(&verdict.protocol);
        if !named || verdict.exposure == Exposure::Encrypted {
            wrong.push(format!(
                "{}: {} {verdict:?}",
                sample.protocol,
                show(&payload)
            ));
        }
    }
    none(wrong);
}

#[test]
fn no_cut_names_another_protocol_or_shows_a_secret() {
    let mut wrong = Vec::new();
    for sample in SAMPLES {
        for end in 0..=sample.bytes.len() {
            let by_snap = sample.cut(end);
            let by_segment = Payload {
                wire_len: end as u32,
                ..by_snap
            };
            for payload in [by_snap, by_segment] {
                let verdict = classify(&payload);
                let named = [sample.protocol, Protocol::Unknown].contains(&verdict.protocol)
                    || sample.protocol.refines(verdict.protocol);
                if !named || verdict.exposure == Exposure::Encrypted || shows_secret(&verdict) {
                    wrong.push(format!(
                        "{}: {} {verdict:?}",
                        sample.protocol,
                        show(&payload)
                    ));
                }
            }
        }
    }
    none(wrong);
}

/// A flow is joined anywhere: the rest of a message alone.
#[test]
fn no_tail_is_called_encrypted_or_shows_a_secret() {
    let mut wrong = Vec::new();
    for sample in SAMPLES {
        for start in 0..sample.bytes.len() {
            let bytes = &sample.bytes[start..];
            let payload = Payload {
                bytes,
                wire_len: bytes.len() as u32,
                ..sample.payload()
            };
            let verdict = classify(&payload);
            if verdict.exposure == Exposure::Encrypted || shows_secret(&verdict) {
                wrong.push(format!(
                    "{}: {} {verdict:?}",
                    sample.protocol,
                    show(&payload)
                ));
            }
        }
    }
    none(wrong);
}

/// Plain or in base64, and be it the beginning only.
fn shows_secret(verdict: &Verdict) -> bool {
    let text = format!("{verdict:?}");
    ["s3cr", "czNj", "AHMz"]
        .iter()
        .any(|hint| text.contains(hint))
}
