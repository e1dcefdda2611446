//! What networks must be, what they are, and the difference between the two.
//!
//! [`Networks`] holds the known networks and their requirements, [`History`] what was seen of each over a window,
//! [`Violations`] the packets that break a requirement. [`Policy`] evaluates them from what the kernel counts.
//! [`cause`] explains a violation by the state of this host.
//!
//! Imports `base`, and the data types of `kernel`, `host` and `traffic`. The agent's loops call it; the surfaces read its
//! reports.

pub mod cause;
mod evaluation;
mod forbidden_esp;
pub mod history;
pub mod known_networks;
pub mod network_config;
pub mod network_state;
pub mod policy_report;
mod requirements;
mod state_times;
pub mod violation;
pub mod violation_text;

pub use crate::host::described_network::{Network, NetworkKind, Requirement, Source};
pub use evaluation::left::LeftPolicy;
pub use evaluation::{Policy, SharedPolicy};
pub use history::{History, Seen};
pub use known_networks::Networks;
pub use network_state::{Doubt, State};
pub use policy_report::{NetworkStatus, PolicyReport, ViolationTotal};
pub use state_times::StateTimes;
pub use violation::{Violation, Violations};
