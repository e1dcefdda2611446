//! What an audit has seen so far, and its progress on the terminal.

use std::cell::RefCell;
use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use tokio::time::MissedTickBehavior;

use crate::agent::SharedAgent;
use crate::base::failure::Failure;
use crate::policy::SharedPolicy;
use crate::surface::numbers::{bytes, percent, some};
use crate::surface::report::Timeline;
use crate::surface::report::conversation::Conversations;
use crate::surface::report::shares::Shares;
use crate::surface::status_line::StatusLine;
use crate::traffic::sample_record::SampleRecord;

/// How often the progress line is updated.
const SHOW: Duration = Duration::from_secs(1);
/// Reading the maps takes at most one part in so many of the time.
const PART: u32 = 20;

/// What was seen, and the progress line.
pub(super) struct Observation {
    conversations: RefCell<Conversations>,
    timeline: RefCell<Timeline>,
    samples: RefCell<u64>,
    planned: Duration,
}

/// The figures of the progress line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Figures {
    networks: usize,
    violations: usize,
    shares: Shares,
}

impl Observation {
    pub(super) fn new(planned: Duration) -> Observation {
        Observation {
            conversations: RefCell::default(),
            timeline: RefCell::default(),
            samples: RefCell::new(0),
            planned,
        }
    }

    /// Adds a sample.
    pub(super) fn add(&self, record: &SampleRecord) {
        *self.samples.borrow_mut() += 1;
        self.conversations.borrow_mut().add(record);
    }

    /// Reads the counters and updates the line, until the future is dropped.
    pub(super) async fn keep_shown(
        &self,
        agent: &SharedAgent,
        policy: &SharedPolicy,
        began: Instant,
    ) -> Result<Infallible, Failure> {
        let status = StatusLine::new();
        let mut tick = tokio::time::interval(SHOW);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut figures = Figures::default();
        let mut rest = Duration::ZERO;
        loop {
            tick.tick().await;
            rest = rest.saturating_sub(SHOW);
            if rest.is_zero() {
                let asked = Instant::now();
                let shared = (Arc::clone(agent), Arc::clone(policy));
                let look = tokio::task::spawn_blocking(move || look(&shared.0, &shared.1));
                // What the kernel refuses for the moment is logged elsewhere, and retried.
                if let Ok((seen, known)) = look.await.map_err(Failure::runtime)? {
                    figures = seen;
                    self.conversations.borrow_mut().set_known(known);
                    let mut timeline = self.timeline.borrow_mut();
                    timeline.note(began.elapsed(), figures.shares);
                }
                rest = asked.elapsed() * PART;
            }
            if status.is_seen() {
                status.show(&line(began.elapsed(), self.planned, &figures));
            }
        }
    }

    /// Conversations, bytes over time, and the number of samples.
    pub(super) fn done(self) -> (Conversations, Timeline, u64) {
        (
            self.conversations.into_inner(),
            self.timeline.into_inner(),
            self.samples.into_inner(),
        )
    }
}

/// The current figures, and the known VNIs.
fn look(agent: &SharedAgent, policy: &SharedPolicy) -> Result<(Figures, HashSet<u32>), Failure> {
    let locked = agent
        .lock()
        .map_err(|_| Failure::runtime(anyhow!("the agent failed")))?;
    let snapshot = locked.snapshot()?;
    drop(locked);
    let policy = policy.lock().unwrap_or_else(PoisonError::into_inner);
    let known = policy.networks().iter().map(|network| network.vni);
    let active = snapshot.policy.networks.iter();
    let active =
        active.filter(|at| at.seen.cleartext_packets() != 0 || at.seen.encrypted_packets() != 0);
    let figures = Figures {
        networks: active.count(),
        violations: snapshot.policy.violations.len(),
        shares: Shares::of(&snapshot),
    };
    Ok((figures, known.collect()))
}

fn line(elapsed: Duration, planned: Duration, figures: &Figures) -> String {
    let total = figures.shares.total();
    let mut line = format!(
        "{} of {} s, {}, {}",
        elapsed.as_secs().min(planned.as_secs()),
        planned.as_secs(),
        some(figures.networks as u64, "network"),
        bytes(total),
    );
    if total != 0 {
        line += &format!(", {} readable", percent(figures.shares.readable, total));
    }
    if figures.violations != 0 {
        line += &format!(", {}", some(figures.violations as u64, "violation"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_short_whatever_was_seen() {
        let figures = Figures {
            networks: 5_120,
            violations: 10_240,
            shares: Shares {
                readable: u64::MAX / 2,
                encrypted: u64::MAX / 4,
                ..Shares::default()
            },
        };
        let week = Duration::from_secs(604_800);
        let text = line(week * 2, week, &figures);
        assert!(text.len() <= 80, "{} {text}", text.len());
        let text = line(Duration::ZERO, week, &Figures::default());
        assert_eq!(text, "0 of 604800 s, 0 networks, 0 B");
    }
}
