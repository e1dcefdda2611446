//! How often the kernel ran each program, and how long that took: its own statistics, which are off unless they are asked for.

use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::Context;
use aya::sys::{Stats, enable_stats};

use super::programs::Kernel;
use crate::base::failure::Failure;

/// The runs of one program since it was loaded, while the kernel kept statistics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramRuns {
    /// Its name in the object.
    pub program: String,
    /// How often it ran.
    pub runs: u64,
    /// How long all runs took together, with what measuring them takes.
    pub time: Duration,
}

/// Makes the kernel keep statistics of all programs of the machine (`BPF_ENABLE_STATS`, Linux 5.8), until the descriptor is
/// closed.
///
/// # Errors
/// A kernel failure: it takes `CAP_SYS_ADMIN`.
pub fn measure() -> Result<OwnedFd, Failure> {
    enable_stats(Stats::RunTime)
        .context("the kernel does not measure its programs")
        .map_err(Failure::kernel)
}

impl Kernel {
    /// The runs of the loaded programs that ran while the kernel kept statistics.
    #[must_use]
    pub fn program_runs(&self) -> Vec<ProgramRuns> {
        let measured = self.programs().filter_map(|(name, program)| {
            let info = program.info().ok()?;
            Some(ProgramRuns {
                program: name.to_owned(),
                runs: info.run_count(),
                time: info.run_time(),
            })
        });
        measured.filter(|of| of.runs != 0).collect()
    }
}
