//! Whole messages through the one public door, at every length.

mod binary;
mod every;
mod http;
pub(crate) mod neighbours;
mod noise;
mod planted;
mod props;
mod redis;
mod samples;
mod table;
mod tls;
mod unclaimed;
mod usual_port;

use super::*;

/// A client's port that no protocol uses.
const CLIENT: u16 = 40_000;

/// A TCP payload to `port`, as long as it was on the wire.
fn to(port: u16, bytes: &[u8]) -> Verdict {
    classify(&payload(bytes, bytes.len(), CLIENT, port))
}

/// The same from `port`.
fn from(port: u16, bytes: &[u8]) -> Verdict {
    classify(&payload(bytes, bytes.len(), port, CLIENT))
}

fn payload(bytes: &[u8], wire_len: usize, src_port: u16, dst_port: u16) -> Payload<'_> {
    let wire_len = u32::try_from(wire_len).unwrap();
    Payload {
        bytes,
        wire_len,
        transport: Transport::Tcp,
        src_port,
        dst_port,
    }
}

/// The evidence with the names of accounts: the most that can be shown.
fn evidence(verdict: &Verdict) -> String {
    let shown = verdict.clone().with_users();
    shown
        .evidence
        .map(|text| text.to_string())
        .unwrap_or_default()
}

/// Cuts a message at every byte, by the snap length and by the segment, to and
/// from the port and off it: the verdict must be right or unknown, and no
/// secret may show.
fn at_every_length(port: u16, bytes: &[u8], secrets: &[&str]) {
    let whole = to(port, bytes);
    let replied = from(port, bytes);
    for end in 0..=bytes.len() {
        let cut = &bytes[..end];
        for wire_len in [end, bytes.len()] {
            for (src, dst) in [(CLIENT, port), (port, CLIENT), (CLIENT, CLIENT)] {
                let verdict = classify(&payload(cut, wire_len, src, dst));
                let text = evidence(&verdict);
                // Text on the port of another protocol of text may be taken for that.
                let by_port = verdict.confidence == Confidence::Likely
                    && matches!(text.as_str(), "text" | "markup" | "JSON");
                assert!(
                    by_port
                        || verdict.protocol == Protocol::Unknown
                        || verdict.protocol == whole.protocol,
                    "{verdict:?} of {:?}",
                    String::from_utf8_lossy(cut)
                );
                let right =
                    verdict.exposure == whole.exposure || verdict.exposure == replied.exposure;
                assert!(
                    verdict.exposure == Exposure::Unknown || right,
                    "{verdict:?} of {:?}",
                    String::from_utf8_lossy(cut)
                );
                assert_eq!(
                    verdict.protocol == Protocol::Unknown && verdict.exposure == Exposure::Unknown,
                    verdict.confidence == Confidence::None
                );
                assert!(verdict.credentials.iter().all(|kind| {
                    whole.credentials.contains(kind) || replied.credentials.contains(kind)
                }));
                for secret in secrets {
                    // Not even the beginning of one: four letters are a hint.
                    let hint = &secret[..secret.len().min(4)];
                    assert!(!text.contains(hint), "{text:?} shows {secret:?} at {end}");
                }
            }
        }
    }
}
