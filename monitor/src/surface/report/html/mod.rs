//! A report as one page for a browser. It loads nothing, runs no script, and can be printed.
//!
//! Imports the report's data; `render` calls it.

mod chart;
mod exposure_section;
mod markup;
mod networks_section;
mod page;
mod tags;

pub use page::page;
