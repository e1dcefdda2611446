//! What the steps share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::attached::Attached;
use super::files::Files;
use super::packages::Packages;
use super::page::Page;
use super::traffic::{self, Crossed};
use crate::outcome::{Outcome, Row};
use crate::vm::remote::Remote;

/// The package, its unit and its program.
pub(super) const NAME: &str = "overlay-monitor";
/// Time for a command that is done in a moment.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// Everything that the steps share.
pub(super) struct Trial {
    pub(super) machine: Remote,
    pub(super) packages: Packages,
    /// For what the steps print.
    pub(super) folder: PathBuf,
    pub(super) outcome: Outcome,
    pub(super) before: Before,
}

/// The guest before the package was installed.
pub(super) struct Before {
    pub(super) files: Files,
    pub(super) attached: Attached,
}

/// The counts of one moment.
pub(super) struct Both {
    /// Independent ones.
    pub(super) crossed: Crossed,
    /// Of the device, all together.
    pub(super) device: u64,
    pub(super) page: Page,
}

impl Trial {
    /// The counts of now, in which nothing may cross.
    pub(super) fn both(&mut self) -> Result<Both> {
        Ok(Both {
            crossed: traffic::crossed(&mut self.machine)?,
            device: traffic::of_device(&mut self.machine)?,
            page: Page::scrape(&mut self.machine)?,
        })
    }

    /// What is in the kernel now.
    pub(super) fn attached(&mut self) -> Result<Attached> {
        Attached::read(&mut self.machine)
    }

    /// The process that systemd calls the main one.
    pub(super) fn pid(&mut self) -> Result<String> {
        let text = self
            .machine
            .sh(&format!("systemctl show -P MainPID {NAME}"))?;
        Ok(text.trim().to_owned())
    }

    /// What dpkg says.
    pub(super) fn version(&mut self) -> Result<String> {
        self.machine
            .sh(&format!("dpkg-query -W -f '${{Version}}' {NAME}"))
    }

    /// Adds whether systemd says that the agent runs.
    pub(super) fn active(&mut self, step: &'static str) -> Result<()> {
        let state = self
            .machine
            .run(&format!("systemctl is-active {NAME}"), LIMIT)?
            .1;
        self.outcome
            .same(step, "systemctl is-active", "active", state.trim());
        Ok(())
    }

    /// Adds what the agent counted between two moments beside the independent counts.
    pub(super) fn compare(&mut self, step: &'static str, what: &str, before: &Both, after: &Both) {
        let crossed = traffic::since(&before.crossed, &after.crossed);
        let agent = traffic::since(&before.page.crossed(), &after.page.crossed());
        let total: i128 = crossed.values().map(|[packets, _]| packets).sum();
        let device = i128::from(after.device) - i128::from(before.device);
        let mut faults: Vec<String> = crossed
            .iter()
            .filter(|(key, count)| agent.get(*key) != Some(*count))
            .map(|((direction, vni), [packets, bytes])| {
                let [of_agent, bytes_of_agent] = agent.get(&(*direction, *vni)).copied().unwrap_or_default();
                format!("{direction} VNI {vni}: {of_agent} of {packets} packets, {bytes_of_agent} of {bytes} bytes")
            })
            .collect();
        if device != total {
            faults.push(format!(
                "the device carried {device} packets, nftables counted {total}"
            ));
        }
        let uncounted: i128 = crossed
            .iter()
            .map(|(key, [packets, _])| {
                (packets - agent.get(key).map_or(0, |[count, _]| *count)).abs()
            })
            .sum();
        self.outcome.add(Row {
            step,
            what: format!("{what}: the agent's counts, nftables' and the device's"),
            expected: format!("{total} packets, 0 uncounted"),
            found: match faults.is_empty() {
                true => format!("{total} packets, 0 uncounted"),
                false => format!("{uncounted} uncounted: {}", faults.join("; ")),
            },
            holds: faults.is_empty() && total > 0,
        });
    }

    /// Keeps what the guest wrote.
    pub(super) fn keep_logs(&mut self, console: &Path) {
        std::fs::copy(console, self.folder.join("console.log")).ok();
        if let Ok((_, text)) = self.machine.run(
            "journalctl -b -q --no-pager -o short-precise | tail -c 3000000",
            LIMIT,
        ) {
            std::fs::write(self.folder.join("journal.log"), text).ok();
        }
    }
}
