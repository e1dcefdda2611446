//! The agent, three times on node1: `tail` to read along, `tail --format json` to judge by, `run` to count.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use monitor_lab::{Host, Process};
use serde::Deserialize;

use super::metrics;
use super::screen::Live;

/// How long the agent may take to attach or to end. An emulated machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest line of the agent that is looked at.
const LINE: u64 = 64 * 1024;

/// A line of `tail --format json`, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Sample {
    pub(super) direction: String,
    pub(super) encapsulation: String,
    pub(super) vni: Option<u32>,
    pub(super) src_port: Option<u16>,
    pub(super) protocol: String,
    pub(super) exposure: String,
    pub(super) evidence: Option<String>,
}

/// The agents, watching.
pub(super) struct Agents {
    text: Tail<usize>,
    json: Tail<anyhow::Result<Vec<Sample>>>,
    run: Process,
}

/// A `tail` and the thread that reads its lines.
struct Tail<T> {
    process: Process,
    reader: JoinHandle<T>,
}

impl Agents {
    /// Starts them on node1's `eth0`; when it returns they are attached. Lines to read along go to `live`.
    pub(super) fn start(monitor: &Path, node: &Host, live: Live) -> anyhow::Result<Self> {
        // Side by side: each takes a while to load its programs.
        let (text, json, run) = thread::scope(|scope| {
            let text = scope.spawn(|| tail(monitor, node, &[], move |lines| live.show(lines)));
            let json = scope.spawn(|| tail(monitor, node, &["--format", "json"], samples));
            let run = counter(monitor, node);
            (joined(text), joined(json), run)
        });
        Ok(Self {
            text: text?,
            json: json?,
            run: run?,
        })
    }

    /// Ends them; gives all samples.
    pub(super) fn stop(mut self) -> anyhow::Result<Vec<Sample>> {
        self.text
            .process
            .stop(PATIENCE)
            .context("ending overlay-monitor tail")?;
        let status = self
            .json
            .process
            .stop(PATIENCE)
            .context("ending overlay-monitor tail")?;
        if !status.success() {
            bail!("overlay-monitor tail ended with {status}");
        }
        self.run
            .stop(PATIENCE)
            .context("ending overlay-monitor run")?;
        let broken = |_| anyhow!("a thread that reads the monitor's lines broke");
        self.text.reader.join().map_err(broken)?;
        self.json.reader.join().map_err(broken)?
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Starts a `tail`, waits until it is attached, and reads its standard output on a thread.
fn tail<T: Send + 'static>(
    monitor: &Path,
    node: &Host,
    arguments: &[&str],
    read: impl FnOnce(Box<dyn Iterator<Item = String>>) -> T + Send + 'static,
) -> anyhow::Result<Tail<T>> {
    let mut command = node.command(&monitor.to_string_lossy())?;
    command
        .args(["tail", "-i", "eth0", "--host-flows", "all"])
        .args(arguments);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = node.spawn(command)?;
    let output = process
        .child
        .stdout
        .take()
        .context("the monitor has no output")?;
    let reader = thread::spawn(move || read(Box::new(lines(output))));
    let errors = process
        .child
        .stderr
        .take()
        .context("the monitor has no error output")?;
    wait_until_watching(lines(errors))?;
    Ok(Tail { process, reader })
}

/// Waits for the line that says that the agent is attached; goes on reading, so that the agent never blocks.
fn wait_until_watching(lines: impl Iterator<Item = String> + Send + 'static) -> anyhow::Result<()> {
    let (sender, receiver) = mpsc::sync_channel(64);
    thread::spawn(move || {
        for line in lines {
            // Once nobody listens the rest is read and dropped.
            let _ = sender.send(line);
        }
    });
    let end = Instant::now() + PATIENCE;
    let mut said = Vec::new();
    loop {
        match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) if line.starts_with("watching") => return Ok(()),
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Timeout) => {
                bail!(
                    "overlay-monitor tail did not say `watching` within {PATIENCE:?}; it said: {}",
                    said.join("; ")
                )
            }
            Err(RecvTimeoutError::Disconnected) => {
                bail!("overlay-monitor tail ended early: {}", said.join("; "))
            }
        }
    }
}

