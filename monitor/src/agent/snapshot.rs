//! Everything that the agent knows at one moment, as data: what every surface reads.

use std::time::Duration;

use crate::base::confinement::Held;
use crate::host::process_use::ProcessUse;
use crate::kernel::ProgramRuns;
use crate::policy::PolicyReport;
use crate::traffic::counted::Counted;

/// Everything that the agent knows at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What was counted, exact at the moment it was read.
    pub counted: Counted,
    /// Requirements, states and violations of networks.
    pub policy: PolicyReport,
    /// The runs of the kernel programs; empty where the kernel keeps no statistics of them.
    pub program_runs: Vec<ProgramRuns>,
    /// The privileges that the agent holds.
    pub held: Option<Held>,
    /// What the agent uses of the machine; `None` if that is not known. Read by the endpoint, without the agent's lock, as all
    /// below.
    pub process: Option<ProcessUse>,
    /// Release of the kernel.
    pub kernel: String,
    /// How long the last page of metrics took; `None` before the first one.
    pub last_scrape: Option<Duration>,
}
