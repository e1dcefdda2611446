//! CPU time of this whole machine.

use std::fs;
use std::ops::{Add, Sub};

use anyhow::Context;
use serde::{Deserialize, Serialize};

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