/// Starts `run` and waits until it serves.
fn counter(monitor: &Path, node: &Host) -> anyhow::Result<Process> {
    let mut command = node.command(&monitor.to_string_lossy())?;
    command.args([
        "run",
        "-i",
        "eth0",
        "--host-flows",
        "all",
        "--listen",
        &metrics::ADDRESS.to_string(),
    ]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = node.spawn(command)?;
    let errors = process
        .child
        .stderr
        .take()
        .context("the monitor has no error output")?;
    let (sender, said) = mpsc::sync_channel(16);
    thread::spawn(move || lines(errors).for_each(|line| drop(sender.try_send(line))));
    let end = Instant::now() + PATIENCE;
    loop {
        let Err(error) = metrics::get(node, "/healthz") else {
            return Ok(process);
        };
        let words = || said.try_iter().collect::<Vec<_>>().join("; ");
        if let Some(status) = process.child.try_wait()? {
            thread::sleep(Duration::from_millis(50));
            bail!("overlay-monitor run ended early ({status}): {}", words());
        }
        if Instant::now() > end {
            return Err(error.context(format!(
                "overlay-monitor run does not answer; it said: {}",
                words()
            )));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Lines of a pipe, cut at [`LINE`] bytes, until it is closed.
fn lines(pipe: impl Read + Send + 'static) -> impl Iterator<Item = String> + Send {
    let mut pipe = BufReader::new(pipe);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match pipe.by_ref().take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(
                String::from_utf8_lossy(&line)
                    .trim_end_matches('\n')
                    .to_owned(),
            ),
        }
    })
}

/// Reads all samples, with the first line that is none as the error.
fn samples(lines: impl Iterator<Item = String>) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut wrong = None;
    for line in lines {
        match serde_json::from_str::<Sample>(&line) {
            Ok(sample) => samples.push(sample),
            Err(error) => {
                wrong.get_or_insert_with(|| {
                    anyhow!("overlay-monitor tail wrote no sample: {line:?}: {error}")
                });
            }
        }
    }
    wrong.map_or(Ok(samples), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESP: &str = r#"{"type":"sample","schema":1,"time":"2026-01-01T00:00:00.000001Z","interface":"eth0",
        "direction":"tx","outer_src":"192.168.77.1","outer_dst":"192.168.77.2","encapsulation":"esp","vni":null,
        "spi":"0x1","sequence":1,"transport":"esp","src":null,"src_port":0,"dst":null,"dst_port":0,
        "protocol":"unknown","exposure":"encrypted","confidence":"certain","evidence":null,"credentials":[],
        "length":134,"captured":134}"#;

    #[test]
    fn reads_samples_and_reports_the_first_wrong_line() {
        let line = ESP.replace('\n', "");
        let read = samples(vec![line.clone(), line.clone()].into_iter()).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].encapsulation.as_str(), read[0].vni), ("esp", None));
        let error = samples(vec![line, "no".to_owned(), "nor".to_owned()].into_iter()).unwrap_err();
        assert!(error.to_string().contains("\"no\""), "{error}");
    }

    #[test]
    fn long_lines_are_cut() {
        let long = vec![b'a'; usize::try_from(LINE).unwrap() + 1];
        let cut: Vec<usize> = lines(std::io::Cursor::new(long))
            .map(|line| line.len())
            .collect();
        assert_eq!(cut, [usize::try_from(LINE).unwrap(), 1]);
    }

    #[test]
    fn an_agent_that_never_watches_is_quoted() {
        let said = ["warning: a", "error: b"].map(str::to_owned);
        let error = wait_until_watching(said.into_iter())
            .unwrap_err()
            .to_string();
        assert!(error.contains("warning: a; error: b"), "{error}");
        wait_until_watching(["hint".to_owned(), "watching eth0".to_owned()].into_iter()).unwrap();
    }
}
