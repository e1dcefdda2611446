//! Verdicts on flows, from their samples.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use monitor_common::sample::{Sample, Trigger};

use super::judged::Judged;
use super::remembered::Remembered;
use crate::base::clock::monotonic_ns;
use crate::base::failure::Failure;
use crate::kernel::Counts;
use crate::traffic::flow_verdict::FlowVerdict;
use monitor_classify::Verdict;

/// Flows of one generation; two are kept.
const GENERATION: usize = 32_768;
/// Judges flows by their samples, and tells the kernel.
pub struct Judge {
    counts: Arc<Counts>,
    judged: SyncSender<Judged>,
    young: HashMap<u64, FlowVerdict>,
    old: HashMap<u64, FlowVerdict>,
    remembered: Remembered,
}

impl Judge {
    /// A judge who writes verdicts to these maps, and hands them to the books.
    #[must_use]
    pub(super) fn new(counts: Arc<Counts>, judged: SyncSender<Judged>) -> Judge {
        Judge {
            remembered: Remembered::new(counts.verdict_capacity()),
            counts,
            judged,
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }

    /// Takes a sample and what was found in it into account. `payload_len` in bytes.
    ///
    /// # Errors
    /// A runtime failure, if the verdict cannot be written.
    pub fn note(
        &mut self,
        sample: &Sample<'_>,
        payload_len: u32,
        verdict: &Verdict,
    ) -> Result<(), Failure> {
        if sample.flow == 0 || payload_len == 0 {
            return Ok(());
        }
        let mut flow_verdict = self.remember(sample)?;
        let class = flow_verdict.update(verdict);
        self.young.insert(sample.flow, flow_verdict);
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let Some(class) = class else {
            return Ok(());
        };
        self.remembered.make_room(&self.counts, sample.flow)?;
        self.counts.set_verdict(sample.flow, class)?;
        // Where the books are behind they find the flow by themselves.
        drop(self.judged.try_send(Judged {
            flow: sample.flow,
            class,
            time_ns: monotonic_ns(),
        }));
        Ok(())
    }

    /// What is known of the flow of a sample.
    fn remember(&mut self, sample: &Sample<'_>) -> Result<FlowVerdict, Failure> {
        let young = self.young.get(&sample.flow).copied();
        let known = young.or_else(|| self.old.remove(&sample.flow));
        match (known, sample.trigger) {
            // The kernel takes first samples where it has no verdict: it is a new connection between the
            // same ports, or the verdict was forgotten. Unless this sample was on its way when it came.
            (Some(known), Trigger::FlowStart) if known.has_verdict() => {
                match self.counts.verdict(sample.flow)? {
                    Some(_) => Ok(known),
                    None => Ok(FlowVerdict::default()),
                }
            }
            (Some(known), _) => Ok(known),
            // Forgotten here, and not by the kernel.
            (None, Trigger::Periodic) => Ok(self
                .counts
                .verdict(sample.flow)?
                .map(FlowVerdict::of)
                .unwrap_or_default()),
            (None, Trigger::FlowStart) => Ok(FlowVerdict::default()),
        }
    }
}
