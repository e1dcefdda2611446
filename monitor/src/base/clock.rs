//! The kernel's monotonic clock, and its conversion to wall time.

use jiff::{SignedDuration, Timestamp};

/// `CLOCK_MONOTONIC` in nanoseconds: the clock that `bpf_ktime_get_ns` reads.
#[must_use]
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes to the struct, which outlives it; every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + nanos
}

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

    /// The wall time of a moment of the monotonic clock, in nanoseconds. A moment after [`Clock::now`] counts as that
    /// one.
    pub(crate) fn at(self, monotonic_ns: u64) -> Timestamp {
        let ago = self.monotonic_ns.saturating_sub(monotonic_ns);
        let ago = SignedDuration::from_nanos(i64::try_from(ago).unwrap_or(i64::MAX));
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }
}
