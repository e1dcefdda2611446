//! The three processes of overlay-monitor that watch a step: `tail` for the lines that the demo prints, `tail --format
//! json` for the samples that it checks, and `run` for the counters.

use std::path::Path;
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow, bail};
use monitor_lab::{Host, Process};

use super::seen::{Printed, Sample};
use crate::cli::child_output::{self, Errors};
use crate::cli::monitor_program::{PATIENCE, start_run};

/// Lines of `tail` that each step prints; the rest is counted.
const PRINTED: usize = 14;

/// The processes, attached to node1's `eth0`.
pub(super) struct Monitors {
    text: Tail<Printed>,
    json: Tail<anyhow::Result<Vec<Sample>>>,
    run: Process,
}

/// A `tail` and the thread that reads its standard output.
struct Tail<T> {
    process: Process,
    reader: JoinHandle<T>,
}

impl Monitors {
    /// Starts the processes and waits until all are attached.
    pub(super) fn start(monitor: &Path, node: &Host) -> anyhow::Result<Self> {
        // In parallel, because the kernel takes a while to verify the programs of each.
        let (text, json, run) = thread::scope(|scope| {
            let text = scope.spawn(|| start_tail(monitor, node, &[], first_lines));
            let json = scope.spawn(|| start_tail(monitor, node, &["--format", "json"], samples));
            let run = start_run(monitor, node, "eth0", &["--host-flows", "all"]);
            (joined(text), joined(json), run)
        });
        Ok(Self {
            text: text?,
            json: json?,
            run: run?,
        })
    }

    /// Stops the processes; returns what the two `tail`s printed.
    pub(super) fn stop(mut self) -> anyhow::Result<(Printed, Vec<Sample>)> {
        self.text
            .process
            .stop(PATIENCE)
            .context("stopping overlay-monitor tail")?;
        let status = self
            .json
            .process
            .stop(PATIENCE)
            .context("stopping overlay-monitor tail")?;
        if !status.success() {
            bail!("overlay-monitor tail exited with {status}");
        }
        self.run
            .stop(PATIENCE)
            .context("stopping overlay-monitor run")?;
        let panicked = |_| anyhow!("a thread that reads the output of overlay-monitor panicked");
        let printed = self.text.reader.join().map_err(panicked)?;
        Ok((printed, self.json.reader.join().map_err(panicked)??))
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Starts a `tail`, waits until it is attached, and reads its standard output on a thread.
fn start_tail<T: Send + 'static>(
    monitor: &Path,
    node: &Host,
    arguments: &[&str],
    read: impl FnOnce(Box<dyn Iterator<Item = String>>) -> T + Send + 'static,
) -> anyhow::Result<Tail<T>> {
    let mut command = node.command(&monitor.to_string_lossy())?;
    command
        .args(["tail", "-i", "eth0", "--host-flows", "all"])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut process = node.spawn(command)?;
    let output = process.child.stdout.take();
    let output = output.context("standard output of overlay-monitor is not a pipe")?;
    let reader = thread::spawn(move || read(Box::new(child_output::lines(output))));
    let is_attached = |line: &str| line.starts_with("watching");
    Errors::of(&mut process)?.wait_for("overlay-monitor tail", PATIENCE, is_attached)?;
    Ok(Tail { process, reader })
}

/// Reads all lines; keeps the first ones and counts the rest.
fn first_lines(lines: impl Iterator<Item = String>) -> Printed {
    let mut printed = Printed::default();
    for line in lines {
        if printed.first.len() < PRINTED {
            printed.first.push(line);
        } else {
            printed.more += 1;
        }
    }
    printed
}

/// Reads all samples. The error names the first line that is not a sample.
fn samples(lines: impl Iterator<Item = String>) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    let mut wrong = None;
    // Reads to the end even after an error, so that the process does not block on a full pipe.
    for line in lines {
        match serde_json::from_str::<Sample>(&line) {
            Ok(sample) => samples.push(sample),
            Err(error) => {
                wrong.get_or_insert_with(|| {
                    anyhow!("overlay-monitor tail printed a line that is not a sample: {line:?}: {error}")
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
    fn samples_are_read_and_the_first_wrong_line_is_named() {
        let line = ESP.replace('\n', "");
        let read = samples(vec![line.clone(), line.clone()].into_iter()).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].encapsulation.as_str(), read[0].vni), ("esp", None));
        let error = samples(vec![line, "no".to_owned(), "nor".to_owned()].into_iter()).unwrap_err();
        assert!(error.to_string().contains("\"no\""), "{error}");
    }

    #[test]
    fn lines_after_the_first_ones_are_counted() {
        let printed = first_lines((1..=PRINTED + 3).map(|number| number.to_string()));
        assert_eq!((printed.first.len(), printed.more), (PRINTED, 3));
        assert_eq!(printed.first.last(), Some(&PRINTED.to_string()));
    }
}
