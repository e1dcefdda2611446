//! What the agents of a fleet report through Prometheus, as data: now, or over a time.
//!
//! `command/fleet` fills it; `text`, `json` and `html` of this folder's parent print it.

mod history;
pub(super) mod json;
mod now;
mod scope;
pub(super) mod text;

pub use history::{CleartextSeen, FleetHistory, Hole, NetworkHistory, Verdict};
pub use now::{FleetNow, PresentNetwork};
pub use scope::{Missing, Scope};

#[cfg(test)]
pub(super) mod tests;
