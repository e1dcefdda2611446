//! What the agent's process uses, over the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use overlay_tests::process::resident;

/// Sets a flag when it is dropped, also by a failure.
pub(super) struct AtTheEnd<'a>(pub(super) &'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a process uses now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// Memory in RAM, KiB.
    resident: u64,
    /// Open files.
    files: u64,
}

impl Usage {
    pub(super) fn of(process: u32) -> Usage {
        let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
        Usage {
            resident: resident(process),
            files: files.count() as u64,
        }
    }
}

/// The same over a time.
pub(super) struct Usages {
    process: u32,
    /// Whether it is long enough that all tables have reached their size.
    is_long: bool,
    all: Vec<Usage>,
    cpu: Duration,
    shown: Instant,
}

/// CPU time of a process so far.
fn cpu(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name, in parentheses, may have spaces. Fields 14 and 15 are user and system time, in hundredths (proc(5)).
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields = rest.split(' ').skip(11).take(2);
    let ticks: u64 = fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

impl Usages {
    pub(super) fn new(process: u32, time: Duration) -> Usages {
        Usages {
            process,
            is_long: time >= Duration::from_secs(1200),
            all: Vec::new(),
            cpu: cpu(process),
            shown: Instant::now(),
        }
    }

    pub(super) fn note(&mut self, usage: Usage) {
        self.all.push(usage);
        if self.shown.elapsed() > Duration::from_secs(60) {
            self.shown = Instant::now();
            println!("{} s: {usage:?}", self.all.len());
        }
    }

    /// Percent of a core since this was made.
    pub(super) fn cpu(&mut self, time: Duration) -> f64 {
        (cpu(self.process) - self.cpu).as_secs_f64() / time.as_secs_f64() * 100.0
    }

    /// Insists that the last third of the time used no more than the third before: no more open files but those of a
    /// connection or two, and memory within 5 %. In a short time tables still grow to their size.
    pub(super) fn assert_flat(&self) {
        let third = self.all.len() / 3;
        let (before, last) = self.all[third..].split_at(third);
        let most = |of: &[Usage]| of.iter().map(|usage| usage.files).max().unwrap();
        let mean =
            |of: &[Usage]| of.iter().map(|usage| usage.resident).sum::<u64>() / of.len() as u64;
        println!(
            "open files at most: {} in the second third of the time, {} in the last",
            most(before),
            most(last)
        );
        println!(
            "resident memory, KiB, mean: {} in the second third of the time, {} in the last",
            mean(before),
            mean(last)
        );
        assert!(most(last) <= most(before) + 2);
        let more = if self.is_long { 20 } else { 2 };
        assert!(mean(last) <= mean(before) + mean(before) / more);
    }
}
