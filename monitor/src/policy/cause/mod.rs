//! Why an overlay network is not encrypted as it must be: a pure function of what was seen and of the host's state.
//!
//! Imports the data types of `host` and `traffic`. The agent's loops call it for violations, `check` for the host as it is.

mod catalogue;
mod cleartext;
mod esp_faults;
mod explain;
pub mod spi;

pub use catalogue::{Cause, Likely};
pub use explain::{Symptom, explain};
