//! The agent is stopped, started, and killed.

use std::time::Duration;

use anyhow::Result;

use super::traffic;
use super::trial::{NAME, Trial};

/// Packets of a comparison.
const COUNT: u64 = 8_000;
/// Until the agent is back.
const LIMIT: Duration = Duration::from_secs(300);

/// Nothing stays in the kernel, and it starts again.
pub(super) fn stop_and_start(trial: &mut Trial) -> Result<()> {
    trial
        .machine
        .run(&format!("systemctl stop {NAME}"), LIMIT)?;
    nothing_left(trial, "stop")?;
    trial
        .machine
        .run(&format!("systemctl start {NAME}"), LIMIT)?;
    trial.active("start")?;
    counts(trial, "start")
}

/// systemd starts it again, and what it left in the kernel is used once.
pub(super) fn kill(trial: &mut Trial) -> Result<()> {
    let attached = trial.attached()?;
    let pid = trial.pid()?;
    let script = format!(
        "kill -9 {pid}; until [ \"$(systemctl is-active {NAME})\" = active ] && [ \"$(systemctl show -P MainPID {NAME})\" != {pid} ] && \
         curl -sSf -m 60 http://127.0.0.1:9469/-/healthy; do sleep 1; done"
    );
    trial.machine.run(&script, LIMIT)?;
    trial.active("kill -9")?;
    let different = trial.attached()?.beside(&attached);
    trial.outcome.none(
        "kill -9",
        "programs, maps, links and filters that differ from before",
        &different,
    );
    counts(trial, "kill -9")
}

/// A few packets, each of which must have been counted once.
fn counts(trial: &mut Trial, step: &'static str) -> Result<()> {
    let before = trial.both()?;
    traffic::send(&mut trial.machine, COUNT)?;
    let after = trial.both()?;
    trial.compare(step, "packets after it", &before, &after);
    Ok(())
}

/// The kernel is as it was before the package was installed, and no process runs.
pub(super) fn nothing_left(trial: &mut Trial, step: &'static str) -> Result<()> {
    let left = trial.attached()?.beside(&trial.before.attached);
    trial.outcome.none(
        step,
        "programs, maps, links and filters that are left",
        &left,
    );
    let processes = trial
        .machine
        .run(&format!("grep -lx {NAME} /proc/[0-9]*/comm"), LIMIT)?
        .1;
    let processes: Vec<String> = processes.lines().map(str::to_owned).collect();
    trial
        .outcome
        .none(step, "processes that are left", &processes);
    let users = trial
        .machine
        .sh("ls /run/systemd/dynamic-uid 2>/dev/null || true")?;
    let users: Vec<String> = users.split_whitespace().map(str::to_owned).collect();
    trial
        .outcome
        .none(step, "users of systemd's that are left", &users);
    Ok(())
}
