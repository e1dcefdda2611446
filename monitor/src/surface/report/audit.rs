//! What an audit found, and its outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;
use monitor_common::config::HostFlows;

use crate::base::failure::Failure;
use crate::host::described_network::title;
use crate::host::platform::Platform;
use crate::kernel::Attribution;
use crate::policy::{Doubt, NetworkStatus, PolicyReport, Requirement, State};
use monitor_classify::CredentialKind;

use super::chapter::Chapter;
use super::conversation::Place;
use super::finding::findings;
use super::shares::Shares;
use super::timeline::Timeline;
use crate::surface::forecast::{Forecast, Forecasts};
use crate::surface::numbers::some;

/// What an audit found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Name of this host.
    pub node: String,
    /// Start of the audit.
    pub started: Timestamp,
    /// How long it watched.
    pub took: Duration,
    /// How long it was to watch.
    pub planned: Duration,
    /// The attached hooks.
    pub watching: String,
    /// Requirements, states and violations of networks.
    pub report: PolicyReport,
    /// Whether ESP packets are attributed to networks.
    pub attribution: Attribution,
    /// What must be watched and is not, a phrase each.
    pub blind: Vec<String>,
    /// What is readable.
    pub exposure: ExposureReport,
    /// What it would cost to encrypt the networks that crossed in the clear.
    pub forecasts: Forecasts,
}

/// What is readable, and how complete the samples are.
#[derive(Clone, Debug)]
pub struct ExposureReport {
    /// Whether exposure was watched.
    pub is_watched: bool,
    /// Which traffic outside any overlay was watched.
    pub host_flows: HostFlows,
    /// Network by network, the host's own traffic last.
    pub chapters: Vec<Chapter>,
    /// Networks that are left out.
    pub more: usize,
    /// Whether more may be readable than was found.
    pub is_lower_bound: bool,
    /// Packets that are in no chapter, because IPsec of this host had decrypted them: they came encrypted.
    pub decrypted: u64,
    /// Samples that were classified.
    pub samples: u64,
    /// Bytes over time.
    pub timeline: Timeline,
    /// What makes the overlay networks of this host.
    pub platform: Platform,
}

impl Default for ExposureReport {
    fn default() -> ExposureReport {
        ExposureReport {
            is_watched: false,
            host_flows: HostFlows::Off,
            chapters: Vec::new(),
            more: 0,
            is_lower_bound: false,
            decrypted: 0,
            samples: 0,
            timeline: Timeline::default(),
            platform: Platform::Unknown,
        }
    }
}

impl ExposureReport {
    /// Bytes by exposure, all networks together.
    #[must_use]
    pub fn shares(&self) -> Shares {
        let mut all = Shares::default();
        for chapter in &self.chapters {
            all.add(&chapter.shares());
        }
        all
    }

    /// The chapters to show people, and the number of further networks. Those with least plaintext are left to JSON; the
    /// host's own traffic is always shown.
    pub fn shown(&self) -> (impl Iterator<Item = &Chapter>, usize) {
        /// Chapters at most.
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

    /// What is said of the decrypted copies of ESP packets, a sentence; `None` if there were none.
    #[must_use]
    pub fn decrypted_copies(&self) -> Option<String> {
        let packets = some(self.decrypted, "packet");
        (self.decrypted != 0).then(|| {
            format!(
                "Left out: {packets} that IPsec of this host had decrypted; each is a copy of ESP, which was not in the clear on the wire."
            )
        })
    }

    /// Kinds of credentials in cleartext, anywhere.
    #[must_use]
    pub fn credentials(&self) -> BTreeSet<CredentialKind> {
        self.chapters
            .iter()
            .flat_map(Chapter::credentials)
            .collect()
    }
}

impl Audit {
    /// Forecasts to show people, and the number of further ones, of networks that carry less.
    pub fn shown_forecasts(&self) -> (&[Forecast], usize) {
        /// Forecasts at most.
        const SHOWN: usize = 20;
        let all = &self.forecasts.networks;
        let shown = &all[..all.len().min(SHOWN)];
        (shown, all.len() - shown.len())
    }

    /// Whether every requirement is met. A violation takes precedence over what could not be determined.
    ///
    /// # Errors
    /// A violation, or an undecided failure, that names the networks.
    pub fn outcome(&self) -> Result<(), Failure> {
        if !self.report.violations.is_empty() {
            let findings = findings(&self.report.violations);
            let mut found: Vec<String> = findings.into_iter().map(|at| at.what).collect();
            found.dedup();
            return Err(Failure::violation(anyhow!("{}", first_few(&found))));
        }
        let doubts = self.undecided();
        if doubts.is_empty() {
            Ok(())
        } else {
            Err(Failure::undecided(anyhow!(
                "undecided: {}",
                first_few(&doubts)
            )))
        }
    }

    /// What could not be determined, a phrase each. Empty if everything was.
    #[must_use]
    pub fn undecided(&self) -> Vec<String> {
        let mut doubts = self.blind.clone();
        doubts.extend(self.report.networks.iter().filter_map(undecided_network));
        doubts
    }
}

/// Why the state of a network could not be judged, if it could not.
pub(super) fn undecided_network(status: &NetworkStatus) -> Option<String> {
    let network = status.network.as_ref();
    let name = network.map_or("", |network| &network.name);
    let title = title(status.vni, name);
    let required = network.is_some_and(|at| at.required == Requirement::Required);
    match status.state {
        State::Idle if required => Some(format!("{title} was idle")),
        State::Unknown if required || status.doubts.contains(&Doubt::Blind) => {
            Some(format!("the state of {title} is unknown"))
        }
        State::Encrypted | State::Cleartext | State::Mixed | State::Idle | State::Unknown => None,
    }
}

/// The first few phrases.
pub(super) fn first_few(all: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = all[..all.len().min(SHOWN)].join("; ");
    if all.len() > SHOWN {
        text += &format!("; and {} more", all.len() - SHOWN);
    }
    text
}
