//! The package is removed and purged.

use std::time::Duration;

use anyhow::Result;

use super::files::Files;
use super::stop::nothing_left;
use super::trial::{NAME, Trial};

const LIMIT: Duration = Duration::from_secs(300);
const CONFIGURATION: &str = "/etc/overlay-monitor/config.toml";

/// Only the configuration stays.
pub(super) fn remove(trial: &mut Trial) -> Result<()> {
    apt(trial, "remove")?;
    nothing_left(trial, "remove")?;
    let script = format!(
        "for file in /usr/bin/{NAME} {CONFIGURATION}; do [ ! -e $file ] || echo $file; done"
    );
    let kept = trial.machine.sh(&script)?;
    trial.outcome.same(
        "remove",
        "which of program and configuration are there",
        CONFIGURATION,
        kept.trim(),
    );
    Ok(())
}

/// All is as it was.
pub(super) fn purge(trial: &mut Trial) -> Result<()> {
    apt(trial, "purge")?;
    nothing_left(trial, "purge")?;
    let now = Files::list(&mut trial.machine)?;
    let different = now.beside(&trial.before.files);
    let count = trial.before.files.len();
    trial.outcome.none(
        "purge",
        format!("files, of {count}, that differ from before the installation"),
        &different,
    );
    let known = trial.machine.run(&format!("systemctl is-system-running; systemctl list-units --all --plain --no-legend '{NAME}*'"), LIMIT)?.1;
    trial.outcome.same(
        "purge",
        "systemctl is-system-running; units of ours",
        "running",
        known.trim(),
    );
    Ok(())
}

fn apt(trial: &mut Trial, verb: &'static str) -> Result<()> {
    let (code, text) = trial
        .machine
        .run(&format!("apt {verb} --yes {NAME}"), LIMIT)?;
    std::fs::write(trial.folder.join(format!("{verb}.log")), &text)?;
    trial.outcome.same(
        verb,
        format!("exit code of `apt {verb}`"),
        "0",
        code.to_string(),
    );
    Ok(())
}
