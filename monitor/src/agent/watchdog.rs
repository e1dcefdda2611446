//! Reports to the service manager that the agent's loops work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::base::service_manager::ServiceManager;

/// Reports in the silence that the manager permits.
const REPORTS: u32 = 3;

/// Reports while both loops get round: the one that drains samples, and the one that evaluates the networks. A timer of
/// its own would go on reporting when they hang.
pub(super) struct Watchdog {
    manager: Arc<ServiceManager>,
    /// Time between reports; `None` if the manager watches nothing.
    period: Option<Duration>,
    evaluates: bool,
    evaluated: AtomicBool,
    reported: Mutex<Instant>,
}

impl Watchdog {
    /// `evaluates` is whether a loop evaluates the networks.
    pub(super) fn new(manager: Arc<ServiceManager>, evaluates: bool) -> Watchdog {
        Watchdog {
            period: manager.watchdog().map(|silence| silence / REPORTS),
            manager,
            evaluates,
            evaluated: AtomicBool::new(false),
            reported: Mutex::new(Instant::now()),
        }
    }

    /// The networks were evaluated.
    pub(super) fn evaluated(&self) {
        self.evaluated.store(true, Ordering::Relaxed);
    }

    /// Samples were drained. Reports if it is time, and the networks were evaluated since the last report.
    pub(super) fn drained(&self) {
        let Some(period) = self.period else { return };
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.elapsed() < period
            || self.evaluates && !self.evaluated.swap(false, Ordering::Relaxed)
        {
            return;
        }
        *reported = Instant::now();
        self.manager.alive();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether it reports as samples are drained.
    fn reports(watchdog: &Watchdog) -> bool {
        let before = *watchdog.reported.lock().unwrap();
        watchdog.drained();
        *watchdog.reported.lock().unwrap() != before
    }

    fn watchdog(period: Duration, evaluates: bool) -> Watchdog {
        Watchdog {
            period: Some(period),
            ..Watchdog::new(Arc::default(), evaluates)
        }
    }

    #[test]
    fn it_reports_when_it_is_due_and_the_networks_were_evaluated_since() {
        let due = watchdog(Duration::ZERO, true);
        assert!(!reports(&due), "nothing is evaluated");
        due.evaluated();
        assert!(reports(&due));
        assert!(!reports(&due), "nothing is evaluated since the report");
        assert!(reports(&watchdog(Duration::ZERO, false)));

        let early = watchdog(Duration::from_secs(3600), true);
        early.evaluated();
        assert!(!reports(&early));
        assert!(early.evaluated.load(Ordering::Relaxed), "it still counts");
    }
}
