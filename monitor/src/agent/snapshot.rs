//! Everything that the agent knows at one moment, as data: what every surface reads.

use crate::policy::PolicyReport;
use crate::traffic::counted::Counted;

/// Everything that the agent knows at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What was counted, exact at the moment it was read.
    pub counted: Counted,
    /// Requirements, states and violations of networks.
    pub policy: PolicyReport,
}
