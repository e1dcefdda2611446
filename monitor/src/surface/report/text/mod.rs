//! A report as text for a terminal.
//!
//! Imports the report's data; `render` calls it.

mod exposure_section;
mod page;

pub use page::page;
