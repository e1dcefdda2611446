//! The verdict of an audit, and the forms that it comes in.

pub mod advice;
pub mod chapter;
pub mod conversation;
pub mod html;
pub mod json;
pub mod listed;
pub mod numbers;
pub mod output;
pub mod text;
pub mod timeline;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use clap::ValueEnum;
use jiff::Timestamp;
use monitor_common::config::HostFlows;

use crate::base::failure::Failure;
use crate::host::described_network::title;
use crate::kernel::Attribution;
use crate::policy::{Doubt, NetworkStatus, PolicyReport, Requirement, State, violation_text};
use monitor_classify::CredentialKind;

pub use chapter::{Chapter, Row, Shares};
pub use conversation::{Conversation, Conversations, Place, Speech};
pub use timeline::Timeline;

/// How a report is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// For a terminal.
    #[default]
    Text,
    /// JSON Lines, one object a line.
    Json,
    /// One page for a browser, which needs nothing else.
    Html,
}

/// What an audit found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Name of this host.
    pub node: String,
    /// When it began.
    pub started: Timestamp,
    /// How long it watched.
    pub took: Duration,
    /// How long it should have.
    pub planned: Duration,
    /// What was attached where.
    pub watching: String,
    /// Networks and violations.
    pub report: PolicyReport,
    /// Whether ESP is attributed to networks.
    pub attribution: Attribution,
    /// What should be watched and is not, a phrase each.
    pub blind: Vec<String>,
    /// What can be read.
    pub exposure: Exposure,
}

/// What can be read, and how well that was seen.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// Whether anybody looked.
    pub is_watched: bool,
    /// Which traffic outside any overlay was looked at.
    pub host_flows: HostFlows,
    /// Network by network, the host's own wire last.
    pub chapters: Vec<Chapter>,
    /// Networks that are left out.
    pub more: usize,
    /// Whether there may be more than was found.
    pub is_lower_bound: bool,
    /// Samples that were looked at.
    pub samples: u64,
    /// Bytes over time.
    pub timeline: Timeline,
}

impl Default for Exposure {
    fn default() -> Exposure {
        Exposure {
            is_watched: false,
            host_flows: HostFlows::Off,
            chapters: Vec::new(),
            more: 0,
            is_lower_bound: false,
            samples: 0,
            timeline: Timeline::default(),
        }
    }
}

impl Exposure {
    /// Bytes by what can be read of them, all networks together.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let mut all = Shares::default();
        for chapter in &self.chapters {
            all.add(&chapter.shares());
        }
        all
    }

    /// The chapters that people are shown, and how many networks more there are: those with least to read are left to
    /// JSON. The host's own wire is always shown.
    pub fn shown(&self) -> (impl Iterator<Item = &Chapter>, usize) {
        /// How many at most.
        const SHOWN: usize = 32;
        let last = self.chapters.len().saturating_sub(1);
        let is_shown = move |(n, chapter): &(usize, &Chapter)| {
            *n < SHOWN - 1 || *n == last && (chapter.place == Place::Host || *n == SHOWN - 1)
        };
        let chapters = self.chapters.iter().enumerate();
        let left_out = chapters.clone().filter(|at| !is_shown(at)).count();
        let shown = chapters.filter(is_shown).map(|(_, chapter)| chapter);
        (shown, left_out + self.more)
    }

    /// Kinds of credentials in the clear, anywhere.
    #[must_use]
    pub fn credentials(&self) -> BTreeSet<CredentialKind> {
        self.chapters
            .iter()
            .flat_map(Chapter::credentials)
            .collect()
    }
}

impl Audit {
    /// The report.
    ///
    /// # Errors
    /// None that is known: there is nothing in it that JSON cannot hold.
    pub fn page(&self, form: Form) -> Result<String, Failure> {
        match form {
            Form::Text => Ok(text::page(self)),
            Form::Json => json::lines(self).map_err(Failure::runtime),
            Form::Html => Ok(html::page(self)),
        }
    }

    /// Whether all is as it should be: a violation goes before what nobody can tell.
    ///
    /// # Errors
    /// A violation, or an undecided failure; the message says of what.
    pub fn outcome(&self) -> Result<(), Failure> {
        if !self.report.violations.is_empty() {
            let mut found: Vec<String> = self
                .report
                .violations
                .iter()
                .map(violation_text::what)
                .collect();
            found.dedup();
            return Err(Failure::violation(anyhow!("{}", some(&found))));
        }
        let doubts = self.undecided();
        if doubts.is_empty() {
            Ok(())
        } else {
            Err(Failure::undecided(anyhow!(
                "cannot tell: {}",
                some(&doubts)
            )))
        }
    }

    /// What could not be told, a phrase each. Empty if all was.
    #[must_use]
    pub fn undecided(&self) -> Vec<String> {
        let mut doubts = self.blind.clone();
        let of = |status: &NetworkStatus| {
            let network = status.network.as_ref();
            let name = network.map_or("", |network| &network.name);
            let title = title(status.vni, name);
            let required = network.is_some_and(|at| at.required == Requirement::Required);
            match status.state {
                State::Idle if required => Some(format!("{title} was idle")),
                State::Unknown if required || status.doubts.contains(&Doubt::Blind) => {
                    Some(format!("{title} is unknown"))
                }
                State::Encrypted
                | State::Cleartext
                | State::Mixed
                | State::Idle
                | State::Unknown => None,
            }
        };
        doubts.extend(self.report.networks.iter().filter_map(of));
        doubts
    }
}

/// The first few of them.
fn some(all: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = all[..all.len().min(SHOWN)].join("; ");
    if all.len() > SHOWN {
        text += &format!("; and {} more", all.len() - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests;
