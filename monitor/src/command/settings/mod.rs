//! Validated settings: flags override the configuration file, which overrides the defaults.
//!
//! Imports `cli` and the types that the settings fill. Each command makes its settings first.

mod config_file;
mod endpoint;
mod plan;
mod restart;
mod surroundings;
mod values;

pub use config_file::CONFIG_FILE;
pub(super) use endpoint::endpoint;
pub use plan::{Defaults, plan};
pub use restart::needing_restart;
pub use surroundings::{Reading, Surroundings};
pub use values::select;

#[cfg(test)]
mod tests;
