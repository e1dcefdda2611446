//! How much time has passed in a capture.

/// Most time that passes between two packets. A longer step is a capture that was silent or whose clock was set: nothing is
/// known of the time between, so nothing may end by it.
const STEP_NS: i64 = 10_000_000_000;

/// A clock that follows the times of packets, never goes back, and leaps nowhere.
#[derive(Debug, Default)]
pub(super) struct CaptureClock {
    last: Option<i64>,
    elapsed: i64,
}

impl CaptureClock {
    /// The time at a packet that has this time of capture.
    #[inline]
    pub(super) fn at(&mut self, time_ns: i64) -> i64 {
        let last = self.last.replace(time_ns).unwrap_or(time_ns);
        let step = time_ns.saturating_sub(last).clamp(0, STEP_NS);
        self.elapsed = self.elapsed.saturating_add(step);
        self.elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_packets_and_neither_leaps_nor_goes_back() {
        let mut clock = CaptureClock::default();
        assert_eq!(clock.at(1_000), 0);
        assert_eq!(clock.at(1_500), 500);
        assert_eq!(clock.at(i64::MAX), 500 + STEP_NS, "set forward");
        assert_eq!(clock.at(i64::MIN), 500 + STEP_NS, "set back");
        assert_eq!(clock.at(i64::MIN + 7), 507 + STEP_NS);
    }
}
