//! The program `overlay-monitor`: finds it, and starts `overlay-monitor run` on a host of the lab.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use monitor_lab::{Host, Process};

use super::agent_metrics;
use super::child_output::Errors;

/// How long the agent may take to answer or to end. An emulated machine is slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Absolute path of overlay-monitor: `named`, or the one beside this program.
///
/// # Errors
/// When there is no such file.
pub(super) fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => beside_this_program()?,
    };
    if !path.is_file() {
        bail!(
            "there is no program {}: name the overlay-monitor with --monitor PATH",
            path.display()
        );
    }
    // Absolute, because a name without a folder would be looked up in PATH.
    path.canonicalize()
        .with_context(|| format!("finding {}", path.display()))
}

fn beside_this_program() -> anyhow::Result<PathBuf> {
    let current = env::current_exe().context("finding the path of this program")?;
    let path = current.with_file_name("overlay-monitor");
    if !path.is_file() {
        bail!(
            "overlay-monitor is not beside {}: build both with `cargo xtask build`, or name it with --monitor PATH",
            current.display()
        );
    }
    Ok(path)
}

/// Starts `overlay-monitor run` with its metrics at [`agent_metrics::ADDRESS`], and waits until it answers.
///
/// # Errors
/// When it exits or does not answer within [`PATIENCE`]. The message quotes its standard error.
pub(super) fn start_run(
    monitor: &Path,
    host: &Host,
    interface: &str,
    arguments: &[&str],
) -> anyhow::Result<Process> {
    let mut command = host.command(&monitor.to_string_lossy())?;
    command
        .args(["run", "-i", interface])
        .args(["--listen", &agent_metrics::ADDRESS.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = host.spawn(command)?;
    let errors = Errors::of(&mut process)?.keep();
    let end = Instant::now() + PATIENCE;
    while let Err(error) = agent_metrics::get(host, "/healthz") {
        if let Some(status) = process.child.try_wait()? {
            bail!(
                "overlay-monitor run ended early ({status}): {}",
                errors.lines().join("; ")
            );
        }
        if Instant::now() > end {
            drop(process);
            return Err(error.context(format!(
                "overlay-monitor run did not answer within {PATIENCE:?}; it printed: {}",
                errors.lines().join("; ")
            )));
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(process)
}
