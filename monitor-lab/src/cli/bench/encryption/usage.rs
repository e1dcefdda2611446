//! What the whole machine and the wire have done so far.

use std::fs;
use std::ops::{Add, Sub};

use anyhow::Context;
use monitor_lab::DeviceStats;
use serde::{Deserialize, Serialize};

use super::receiver::Reading;
use super::stage::Stage;

/// CPU time of the whole machine in seconds (`/proc/stat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Cpu {
    /// All but idle, waiting for disks, and time that the hypervisor gave to others.
    pub(super) busy: f64,
    /// Of it, hardware and soft interrupts.
    pub(super) interrupts: f64,
}

impl Cpu {
    /// Now.
    pub(super) fn now() -> anyhow::Result<Cpu> {
        let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Cpu::parse(&text, ticks_per_second()).context("/proc/stat has no line for all CPUs")
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal, … in ticks (proc_stat(5)).
    fn parse(text: &str, ticks_per_second: f64) -> Option<Cpu> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<f64> = line
            .split_whitespace()
            .map_while(|n| n.parse().ok())
            .collect();
        let [user, nice, system, _, _, irq, softirq, ..] = ticks[..] else {
            return None;
        };
        Some(Cpu {
            busy: (user + nice + system + irq + softirq) / ticks_per_second,
            interrupts: (irq + softirq) / ticks_per_second,
        })
    }
}

/// The unit of `/proc/stat` (USER_HZ).
fn ticks_per_second() -> f64 {
    // SAFETY: sysconf takes a number and returns one.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, earlier: Cpu) -> Cpu {
        Cpu {
            busy: self.busy - earlier.busy,
            interrupts: self.interrupts - earlier.interrupts,
        }
    }
}

impl Add for Cpu {
    type Output = Cpu;

    fn add(self, other: Cpu) -> Cpu {
        Cpu {
            busy: self.busy + other.busy,
            interrupts: self.interrupts + other.interrupts,
        }
    }
}

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
        let receiver = far.own_cpu(&reading);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_waiting_and_stolen_time_is_not_busy() {
        let text = "cpu  100 20 300 4000 50 6 70 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n";
        let cpu = Cpu::parse(text, 100.0).unwrap();
        assert!((cpu.busy - 4.96).abs() < 1e-9 && (cpu.interrupts - 0.76).abs() < 1e-9);
        assert_eq!(Cpu::parse("cpu0 1 2\n", 100.0), None);
    }
}
