//! The required networks of a fleet over a time: how long each was what, what is not known, and the verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;

use super::scope::Scope;
use crate::base::failure::Failure;
use crate::base::plural::counted;
use crate::host::described_network::title;
use crate::policy::State;
use crate::surface::numbers::{bytes, long, moment, some};
use crate::surface::prometheus::Instance;
use crate::surface::report::audit::first_few;

/// The required networks of a fleet over a time.
#[derive(Clone, Debug, Default)]
pub struct FleetHistory {
    /// Who was asked, and who is missing.
    pub scope: Scope,
    /// Its begin.
    pub from: Timestamp,
    /// The longest hole, and the longest unknown time of a network on a node, that leave the verdict as it is.
    pub tolerated: Duration,
    /// Required networks by VNI and node.
    pub rows: Vec<NetworkHistory>,
}

/// A required network on a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkHistory {
    /// The node.
    pub node: Instance,
    /// VXLAN Network Identifier.
    pub vni: u32,
    /// Name of the network, as it came; empty without one.
    pub name: String,
    /// Time in each state, in the order of [`State::ALL`].
    pub states: [Duration; State::ALL.len()],
    /// Time in which the agent ran and had no description of the network.
    pub undescribed: Duration,
    /// Times in which no agent is known to have watched.
    pub holes: Vec<Hole>,
    /// Cleartext that was counted.
    pub cleartext: Option<CleartextSeen>,
}

/// A time in which no agent is known to have watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// The last moment before it that is covered.
    pub from: Timestamp,
    /// The first moment after it that is covered.
    pub to: Timestamp,
    /// How much of it is not covered.
    pub uncovered: Duration,
}

/// Cleartext that was counted where encryption was required.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleartextSeen {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The last scrape before the first of them.
    pub after: Timestamp,
    /// The first scrape that counted the last of them.
    pub until: Timestamp,
    /// The nodes that it was received from or sent to, as far as the agent listed them.
    pub peers: BTreeSet<IpAddr>,
}

/// What is proven of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every required network was watched all the time on every node, and no cleartext was counted.
    Proven,
    /// Cleartext was counted.
    Violated,
    /// No cleartext was counted, and something is not known.
    NotProven,
}

impl Verdict {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Proven => "proven",
            Verdict::Violated => "violated",
            Verdict::NotProven => "not_proven",
        }
    }
}

impl NetworkHistory {
    /// Time in a state.
    #[must_use]
    pub fn time(&self, state: State) -> Duration {
        self.states[state as usize]
    }

    /// Time in which cleartext was seen within the window of the state, alone or beside ESP.
    #[must_use]
    pub fn in_cleartext(&self) -> Duration {
        self.time(State::Cleartext) + self.time(State::Mixed)
    }

    /// Time that no agent covers.
    #[must_use]
    pub fn uncovered(&self) -> Duration {
        self.holes.iter().map(|hole| hole.uncovered).sum()
    }

    /// Its network and node.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} on {}", title(self.vni, &self.name), self.node)
    }

    fn violation(&self) -> Option<String> {
        let seen = self.cleartext.as_ref()?;
        let mut phrase = format!(
            "{}: {} ({}) in cleartext, between {} and {}",
            self.title(),
            some(seen.packets, "packet"),
            bytes(seen.bytes),
            moment(seen.after),
            moment(seen.until)
        );
        if !seen.peers.is_empty() {
            let peers: Vec<String> = seen.peers.iter().map(IpAddr::to_string).collect();
            phrase.push_str(", with ");
            phrase.push_str(&first_few(&peers));
        }
        Some(phrase)
    }

    fn doubts(&self, tolerated: Duration) -> Vec<String> {
        let holes = self.holes.iter().filter(|hole| hole.uncovered > tolerated);
        let mut doubts: Vec<String> = holes
            .map(|hole| {
                format!(
                    "{}: not covered for {}, from {} to {}",
                    self.title(),
                    long(hole.uncovered),
                    moment(hole.from),
                    moment(hole.to)
                )
            })
            .collect();
        let unknown = self.time(State::Unknown);
        if unknown > tolerated {
            doubts.push(format!(
                "{}: its state was unknown for {}",
                self.title(),
                long(unknown)
            ));
        }
        if self.cleartext.is_none() && !self.in_cleartext().is_zero() {
            doubts.push(format!(
                "{}: in cleartext for {} without a counted violation, so it was not required then, or the cleartext is older",
                self.title(),
                long(self.in_cleartext())
            ));
        }
        doubts
    }
}

impl FleetHistory {
    /// Violations, a phrase each.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.rows
            .iter()
            .filter_map(NetworkHistory::violation)
            .collect()
    }

    /// What is not proven, a phrase each.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = self.scope.doubts();
        if self.rows.is_empty() {
            doubts.push(format!(
                "no agent of the job {:?} had a required network in this time",
                self.scope.job
            ));
        }
        let mut seen: BTreeMap<u32, (&NetworkHistory, bool)> = BTreeMap::new();
        for row in &self.rows {
            doubts.extend(row.doubts(self.tolerated));
            let is_used = !row.time(State::Encrypted).is_zero() || !row.in_cleartext().is_zero();
            seen.entry(row.vni).or_insert((row, false)).1 |= is_used;
        }
        let idle = seen.values().filter(|(_, is_used)| !is_used);
        doubts.extend(idle.map(|(row, _)| {
            format!(
                "{}: no packet of it was seen on any node",
                title(row.vni, &row.name)
            )
        }));
        doubts
    }

    /// The verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.violations().is_empty() {
            Verdict::Violated
        } else if self.doubts().is_empty() {
            Verdict::Proven
        } else {
            Verdict::NotProven
        }
    }

    /// The conclusion, in one sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (violations, doubts) = (self.violations().len(), self.doubts().len());
        let gaps = counted(doubts, "gap");
        match self.verdict() {
            Verdict::Proven => {
                "Every required network was watched on every node, and no cleartext was counted"
                    .to_owned()
            }
            Verdict::NotProven => format!("No cleartext was counted, with {gaps} in what is known"),
            Verdict::Violated => {
                let mut text = format!(
                    "Cleartext of required networks was counted in {}",
                    counted(violations, "place")
                );
                if doubts != 0 {
                    text += &format!(", with {gaps} in what is known");
                }
                text
            }
        }
    }

    /// The verdict as an exit code.
    ///
    /// # Errors
    /// A violation, or an undecided failure, that names networks and nodes.
    pub fn outcome(&self) -> Result<(), Failure> {
        match self.verdict() {
            Verdict::Proven => Ok(()),
            Verdict::Violated => Err(Failure::violation(anyhow!(
                "violated: {}",
                first_few(&self.violations())
            ))),
            Verdict::NotProven => Err(Failure::undecided(anyhow!(
                "not proven: {}",
                first_few(&self.doubts())
            ))),
        }
    }
}
