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
struct Usage {
    /// Memory in RAM, KiB.
    resident: u64,
    /// Open files.
    files: u64,
}

impl Usage {
    fn of(process: u32) -> Usage {
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
    shown: Instant,
}

/// CPU time of a process, counted from a moment on.
pub(super) struct Cpu {
    process: u32,
    before: Duration,
    since: Instant,
}

impl Cpu {
    /// Counts from now on.
    pub(super) fn of(process: u32) -> Cpu {
        Cpu {
            process,
            before: Cpu::total(process),
            since: Instant::now(),
        }
    }

    /// Percent of a core.
    pub(super) fn percent(&self) -> f64 {
        let used = Cpu::total(self.process) - self.before;
        used.as_secs_f64() / self.since.elapsed().as_secs_f64() * 100.0
    }

    fn total(process: u32) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        // The name, in parentheses, may have spaces. Fields 14 and 15 are user and system time, in hundredths (proc(5)).
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let fields = rest.split(' ').skip(11).take(2);
        let ticks: u64 = fields.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Usages {
    pub(super) fn new(process: u32, time: Duration) -> Usages {
        Usages {
            process,
            is_long: time >= Duration::from_secs(1200),
            all: Vec::new(),
            shown: Instant::now(),
        }
    }

    /// Notes what it uses now.
    pub(super) fn note(&mut self) {
        let usage = Usage::of(self.process);
        self.all.push(usage);
        if self.shown.elapsed() > Duration::from_secs(60) {
            self.shown = Instant::now();
            println!("after {} rounds: {usage:?}", self.all.len());
        }
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
