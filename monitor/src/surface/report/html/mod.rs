//! A report as one page for a browser. It loads nothing, runs no script, and can be printed.
//!
//! Imports the report's data; `render` calls it.

mod chart;
mod exposure_section;
mod fleet;
mod networks_section;
mod page;
mod shell;
mod tags;

pub use fleet::{history as fleet_history, now as fleet_now};
pub use page::page;
