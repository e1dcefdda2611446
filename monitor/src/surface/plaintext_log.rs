//! The first sight of each plaintext protocol in each network: a log that can run for months.

use std::collections::HashSet;

use crate::traffic::sample_record::SampleRecord;
use monitor_classify::{Exposure, Protocol};

/// Pairs of network and protocol that are logged, at most.
const MAX: usize = 4096;

/// What was logged so far.
#[derive(Debug, Default)]
pub struct PlaintextLog {
    seen: HashSet<(Option<u32>, Protocol)>,
}

impl PlaintextLog {
    /// A line for the log, if this record is the first to show this protocol in plaintext in this network.
    pub fn first(&mut self, record: &SampleRecord) -> Option<String> {
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
            "{place}: {} is readable in plaintext, first seen from {} port {} to {} port {}: {evidence}",
            record.verdict.protocol,
            inner.source,
            record.source_port,
            inner.destination,
            record.destination_port
        ))
    }
}
