//! Merges the verdicts on several packets of a flow.

use monitor_classify::{Confidence, Exposure, Protocol, Verdict};

/// Whether the verdict on a packet alone is conclusive, so that earlier packets add nothing.
pub(super) fn is_conclusive(alone: &Verdict) -> bool {
    alone.confidence == Confidence::Certain && alone.protocol != Protocol::Unknown
}

/// The better verdict on a packet: joined with earlier ones, or alone.
pub(super) fn better(joined: Option<Verdict>, alone: Verdict) -> Verdict {
    match joined {
        Some(mut joined) if is_better(&joined, &alone) => {
            add_credentials(&mut joined, &alone);
            joined
        }
        Some(_) | None => alone,
    }
}

fn is_better(joined: &Verdict, alone: &Verdict) -> bool {
    let rank = |verdict: &Verdict| {
        (
            verdict.exposure != Exposure::Unknown,
            verdict.confidence,
            verdict.protocol != Protocol::Unknown,
        )
    };
    rank(joined) >= rank(alone)
}

/// Adds the kinds of credentials of another verdict on the same flow.
pub(super) fn add_credentials(verdict: &mut Verdict, also: &Verdict) {
    if also.credentials.is_empty() {
        return;
    }
    verdict.credentials.extend(&also.credentials);
    verdict.credentials.sort_unstable();
    verdict.credentials.dedup();
}
