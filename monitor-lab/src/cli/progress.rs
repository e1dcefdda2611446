//! Progress of a long measurement: lines on standard error.

use std::time::{Duration, Instant};

/// Least time between two lines.
const PERIOD: Duration = Duration::from_secs(5);

/// Counts rounds, and prints how many are done and how long the rest will take.
pub(super) struct Progress {
    what: String,
    rounds: u32,
    done: u32,
    start: Instant,
    printed: Instant,
}

impl Progress {
    /// Starts the count and prints the first line.
    pub(super) fn new(what: &str, rounds: u32) -> Progress {
        eprintln!("{what}: {rounds} rounds");
        let now = Instant::now();
        Progress {
            what: what.to_owned(),
            rounds,
            done: 0,
            start: now,
            printed: now,
        }
    }

    /// Counts a finished round.
    pub(super) fn step(&mut self) {
        self.done += 1;
        let over = self.done >= self.rounds;
        if self.printed.elapsed() < PERIOD && !over {
            return;
        }
        self.printed = Instant::now();
        let took = self.start.elapsed();
        if over {
            eprintln!("{}: done in {:.0} s", self.what, took.as_secs_f64());
            return;
        }
        let left = took / self.done * (self.rounds - self.done);
        eprintln!(
            "{}: round {} of {}, about {:.0} s left",
            self.what,
            self.done,
            self.rounds,
            left.as_secs_f64()
        );
    }
}
