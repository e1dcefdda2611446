//! What was seen in a step, as data: the monitor's lines, samples and counters, and the kernel's counters.

use monitor_lab::DeviceStats;
use serde::{Deserialize, Serialize};

use crate::cli::agent_metrics::Counts;

/// TCP port of Redis.
const REDIS_PORT: u16 = 6379;

/// What was seen on node1 while the requests of a step were sent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The kernel's counters of the wire, `eth0`.
    pub(super) wire: DeviceStats,
    /// The kernel's counters of the overlay, `vxlan0`.
    pub(super) overlay: DeviceStats,
    /// The monitor's counters.
    pub(super) counts: Counts,
    /// All samples of `overlay-monitor tail --format json`.
    pub(super) samples: Vec<Sample>,
    /// What `overlay-monitor tail` printed.
    pub(super) printed: Printed,
}

/// What `overlay-monitor tail` printed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Printed {
    /// The first lines.
    pub(super) first: Vec<String>,
    /// Number of the lines after those.
    pub(super) more: usize,
}

/// The fields of a line of `overlay-monitor tail --format json` that the demo uses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) direction: String,
    pub(super) encapsulation: String,
    pub(super) vni: Option<u32>,
    pub(super) src_port: Option<u16>,
    pub(super) protocol: String,
    pub(super) exposure: String,
    pub(super) evidence: Option<String>,
}

impl Sample {
    /// Whether the payload is plaintext.
    pub(super) fn is_plaintext(&self) -> bool {
        self.exposure == "plaintext"
    }

    fn is_redis_response(&self) -> bool {
        self.protocol == "redis" && self.src_port == Some(REDIS_PORT)
    }
}

impl Seen {
    /// Evidence of all plaintext samples, or their protocol where there is none. Each text once, in the order of the
    /// samples. Responses of Redis come last, because they show less than the commands.
    pub(super) fn readable(&self) -> Vec<&str> {
        let plaintext = self.samples.iter().filter(|sample| sample.is_plaintext());
        let (responses, others): (Vec<_>, Vec<_>) =
            plaintext.partition(|sample| sample.is_redis_response());
        let mut texts = Vec::new();
        for sample in others.into_iter().chain(responses) {
            let text = sample.evidence.as_deref().unwrap_or(&sample.protocol);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        texts
    }
}
