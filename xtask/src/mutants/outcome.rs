//! What came of the changes, read from cargo-mutants' own record.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::table::{Align, table};

/// One in this many may survive.
const SURVIVE: usize = 20;

#[derive(Deserialize)]
struct Record {
    outcomes: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    scenario: Scenario,
    summary: Summary,
}

#[derive(Deserialize)]
enum Scenario {
    Baseline,
    Mutant { name: String },
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum Summary {
    Success,
    CaughtMutant,
    MissedMutant,
    Unviable,
    Failure,
    Timeout,
}

/// The outcome of a sample.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Changes after which a test failed, or did not end.
    killed: usize,
    /// Changes that do not compile.
    unviable: usize,
    /// Changes that no test noticed.
    survived: Vec<String>,
}

impl Outcome {
    /// Reads `outcomes.json`.
    ///
    /// # Errors
    /// If it has another form, or the tests fail without any change.
    pub(super) fn parse(json: &str) -> Result<Outcome> {
        let record: Record =
            serde_json::from_str(json).context("cannot read the outcomes of cargo-mutants")?;
        let mut outcome = Outcome::default();
        for run in record.outcomes {
            let Scenario::Mutant { name } = run.scenario else {
                ensure!(
                    run.summary == Summary::Success,
                    "the tests fail without any change"
                );
                continue;
            };
            match run.summary {
                Summary::CaughtMutant | Summary::Timeout => outcome.killed += 1,
                Summary::Unviable => outcome.unviable += 1,
                Summary::MissedMutant | Summary::Success | Summary::Failure => {
                    outcome.survived.push(name);
                }
            }
        }
        ensure!(outcome.viable() > 0, "no change of the sample compiles");
        Ok(outcome)
    }

    /// Changes that no test noticed.
    pub(super) fn survived(&self) -> &[String] {
        &self.survived
    }

    /// Updated by a second run, of more tests on the changes that survived. Changes that only the second run has are ignored:
    /// cargo-mutants adds some to each sample ([`super::sample`]).
    pub(super) fn after(mut self, second: Outcome) -> Outcome {
        let before = self.survived.len();
        self.survived.retain(|name| second.survived.contains(name));
        self.killed += before - self.survived.len();
        self
    }

    fn viable(&self) -> usize {
        self.killed + self.survived.len()
    }

    /// Whether few enough survived.
    pub(super) fn is_good(&self) -> bool {
        self.survived.len() * SURVIVE < self.viable()
    }
}

/// A row for each area, and the changes that no test noticed.
pub(super) fn table_of(rows: &[(&str, Outcome, Duration)], seed: u64) -> String {
    let columns = [
        ("area", Align::Left),
        ("viable", Align::Right),
        ("killed", Align::Right),
        ("survived", Align::Right),
        ("do not compile", Align::Right),
        ("time", Align::Right),
    ];
    let cells = rows.iter().map(|(name, outcome, time)| {
        vec![
            (*name).to_owned(),
            outcome.viable().to_string(),
            outcome.killed.to_string(),
            outcome.survived.len().to_string(),
            outcome.unviable.to_string(),
            minutes(*time),
        ]
    });
    let mut text = format!("changes of a random sample, seed {seed}:\n");
    text += &table(&columns, cells);
    for (_, outcome, _) in rows {
        for name in &outcome.survived {
            text += &format!("survived: {name}\n");
        }
    }
    text
}

/// A time in minutes and seconds.
fn minutes(time: Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(baseline: &str, outcomes: &[(&str, &str)]) -> String {
        let runs = outcomes.iter().map(|(name, summary)| {
            format!(
                r#",{{"scenario":{{"Mutant":{{"name":"{name}","line":1}}}},"summary":"{summary}"}}"#
            )
        });
        let runs: String = runs.collect();
        format!(r#"{{"outcomes":[{{"scenario":"Baseline","summary":"{baseline}"}}{runs}]}}"#)
    }

    #[test]
    fn what_no_test_noticed_is_named() {
        let json = record(
            "Success",
            &[
                ("a", "CaughtMutant"),
                ("b", "Timeout"),
                ("c", "MissedMutant"),
                ("d", "Unviable"),
            ],
        );
        let outcome = Outcome::parse(&json).unwrap();
        assert_eq!(outcome.viable(), 3);
        assert!(!outcome.is_good());
        let text = table_of(&[("common", outcome, Duration::from_secs(61))], 7);
        assert_eq!(
            text,
            "changes of a random sample, seed 7:\n\
             area    viable  killed  survived  do not compile  time\n\
             common       3       2         1               1  1:01\n\
             survived: c\n"
        );
    }

    #[test]
    fn more_tests_notice_more() {
        let first = record("Success", &[("a", "MissedMutant"), ("b", "MissedMutant")]);
        let second = record("Success", &[("b", "CaughtMutant"), ("a", "MissedMutant")]);
        let first = Outcome::parse(&first).unwrap();
        let both = first.after(Outcome::parse(&second).unwrap());
        assert_eq!((both.killed, both.survived()), (1, &["a".to_owned()][..]));
    }

    #[test]
    fn tests_that_fail_anyway_say_nothing_of_changes() {
        let json = record("Failure", &[("a", "CaughtMutant")]);
        assert!(Outcome::parse(&json).is_err());
        assert!(Outcome::parse(&record("Success", &[("a", "Unviable")])).is_err());
    }
}
