//! The monitor's programs, loaded and with a verdict for each flow of a case, ready to be measured.

use anyhow::anyhow;
use aya::maps::{MapData, RingBuf};
use monitor::kernel::{Kernel, LoadOptions, SlotKey};
use monitor::traffic::exposure_class::class;
use monitor_classify::{Exposure, Protocol};

use super::cases::Case;
use super::programs::{Hook, Programs, Reference, Target, Variety};

/// The interface of a packet of `BPF_PROG_TEST_RUN`: the loopback device (`net/bpf/test_run.c`).
const TEST_RUN_IFINDEX: u32 = 1;
/// Attempts to give every flow a verdict before a measurement.
const ATTEMPTS: usize = 32;

/// Size in bytes of a ring that holds a sample of each of `packets`, because it is read only after a run.
fn ring_bytes(packets: u32) -> u32 {
    /// Most bytes that a sample takes in the ring.
    const SAMPLE: u32 = 512;
    packets
        .saturating_mul(SAMPLE)
        .clamp(1 << 20, 1 << 28)
        .next_power_of_two()
}

/// What of a row is loaded.
pub(super) struct Prepared {
    pub(super) case: Case,
    pub(super) hook: Hook,
    kernel: Kernel,
    ring: RingBuf<MapData>,
}

impl Prepared {
    /// Loads the programs of a case, and sends the first packets of its flows. `packets` is the most that are measured
    /// before the ring is emptied.
    pub(super) fn new(
        case: Case,
        hook: Hook,
        packets: u32,
        programs: &mut Programs,
    ) -> anyhow::Result<Prepared> {
        let options = (case.features.options)();
        let samples_all = options.sample_every == 1;
        let mut kernel = Kernel::new(&LoadOptions {
            ring_bytes: ring_bytes(if samples_all { packets } else { 0 }),
            ..options
        })?;
        let ring = kernel
            .take_samples()
            .ok_or_else(|| anyhow!("the kernel programs have no sample ring"))?;
        let flows = case.variety.map_or(1, |variety| variety.flows);
        let mut prepared = Prepared {
            case,
            hook,
            kernel,
            ring,
        };
        // The first packets of a flow insert map entries, which is not measured. With 15 packets a flow all but one
        // in 20,000 flows have had three. Their samples may overflow the ring, which does not matter here.
        let many = flows.saturating_mul(15).max(1000);
        prepared.time(Reference::Floor, 1000, programs)?;
        prepared.time(Reference::LookUp, 1000, programs)?;
        prepared.packet(many, programs)?;
        if prepared.has_three_hashes() {
            prepared.time(Reference::ThreeHashes, many, programs)?;
        }
        // As the agent does with the busiest associations, every few seconds.
        let rows = prepared.kernel.esp()?;
        prepared.kernel.place_associations(&rows)?;
        if (prepared.case.features.options)().exposure {
            prepared.set_verdicts(flows, programs)?;
        }
        Ok(prepared)
    }

    /// Sets a verdict for every flow, as the agent does within milliseconds: the measurement is of the later packets of
    /// flows.
    fn set_verdicts(&mut self, flows: u32, programs: &mut Programs) -> anyhow::Result<()> {
        let verdict = class(Protocol::Http, Exposure::Plaintext);
        for _ in 0..ATTEMPTS {
            let waiting = self.kernel.flows.all()?;
            if waiting.len() as u64 * 1000 <= u64::from(flows) {
                return Ok(());
            }
            for (flow, state) in waiting {
                self.kernel.set_verdict(flow, verdict)?;
                let place = SlotKey {
                    ifindex: TEST_RUN_IFINDEX,
                    vni: state.network().0,
                    class: verdict,
                };
                self.kernel.give_slot(flow, place);
                self.kernel.flows.take(flow)?;
            }
            self.kernel.flows.publish()?;
            self.packet(flows.saturating_mul(5).max(1000), programs)?;
        }
        anyhow::bail!("the kernel's map does not keep the verdicts of {flows} flows")
    }

    /// Whether three look-ups in hash maps are measured beside it.
    pub(super) fn has_three_hashes(&self) -> bool {
        self.case.features.by_flow || self.case.goals.of_three_hashes.is_some()
    }

    /// Nanoseconds per packet in a program with which the monitor's is compared.
    pub(super) fn time(
        &self,
        reference: Reference,
        packets: u32,
        programs: &mut Programs,
    ) -> anyhow::Result<f64> {
        let (frame, variety) = (&self.case.frame, self.case.variety);
        let target = Target::Reference(reference);
        programs.time(self.hook, target, frame, variety, packets)
    }

    /// Nanoseconds per packet in the monitor's program.
    pub(super) fn packet(&mut self, packets: u32, programs: &mut Programs) -> anyhow::Result<f64> {
        let (frame, variety) = (&self.case.frame, self.case.variety);
        let target = Target::Monitor(&mut self.kernel);
        let took = programs.time(self.hook, target, frame, variety, packets)?;
        // Not timed. The ring holds the samples of a whole run.
        while self.ring.next().is_some() {}
        Ok(took)
    }

    /// Nanoseconds per packet in a program with which the monitor's is compared, or in the monitor's, while other CPUs run it
    /// too; and the share of that time in which they did.
    pub(super) fn time_beside(
        &mut self,
        reference: Option<Reference>,
        packets: u32,
        others: &[usize],
        programs: &mut Programs,
    ) -> anyhow::Result<(f64, f64)> {
        let target = match reference {
            Some(reference) => Target::Reference(reference),
            None => Target::Monitor(&mut self.kernel),
        };
        let variety = self.case.variety.unwrap_or(Variety::at_random(1, 1));
        let frame = &self.case.frame;
        let took = programs.time_beside(self.hook, target, frame, variety, packets, others)?;
        while self.ring.next().is_some() {}
        Ok(took)
    }

    /// Samples that found no room in the ring so far.
    pub(super) fn lost(&self) -> anyhow::Result<u64> {
        Ok(self.kernel.state()?.ring_full)
    }
}
