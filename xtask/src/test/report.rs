//! What came out, and where the time went.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::libtest::Tally;
use crate::proc::say;
use crate::table::{Align, table};

/// Tests in the list of the slowest.
const SLOWEST: usize = 15;

/// The result of a step.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) outcome: Result<(), String>,
    pub(super) took: Duration,
}

/// All that happened.
#[derive(Default)]
pub(super) struct Report {
    pub(super) steps: Vec<Step>,
    /// Where tests ran, and what came out there, in order.
    pub(super) results: Vec<(String, Tally)>,
}

impl Report {
    /// Does a step; its result, if it succeeded.
    pub(super) fn step<T>(
        &mut self,
        name: &str,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Option<T> {
        println!("\n== {name}");
        let start = Instant::now();
        let result = work(self).map_err(|error| format!("{error:#}"));
        if let Err(error) = &result {
            say(error);
        }
        let (outcome, value) = match result {
            Ok(value) => (Ok(()), Some(value)),
            Err(error) => (Err(error), None),
        };
        self.steps.push(Step {
            name: name.to_owned(),
            outcome,
            took: start.elapsed(),
        });
        value
    }

    /// Prints the summary; the totals stand alone on the last line. False if anything failed.
    pub(super) fn finish(self, took: Duration) -> bool {
        println!("\n== summary");
        print!("{}", steps(&self.steps));
        for step in &self.steps {
            if let Err(error) = &step.outcome {
                // The whole error was shown when it came.
                let first = error.lines().next().unwrap_or_default();
                println!("{}: {first}", step.name);
            }
        }
        println!(
            "\n{:.0} s in all; steps of the virtual machine run beside the others",
            took.as_secs_f64()
        );
        print!("\n{}", places(&self.results));
        print!("\n{}", slowest(&self.results));
        let mut total = Tally::default();
        for (place, tally) in &self.results {
            total.add(tally, Some(place));
        }
        if !total.failures.is_empty() {
            println!("\nfailed tests:");
            for name in &total.failures {
                println!("    {name}");
            }
        }
        if total.ignored > 0 {
            println!(
                "\n{} tests are marked as ignored and did not run",
                total.ignored
            );
        }
        if total.passed + total.failed == 0 {
            println!("\nno test was executed");
        }
        println!("\n{} passed, {} failed", total.passed, total.failed);
        std::io::stdout().flush().ok();
        total.failed == 0 && total.passed > 0 && self.steps.iter().all(|step| step.outcome.is_ok())
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

fn steps(steps: &[Step]) -> String {
    let rows = steps.iter().map(|step| {
        let word = if step.outcome.is_ok() { "ok" } else { "FAILED" };
        vec![word.to_owned(), seconds(step.took), step.name.clone()]
    });
    table(
        &[
            ("", Align::Left),
            ("seconds", Align::Right),
            ("step", Align::Left),
        ],
        rows,
    )
}

/// What passed and failed where, a line for each kernel.
fn places(results: &[(String, Tally)]) -> String {
    let rows = results.iter().map(|(place, tally)| {
        let counts = [tally.passed, tally.failed, tally.ignored].map(|count| count.to_string());
        [vec![place.clone()], counts.to_vec()].concat()
    });
    table(
        &[
            ("kernel", Align::Left),
            ("passed", Align::Right),
            ("failed", Align::Right),
            ("ignored", Align::Right),
        ],
        rows,
    )
}

/// The slowest tests of all places.
fn slowest(results: &[(String, Tally)]) -> String {
    let mut tests: Vec<(Duration, &str, &str)> = results
        .iter()
        .flat_map(|(place, tally)| {
            let times = tally.times.iter();
            times.map(move |(took, name)| (*took, name.as_str(), place.as_str()))
        })
        .collect();
    tests.sort_by(|a, b| b.cmp(a));
    tests.truncate(SLOWEST);
    let rows = tests
        .into_iter()
        .map(|(took, name, place)| vec![seconds(took), name.to_owned(), place.to_owned()]);
    table(
        &[
            ("seconds", Align::Right),
            ("slowest tests", Align::Left),
            ("kernel", Align::Left),
        ],
        rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64, times: &[(u64, &str)]) -> Tally {
        let times = times
            .iter()
            .map(|(took, name)| (Duration::from_secs(*took), (*name).to_owned()));
        let mut tally = Tally::default();
        (tally.passed, tally.failed) = (passed, failed);
        tally.times = times.collect();
        tally
    }

    #[test]
    fn tables_have_a_line_for_each_kernel_and_each_slow_test() {
        let results = vec![
            (
                "this machine".to_owned(),
                tally(120, 0, &[(1, "quick"), (30, "slow")]),
            ),
            ("Linux 5.10".to_owned(), tally(7, 2, &[(9, "esp")])),
        ];
        assert_eq!(
            places(&results),
            "kernel        passed  failed  ignored\n\
             this machine     120       0        0\n\
             Linux 5.10         7       2        0\n"
        );
        assert_eq!(
            slowest(&results),
            "seconds  slowest tests  kernel\n\
             \x20  30.0  slow           this machine\n\
             \x20   9.0  esp            Linux 5.10\n\
             \x20   1.0  quick          this machine\n"
        );
    }

    #[test]
    fn a_step_that_fails_makes_the_run_fail() {
        let report = |work: fn() -> Result<()>| {
            let mut report = Report::default();
            report.step("a step", |_| work());
            report.results.push(("here".to_owned(), tally(1, 0, &[])));
            report.finish(Duration::ZERO)
        };
        assert!(report(|| Ok(())));
        assert!(!report(|| anyhow::bail!("broken")));
        assert!(!Report::default().finish(Duration::ZERO));
    }
}
