//! The kernel's monotonic clock, and its conversion to wall time.
//!
//! Durations come from the monotonic clock. Wall time is for display: an administrator, or NTP, may set it at any moment.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// `CLOCK_MONOTONIC` in nanoseconds: the clock that `bpf_ktime_get_ns` reads.
#[must_use]
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC)
}

/// CPU time of this thread in nanoseconds: what it has done, however busy the machine is.
#[cfg(test)]
pub(crate) fn thread_ns() -> u64 {
    nanoseconds(libc::CLOCK_THREAD_CPUTIME_ID)
}

fn nanoseconds(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to the struct, which outlives it; every Linux has these clocks.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + nanos
}

/// A moment: compared and subtracted by the monotonic clock, shown in the wall time that it had when it was noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    monotonic_ns: u64,
    wall: Timestamp,
}

impl Moment {
    /// Its wall time, for display only.
    #[must_use]
    pub fn wall(self) -> Timestamp {
        self.wall
    }

    /// In nanoseconds of the monotonic clock, for another process of this boot.
    #[must_use]
    pub(crate) fn monotonic_ns(self) -> u64 {
        self.monotonic_ns
    }

    /// Time from another moment to this one; zero if the other one is later.
    #[must_use]
    pub fn since(self, other: Moment) -> Duration {
        Duration::from_nanos(self.monotonic_ns.saturating_sub(other.monotonic_ns))
    }

    /// So many seconds after the start of both clocks.
    #[cfg(test)]
    pub(crate) fn second(second: i64) -> Moment {
        Moment {
            monotonic_ns: u64::try_from(second).unwrap_or_default() * 1_000_000_000,
            wall: Timestamp::from_second(second).unwrap_or_default(),
        }
    }

    /// The same moment, shown in a wall time that was set by so many seconds.
    #[cfg(test)]
    pub(crate) fn stepped(self, seconds: i64) -> Moment {
        Moment {
            wall: self.wall + SignedDuration::from_secs(seconds),
            ..self
        }
    }
}

/// The wall clock was set if it differs by more than this from what the monotonic clock predicts.
const STEP: SignedDuration = SignedDuration::from_millis(500);

/// Both clocks at one moment, to convert times of the kernel's clock to wall time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
    monotonic_ns: u64,
}

impl Clock {
    /// Reads both clocks.
    pub(crate) fn now() -> Clock {
        Clock {
            wall: Timestamp::now(),
            monotonic_ns: monotonic_ns(),
        }
    }

    /// Reads both clocks again if the wall clock was set since the last reading. Times that were converted before and
    /// after differ by less than half a second otherwise.
    pub(crate) fn follow(&mut self) {
        let now = Clock::now();
        if now.wall.duration_since(self.at(now.monotonic_ns)).abs() > STEP {
            *self = now;
        }
    }

    /// The wall time of a moment of the monotonic clock, in nanoseconds, before or after the reading.
    pub(crate) fn at(self, monotonic_ns: u64) -> Timestamp {
        let offset = i128::from(monotonic_ns) - i128::from(self.monotonic_ns);
        let offset =
            SignedDuration::from_nanos(offset.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
        self.wall.checked_add(offset).unwrap_or(self.wall)
    }

    /// A moment of the monotonic clock, in nanoseconds.
    pub(crate) fn moment(self, monotonic_ns: u64) -> Moment {
        Moment {
            monotonic_ns,
            wall: self.at(monotonic_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn moments_before_and_after_the_reading_have_their_own_wall_time() {
        let clock = Clock {
            wall: Timestamp::from_second(1_000).unwrap_or_default(),
            monotonic_ns: 50 * SECOND,
        };
        for (monotonic, wall) in [(0, 950), (50, 1_000), (52, 1_002), (3_650, 4_600)] {
            assert_eq!(clock.at(monotonic * SECOND).as_second(), wall);
        }
        assert_eq!(clock.at(u64::MAX).as_second(), 1_000 + 9_223_372_036);
    }

    #[test]
    fn only_a_wall_clock_that_was_set_is_read_again() {
        let started = Clock::now();
        let mut clock = started;
        std::thread::sleep(Duration::from_millis(600));
        clock.follow();
        assert_eq!(
            (clock.wall, clock.monotonic_ns),
            (started.wall, started.monotonic_ns)
        );
        for hours in [-1, 1] {
            let mut clock = Clock {
                wall: started.wall + SignedDuration::from_hours(hours),
                ..started
            };
            clock.follow();
            let now = clock.at(monotonic_ns());
            assert!(Timestamp::now().duration_since(now).abs() < STEP);
        }
    }

    #[test]
    fn a_duration_does_not_know_the_wall_clock() {
        let (first, last) = (Moment::second(100), Moment::second(130).stepped(-3_600));
        assert_eq!(last.since(first), Duration::from_secs(30));
        assert_eq!(first.since(last), Duration::ZERO);
        assert_eq!(first.max(last), last);
        assert!(last.wall() < first.wall());
    }
}
