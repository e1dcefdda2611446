//! What the machines and the wire have done so far.

use std::ops::Sub;

use monitor_lab::DeviceStats;
use serde::{Deserialize, Serialize};

use super::far::Reading;
use super::machine_cpu::Cpu;
use super::stage::Stage;

/// CPU and wire.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Usage {
    /// Of the whole machine, or of both.
    pub(super) cpu: Cpu,
    /// The receiver's part of it, where it is another machine.
    pub(super) receiver: Option<Cpu>,
    /// The sender's end of the wire.
    pub(super) wire: DeviceStats,
    /// Frames that either end of the wire dropped.
    pub(super) dropped: u64,
}

impl Usage {
    /// Now.
    pub(super) fn of(stage: &Stage) -> anyhow::Result<Usage> {
        Ok(Usage::with_reading(stage)?.0)
    }

    /// Now, with what has arrived.
    pub(super) fn with_reading(stage: &Stage) -> anyhow::Result<(Usage, Reading)> {
        let (wire, cpu) = (stage.near.wire()?, Cpu::now()?);
        let mut far = stage.far();
        let reading = far.read()?;
        let receiver = reading.other_cpu;
        let usage = Usage {
            cpu: cpu + receiver.unwrap_or_default(),
            receiver,
            wire,
            dropped: wire.rx_dropped + wire.tx_dropped + reading.dropped,
        };
        Ok((usage, reading))
    }
}

impl Sub for Usage {
    type Output = Usage;

    /// What was used between two readings; `self` is the later one.
    fn sub(self, earlier: Usage) -> Usage {
        Usage {
            cpu: self.cpu - earlier.cpu,
            receiver: self
                .receiver
                .zip(earlier.receiver)
                .map(|(later, earlier)| later - earlier),
            wire: self.wire - earlier.wire,
            dropped: self.dropped.saturating_sub(earlier.dropped),
        }
    }
}
