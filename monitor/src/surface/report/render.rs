//! The formats of a report.

use clap::ValueEnum;

use super::audit::Audit;
use super::fleet::{FleetHistory, FleetNow, json as fleet_json, text as fleet_text};
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

/// A report, in each of its formats.
pub trait Report {
    /// As text.
    fn text(&self) -> String;
    /// As JSON Lines.
    ///
    /// # Errors
    /// None is known: a report holds nothing that JSON cannot.
    fn json(&self) -> serde_json::Result<String>;
    /// As a page.
    fn html(&self) -> String;
}

impl Report for Audit {
    fn text(&self) -> String {
        text::page(self)
    }

    fn json(&self) -> serde_json::Result<String> {
        json::lines(self)
    }

    fn html(&self) -> String {
        html::page(self)
    }
}

impl Report for FleetNow {
    fn text(&self) -> String {
        fleet_text::now(self)
    }

    fn json(&self) -> serde_json::Result<String> {
        fleet_json::now(self)
    }

    fn html(&self) -> String {
        html::fleet_now(self)
    }
}

impl Report for FleetHistory {
    fn text(&self) -> String {
        fleet_text::history(self)
    }

    fn json(&self) -> serde_json::Result<String> {
        fleet_json::history(self)
    }

    fn html(&self) -> String {
        html::fleet_history(self)
    }
}

/// The report in a format.
///
/// # Errors
/// As [`Report::json`].
pub fn render(report: &impl Report, format: ReportFormat) -> Result<String, Failure> {
    match format {
        ReportFormat::Text => Ok(report.text()),
        ReportFormat::Json => report.json().map_err(Failure::runtime),
        ReportFormat::Html => Ok(report.html()),
    }
}
