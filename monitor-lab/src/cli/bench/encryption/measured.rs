//! The result of one measurement.

use serde::{Deserialize, Serialize};

use super::usage::Usage;

/// Latency of requests in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
}

/// One measurement of a load in a way.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    /// Seconds that it took.
    pub(super) seconds: f64,
    /// What was carried: bytes of payload of streams, requests otherwise.
    pub(super) carried: Carried,
    pub(super) used: Usage,
    /// Datagrams that did not arrive.
    pub(super) lost: u64,
    pub(super) latency: Option<Latency>,
}

/// What arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Carried {
    /// Bytes of a stream.
    Bytes(u64),
    /// Datagrams of this size.
    Datagrams { count: u64, payload: u32 },
    /// Requests that were answered.
    Requests(u64),
}

impl Measured {
    /// In the unit of the load: Mbit/s, or packets or requests per second.
    pub(super) fn rate(&self) -> f64 {
        let amount = match self.carried {
            Carried::Bytes(bytes) => bytes as f64 * 8.0 / 1e6,
            Carried::Datagrams { count, .. } | Carried::Requests(count) => count as f64,
        };
        amount / self.seconds
    }

    /// Bytes of payload, where they are known.
    fn bytes(&self) -> Option<f64> {
        match self.carried {
            Carried::Bytes(bytes) => Some(bytes as f64),
            Carried::Datagrams { count, payload } => Some(count as f64 * f64::from(payload)),
            Carried::Requests(_) => None,
        }
    }

    /// What CPU time is divided by: frames of a stream, datagrams, or requests.
    fn pieces(&self) -> f64 {
        match self.carried {
            Carried::Bytes(_) => self.frames(),
            Carried::Datagrams { count, .. } | Carried::Requests(count) => count as f64,
        }
    }

    /// Frames on the wire, both directions.
    fn frames(&self) -> f64 {
        (self.used.wire.tx_packets + self.used.wire.rx_packets) as f64
    }

    /// Bytes on the wire, both directions.
    fn wire_bytes(&self) -> f64 {
        (self.used.wire.tx_bytes + self.used.wire.rx_bytes) as f64
    }

    /// CPU seconds for a gigabyte (10^9) of payload.
    pub(super) fn cpu_per_gb(&self) -> Option<f64> {
        Some(self.used.cpu.busy / self.bytes()? * 1e9)
    }

    /// CPU seconds for a million frames, datagrams or requests.
    pub(super) fn cpu_per_million(&self) -> f64 {
        self.used.cpu.busy / self.pieces() * 1e6
    }

    /// The receiver's part of it, where it is another machine.
    pub(super) fn receiver_cpu_per_million(&self) -> Option<f64> {
        Some(self.used.receiver?.busy / self.pieces() * 1e6)
    }

    /// The part of it that was spent in interrupts.
    pub(super) fn interrupts_per_million(&self) -> f64 {
        self.used.cpu.interrupts / self.pieces() * 1e6
    }

    /// Bytes on the wire for each byte of payload, or for each request.
    pub(super) fn wire_bytes_per_unit(&self) -> f64 {
        match self.carried {
            Carried::Requests(count) => self.wire_bytes() / count as f64,
            Carried::Bytes(_) | Carried::Datagrams { .. } => {
                self.wire_bytes() / self.bytes().unwrap_or_default()
            }
        }
    }

    /// Frames that left for each datagram that arrived, without acknowledgements.
    pub(super) fn frames_per_datagram(&self) -> Option<f64> {
        match self.carried {
            Carried::Datagrams { count, .. } => {
                Some(self.used.wire.tx_packets as f64 / count as f64)
            }
            Carried::Bytes(_) | Carried::Requests(_) => None,
        }
    }

    /// Whether anything arrived: otherwise nothing can be divided by it.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces() == 0.0 || matches!(self.carried, Carried::Bytes(0)) || self.seconds <= 0.0
    }

    /// Refuses numbers that are none, or so large that sums of them would be.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        const MOST: u64 = 1 << 50;
        let carried = match self.carried {
            Carried::Bytes(bytes) => bytes,
            Carried::Datagrams { count, .. } | Carried::Requests(count) => count,
        };
        let wire = self.used.wire;
        let counts = [
            carried,
            self.lost,
            self.used.dropped,
            wire.rx_packets,
            wire.rx_bytes,
            wire.tx_packets,
            wire.tx_bytes,
        ];
        anyhow::ensure!(
            !self.is_empty() && counts.iter().all(|count| *count <= MOST),
            "a measurement that cannot be"
        );
        let cpus = [Some(self.used.cpu), self.used.receiver];
        let cpu = cpus.iter().flatten().map(|cpu| cpu.busy + cpu.interrupts);
        let seconds = cpu.chain([self.seconds]);
        anyhow::ensure!(
            seconds.into_iter().all(|seconds| seconds.abs() < 1e9),
            "a measurement that cannot be"
        );
        Ok(())
    }
}
