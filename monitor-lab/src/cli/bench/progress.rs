//! Lines on standard error that say how far it is.

use std::time::{Duration, Instant};

/// How often a line is printed, at most.
const PERIOD: Duration = Duration::from_secs(5);

/// Counts rounds.
pub(super) struct Progress {
    what: String,
    rounds: u32,
    done: u32,
    start: Instant,
    said: Instant,
}

impl Progress {
    /// Says that it begins.
    pub(super) fn new(what: &str, rounds: u32) -> Progress {
        eprintln!("bench: {what}: {rounds} rounds");
        let now = Instant::now();
        Progress {
            what: what.to_owned(),
            rounds,
            done: 0,
            start: now,
            said: now,
        }
    }

    /// A round is done.
    pub(super) fn step(&mut self) {
        self.done += 1;
        let over = self.done >= self.rounds;
        if self.said.elapsed() < PERIOD && !over {
            return;
        }
        self.said = Instant::now();
        let took = self.start.elapsed();
        if over {
            eprintln!("bench: {}: done in {:.0} s", self.what, took.as_secs_f64());
            return;
        }
        let left = took / self.done * (self.rounds - self.done);
        eprintln!(
            "bench: {}: round {} of {}, about {:.0} s left",
            self.what,
            self.done,
            self.rounds,
            left.as_secs_f64()
        );
    }
}
