//! The kernel's monotonic clock, and from it to wall time.

use jiff::{SignedDuration, Timestamp};

/// `CLOCK_MONOTONIC` in nanoseconds, which is `bpf_ktime_get_ns`.
#[must_use]
pub(crate) fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: writes to the struct; a clock that exists everywhere.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000) + nanos
}

/// From the kernel's monotonic clock to wall time, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Timestamp,
    monotonic_ns: u64,
}

impl Clock {
    pub(crate) fn now() -> Clock {
        Clock {
            wall: Timestamp::now(),
            monotonic_ns: monotonic_ns(),
        }
    }

    pub(crate) fn at(self, monotonic_ns: u64) -> Timestamp {
        let ago = self.monotonic_ns.saturating_sub(monotonic_ns);
        let ago = SignedDuration::from_nanos(i64::try_from(ago).unwrap_or(i64::MAX));
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }
}
