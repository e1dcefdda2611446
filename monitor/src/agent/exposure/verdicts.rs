//! Verdicts on flows: made from samples, written to the kernel's map.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use monitor_common::key::NetworkId;
use monitor_common::sample::{Sample, Trigger};

use super::new_verdict::NewVerdict;
use super::verdict_room::VerdictRoom;
use crate::base::clock::monotonic_ns;
use crate::base::failure::Failure;
use crate::base::hash::HashMap;
use crate::kernel::{Counts, SlotKey};
use crate::traffic::credential_flows::CredentialFlows;
use crate::traffic::flow_verdict::FlowVerdict;
use monitor_classify::{CredentialKind, Verdict};

/// Flows of one generation; two are kept.
const GENERATION: usize = 32_768;

/// The verdict on a flow so far.
#[derive(Clone, Copy, Default)]
struct Known {
    verdict: FlowVerdict,
    /// When it was about to be written to the kernel's map, `CLOCK_MONOTONIC` in nanoseconds: a sample that was taken before
    /// was in the ring already.
    written_ns: u64,
}

/// The verdicts on flows: updated with each sample, and written to the map that the kernel programs read.
pub struct Verdicts {
    counts: Arc<Counts>,
    new: SyncSender<NewVerdict>,
    young: HashMap<u64, Known>,
    old: HashMap<u64, Known>,
    room: VerdictRoom,
    credential_flows: Arc<Mutex<CredentialFlows>>,
}

impl Verdicts {
    /// No verdict yet. Each new one is written to these maps, and sent to the account.
    #[must_use]
    pub(super) fn new(
        counts: Arc<Counts>,
        new: SyncSender<NewVerdict>,
        credential_flows: Arc<Mutex<CredentialFlows>>,
    ) -> Verdicts {
        Verdicts {
            room: VerdictRoom::new(counts.verdict_capacity()),
            counts,
            new,
            credential_flows,
            young: HashMap::default(),
            old: HashMap::default(),
        }
    }

    /// Counts the flow of a sample, of this network, under the credentials that the sample shows.
    pub fn note_credentials(
        &self,
        sample: &Sample<'_>,
        network: NetworkId,
        credentials: &[CredentialKind],
    ) {
        if sample.flow == 0 || credentials.is_empty() {
            return;
        }
        let group = self.counts.flows.group(network);
        self.credential_flows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .note(sample.flow, network, group, credentials, Instant::now());
    }

    /// Updates the verdict on the flow of a sample, of this network. `payload_len` in bytes; `vni` if it is a VXLAN packet.
    ///
    /// # Errors
    /// A runtime failure, if the verdict cannot be written.
    pub fn note(
        &mut self,
        sample: &Sample<'_>,
        network: NetworkId,
        vni: Option<u32>,
        payload_len: u32,
        verdict: &Verdict,
    ) -> Result<(), Failure> {
        if sample.flow == 0 || payload_len == 0 {
            return Ok(());
        }
        let mut known = self.known(sample)?;
        let is_first = !known.verdict.has_verdict();
        let class = known.verdict.update(verdict);
        if class.is_some() {
            known.written_ns = monotonic_ns();
        }
        self.young.insert(sample.flow, known);
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        let place = |class| {
            vni.map(|vni| SlotKey {
                ifindex: sample.ifindex,
                vni,
                class,
            })
        };
        let Some(class) = class else {
            // A program may have taken its way out for another flow; the more packets it has the sooner it gets one again.
            if let Some(class) = known.verdict.class()
                && let Some(place) = place(class)
                && !self.counts.has_slot(sample.flow)
                && self.counts.verdict(sample.flow)? == Some(class)
            {
                self.counts.give_slot(sample.flow, place);
            }
            return Ok(());
        };
        self.room.make_room(&self.counts, sample.flow, network)?;
        match is_first {
            true => self.counts.set_verdict(sample.flow, class)?,
            false => self.counts.replace_verdict(sample.flow, class)?,
        }
        if let Some(place) = place(class) {
            self.counts.give_slot(sample.flow, place);
        }
        // A full channel loses nothing: the account finds the flow when it looks at all.
        drop(self.new.try_send(NewVerdict {
            flow: sample.flow,
            class,
            begun_ns: known.written_ns,
            time_ns: monotonic_ns(),
        }));
        Ok(())
    }

    /// Forgets flows without a sample since this was called last, and lists the verdicts of which it is looked whether they
    /// are used.
    pub fn forget_old(&mut self) {
        self.old = std::mem::take(&mut self.young);
        self.credential_flows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forget_old();
        self.room.begin_sweep();
    }

    /// Looks at some of the listed verdicts, and removes those of networks that nothing describes if no packet was counted
    /// under them since they were looked at last. Returns whether more are listed.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be changed.
    pub fn forget_unused(&mut self) -> Result<bool, Failure> {
        self.room.sweep(&self.counts)
    }

    /// The verdict so far on the flow of a sample.
    fn known(&mut self, sample: &Sample<'_>) -> Result<Known, Failure> {
        let young = self.young.get(&sample.flow).copied();
        let known = young.or_else(|| self.old.remove(&sample.flow));
        let in_kernel = || self.counts.verdict(sample.flow);
        match (known, sample.trigger) {
            // The kernel takes first samples of flows without a verdict. So this is a new connection between the same ports,
            // or the verdict was removed; unless the sample was in the ring when the verdict came.
            (Some(known), Trigger::FlowStart)
                if known.verdict.has_verdict() && sample.time_ns > known.written_ns =>
            {
                Ok(in_kernel()?.map(|_| known).unwrap_or_default())
            }
            (Some(known), _) => Ok(known),
            // Too old for the generations here, but still in the kernel's map.
            (None, Trigger::Periodic) => {
                let verdict = in_kernel()?.map(FlowVerdict::of).unwrap_or_default();
                Ok(Known {
                    verdict,
                    written_ns: 0,
                })
            }
            (None, Trigger::FlowStart) => Ok(Known::default()),
        }
    }
}
