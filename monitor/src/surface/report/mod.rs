//! The reports of an audit and of a fleet, and their formats.
//!
//! Imports `agent`'s snapshot and the layers below. `command/audit` fills an [`Audit`], `command/fleet` a [`fleet::FleetNow`]
//! or [`fleet::FleetHistory`]; they render it and take its outcome.

pub mod advice;
pub mod audit;
pub mod chapter;
pub mod conclusion;
pub mod conversation;
mod finding;
pub mod fleet;
pub mod html;
pub mod json;
pub mod listed;
pub mod output_file;
pub mod render;
pub mod shares;
pub mod text;
pub mod timeline;

pub use audit::{Audit, ExposureReport};
pub use render::{Report, ReportFormat, render};
pub use timeline::Timeline;

#[cfg(test)]
mod tests;
