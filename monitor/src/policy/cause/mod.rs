//! Why an overlay network is not encrypted as it should be: a pure function of what was seen and of the host's state.

mod explain;
mod named;
pub mod spi;

pub use explain::{Symptom, explain};
pub use named::{Cause, Likely};
