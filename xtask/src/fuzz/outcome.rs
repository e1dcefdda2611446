//! The outcome of a target, read from libFuzzer's log.

use std::path::Path;

use crate::proc::printable;
use crate::table::{Align, table};

/// What came of a target.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Inputs that were tried.
    pub(super) inputs: u64,
    /// Of them in a second.
    rate: u64,
    /// Places of the code that were reached.
    edges: u64,
    /// Inputs that were kept, since each reached something new.
    corpus: u64,
    /// Most memory, in MB.
    pub(super) memory: u64,
    /// What was found.
    pub(super) failure: Option<String>,
}

impl Outcome {
    /// Nothing but that it failed.
    pub(super) fn failed(what: String) -> Outcome {
        Outcome {
            failure: Some(what),
            ..Outcome::default()
        }
    }

    /// The outcome that a log shows. A run that tried fewer inputs than it should has failed too.
    pub(super) fn read(log: &Path, succeeded: bool, wanted: u64) -> Outcome {
        match std::fs::read(log) {
            Ok(text) => Outcome::parse(&String::from_utf8_lossy(&text), succeeded, wanted),
            Err(error) => Outcome::failed(format!("cannot read {}: {error}", log.display())),
        }
    }

    fn parse(log: &str, succeeded: bool, wanted: u64) -> Outcome {
        let stat = |name: &str| {
            let mut lines = log.lines();
            let line = lines.find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
            line.and_then(|rest| rest.trim_start_matches(':').trim().parse().ok())
                .unwrap_or_default()
        };
        // `#4096	pulse  cov: 1020 ft: 4711 corp: 87/9Kb lim: 163 exec/s: 2048 rss: 60Mb`
        let last = |name: &str| {
            let of = |line: &str| {
                let rest = line.split_once(name)?.1.trim_start();
                let digits = rest.find(|c: char| !c.is_ascii_digit());
                rest[..digits.unwrap_or(rest.len())].parse::<u64>().ok()
            };
            log.lines()
                .rev()
                .filter(|line| line.starts_with('#'))
                .find_map(of)
        };
        let mut outcome = Outcome {
            inputs: stat("number_of_executed_units"),
            rate: stat("average_exec_per_sec"),
            edges: last(" cov:").unwrap_or_default(),
            corpus: last(" corp:").unwrap_or_default(),
            memory: stat("peak_rss_mb"),
            failure: None,
        };
        if !succeeded {
            outcome.failure = Some(reason(log));
        } else if outcome.inputs < wanted {
            outcome.failure = Some(format!(
                "only {} of {wanted} inputs were tried",
                outcome.inputs
            ));
        } else if outcome.edges == 0 {
            outcome.failure = Some("no coverage: the code is not instrumented".to_owned());
        }
        outcome
    }
}

/// The outcomes by the names of their targets, as a table.
pub(super) fn report(outcomes: &[(String, Outcome)]) -> String {
    let right =
        ["inputs", "inputs/s", "edges", "corpus", "memory MB"].map(|name| (name, Align::Right));
    let columns = [&[("target", Align::Left)][..], &right, &[("", Align::Left)]].concat();
    let rows = outcomes.iter().map(|(name, outcome)| {
        let numbers = [
            outcome.inputs,
            outcome.rate,
            outcome.edges,
            outcome.corpus,
            outcome.memory,
        ];
        let found = outcome.failure.as_ref().map_or("", |_| "FOUND");
        let numbers = numbers.map(|number| number.to_string());
        [&[name.clone()][..], &numbers, &[found.to_owned()]].concat()
    });
    table(&columns, rows)
}

/// Where it panicked and what with, or what libFuzzer calls it.
fn reason(log: &str) -> String {
    let mut lines = log.lines();
    let found =
        lines.find(|line| line.contains(" panicked at ") || line.contains("ERROR: libFuzzer"));
    match found {
        Some(line) => {
            let why = lines.next().unwrap_or_default();
            let text = format!("{} {}", line.trim(), why.trim());
            printable(&text).chars().take(600).collect()
        }
        None => printable(log.lines().next_back().unwrap_or("it printed nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "INFO: seed corpus: files: 3\n#3\tINITED cov: 900 ft: 1000 corp: 3/1Kb exec/s: 0 rss: 40Mb\n\
        #4096\tDONE   cov: 1020 ft: 4711 corp: 87/9Kb lim: 163 exec/s: 2048 rss: 60Mb\n\
        stat::number_of_executed_units: 4096\nstat::average_exec_per_sec:     2048\nstat::peak_rss_mb:              61\n";

    #[test]
    fn a_log_is_read() {
        let outcome = Outcome::parse(LOG, true, 4096);
        let expected = Outcome {
            inputs: 4096,
            rate: 2048,
            edges: 1020,
            corpus: 87,
            memory: 61,
            failure: None,
        };
        assert_eq!(outcome, expected);
    }

    #[test]
    fn what_did_not_run_has_failed() {
        assert!(Outcome::parse(LOG, true, 5000).failure.is_some());
        assert!(Outcome::parse("", true, 0).failure.is_some());
        let log = format!("{LOG}thread '<unnamed>' panicked at a.rs:1:2:\n\x1b[1mno\nmore\n");
        let failure = Outcome::parse(&log, false, 4096).failure.unwrap();
        assert_eq!(failure, "thread '<unnamed>' panicked at a.rs:1:2: [1mno");
    }
}
