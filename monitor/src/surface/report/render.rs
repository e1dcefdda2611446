//! The formats of a report.

use clap::ValueEnum;

use super::audit::Audit;
use super::{html, json, text};
use crate::base::failure::Failure;

/// The format of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Text for a terminal.
    #[default]
    Text,
    /// JSON Lines, one object a line.
    Json,
    /// One self-contained page for a browser.
    Html,
}

/// The report in a format.
///
/// # Errors
/// None is known: the report holds nothing that JSON cannot.
pub fn render(audit: &Audit, format: ReportFormat) -> Result<String, Failure> {
    match format {
        ReportFormat::Text => Ok(text::page(audit)),
        ReportFormat::Json => json::lines(audit).map_err(Failure::runtime),
        ReportFormat::Html => Ok(html::page(audit)),
    }
}
