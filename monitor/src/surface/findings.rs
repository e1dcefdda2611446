//! What was found readable, said once for each network and protocol: a log that can run for months.

use std::collections::HashSet;

use crate::traffic::sample_record::SampleRecord;
use monitor_classify::{Exposure, Protocol};

/// Kinds of finding that are remembered; further ones are not reported.
const MAX: usize = 4096;

/// The findings so far.
#[derive(Debug, Default)]
pub struct Findings {
    seen: HashSet<(Option<u32>, Protocol)>,
}

impl Findings {
    /// A sentence, if this record shows a protocol readable in a network where it was not before.
    pub fn note(&mut self, record: &SampleRecord) -> Option<String> {
        if record.verdict.exposure != Exposure::Plaintext || self.seen.len() >= MAX {
            return None;
        }
        if !self.seen.insert((record.vni, record.verdict.protocol)) {
            return None;
        }
        let place = match record.vni {
            Some(vni) => format!("VNI {vni}"),
            None => "outside any overlay".to_owned(),
        };
        let inner = record.inner?;
        let evidence = record.verdict.evidence.as_deref().unwrap_or_default();
        Some(format!(
            "{place}: {} can be read in plaintext, first seen {} port {} to {} port {}: {evidence}",
            record.verdict.protocol,
            inner.source,
            record.source_port,
            inner.destination,
            record.destination_port
        ))
    }
}
