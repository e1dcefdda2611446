//! Times encryptions and decryptions by samples of what each CPU does.

use std::io;
use std::os::fd::AsFd;

use aya::programs::{PerfEvent, Program};
use aya::util::online_cpus;

use super::btf::Reason;
use super::cpu_clock::CpuClock;
use super::load_errors;
use super::programs::Kernel;

/// The program that an event runs.
const PROGRAM: &str = "overlay_esp_time";

/// Samples of all CPUs in a second: a prime, so that they do not keep pace with the kernel's own timers. To look at the stack
/// takes up to 20 us where its tables are not in the cache.
const ALL_CPUS: u64 = 47;

/// The period of the samples of a CPU, in nanoseconds: it takes its share of [`ALL_CPUS`], and one in a second at least.
fn period(cpus: usize) -> u64 {
    (cpus as u64).clamp(1, ALL_CPUS) * 1_000_000_000 / ALL_CPUS
}

/// The events of all CPUs that were online when it was made. They end when it is dropped.
pub struct EspTimer {
    clocks: Vec<CpuClock>,
    period: u64,
}

impl EspTimer {
    /// The time that a sample stands for, in nanoseconds.
    #[must_use]
    pub fn period(&self) -> u64 {
        self.period
    }

    /// Starts to take samples.
    ///
    /// # Errors
    /// The kernel's error of the first CPU that refuses. The others have started.
    pub fn start(&self) -> io::Result<()> {
        each(&self.clocks, CpuClock::start)
    }

    /// Stops to take samples.
    ///
    /// # Errors
    /// The kernel's error of the first CPU that refuses. The others have stopped.
    pub fn stop(&self) -> io::Result<()> {
        each(&self.clocks, CpuClock::stop)
    }
}

/// Does it on each CPU, and returns the first error.
fn each(clocks: &[CpuClock], act: fn(&CpuClock) -> io::Result<()>) -> io::Result<()> {
    let mut result = Ok(());
    for clock in clocks {
        result = result.and(act(clock));
    }
    result
}

impl Kernel {
    /// Opens the events that time encryptions and decryptions, stopped. ESP must be attributed to networks.
    ///
    /// # Errors
    /// Why it is not possible.
    pub fn esp_timer(&mut self) -> Result<EspTimer, Reason> {
        let plan = self.esp_plan.as_ref().map_err(Clone::clone)?;
        if plan.layout.state_type == 0 {
            return Err("the kernel's structures of IPsec are not as expected".to_owned());
        }
        let program = self.timing_program()?;
        match program.load() {
            Ok(()) | Err(aya::programs::ProgramError::AlreadyLoaded) => {}
            Err(error) => return Err(load_errors::program("load", PROGRAM, error).to_string()),
        }
        let fd = program.fd().map_err(|error| error.to_string())?.as_fd();
        let cpus = online_cpus()
            .map_err(|(path, error)| format!("cannot read the CPUs from {path}: {error}"))?;
        let period = period(cpus.len());
        let mut clocks = Vec::new();
        for cpu in cpus {
            match CpuClock::open(cpu, period, fd) {
                Ok(clock) => clocks.push(clock),
                // It went offline in this moment.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(error) => return Err(refused(&error)),
            }
        }
        Ok(EspTimer { clocks, period })
    }

    fn timing_program(&mut self) -> Result<&mut PerfEvent, Reason> {
        match self.program_mut(PROGRAM) {
            Ok(Program::PerfEvent(program)) => Ok(program),
            Ok(_) => Err(format!(
                "program {PROGRAM} of the object has an unexpected type"
            )),
            Err(failure) => Err(failure.to_string()),
        }
    }
}

/// Why the kernel opens no event.
fn refused(error: &io::Error) -> Reason {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => format!(
            "perf_event_open(2) is not permitted ({error}); grant CAP_PERFMON, and permit the call where a filter of system \
             calls refuses it"
        ),
        _ => format!("perf_event_open(2) failed: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpus_share_the_samples() {
        assert_eq!(period(0), 21_276_595);
        assert_eq!(period(1), 21_276_595);
        assert_eq!(period(2), 42_553_191);
        assert_eq!(period(47), 1_000_000_000);
        assert_eq!(period(512), 1_000_000_000);
    }
}
