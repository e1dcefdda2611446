//! The beat of what the agent does many times a second: one timer of the kernel, which wakes the process once for all of it.
//!
//! The runtime keeps its timers in a wheel, in steps of 1 and of 64 ms, and wakes the process at each step on the way to a
//! timer: several times for one of 100 ms, and for each of them apart.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::Context;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;
use tokio::sync::watch;

use super::failure::Failure;

/// Time between two beats.
pub const PERIOD: Duration = Duration::from_millis(100);

/// The timer, and those that wait for it.
pub struct Beats {
    timer: OwnedFd,
    beat: watch::Sender<()>,
}

/// Waits for beats.
#[derive(Clone)]
pub struct Beat(watch::Receiver<()>);

impl Beats {
    /// A timer that has not started.
    ///
    /// # Errors
    /// A runtime failure, if the kernel has no timer left.
    pub fn new() -> Result<Beats, Failure> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)
            .context("cannot make a timer")
            .map_err(Failure::runtime)?;
        let (beat, _) = watch::channel(());
        Ok(Beats { timer, beat })
    }

    /// One who waits for the beats from now on.
    #[must_use]
    pub fn follow(&self) -> Beat {
        Beat(self.beat.subscribe())
    }

    /// Beats until it is dropped, at once for the first time.
    ///
    /// # Errors
    /// A runtime failure, if the timer fails.
    pub async fn run(&self) -> Result<Infallible, Failure> {
        let failed = |error: io::Error| {
            Failure::runtime(anyhow::Error::new(error).context("the timer failed"))
        };
        let period = Timespec::try_from(PERIOD).unwrap_or_default();
        let soon = Timespec {
            tv_sec: 0,
            tv_nsec: 1,
        };
        let times = Itimerspec {
            it_interval: period,
            it_value: soon,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &times)
            .map_err(|error| failed(error.into()))?;
        // SAFETY: the descriptor is the same one as long as it is borrowed.
        let timer = unsafe { AsyncFd::register(self.timer.as_fd()) };
        let timer = timer.map_err(|error| failed(error.into()))?;
        loop {
            let mut ready = timer.readable().await.map_err(failed)?;
            // How often it has expired: what was missed is one beat.
            let mut times = [0; 8];
            match rustix::io::read(ready.get_inner(), &mut times) {
                Ok(_) => {
                    ready.clear_ready();
                    self.beat.send_replace(());
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(failed(error.into())),
            }
        }
    }
}

impl Beat {
    /// Waits for the next beat; for ever, if there is none any more. Beats that were missed are one.
    pub async fn next(&mut self) {
        if self.0.changed().await.is_err() {
            pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn all_who_follow_get_each_beat_and_missed_ones_are_one() {
        let beats = Beats::new().unwrap();
        let (mut one, mut other) = (beats.follow(), beats.follow());
        let start = Instant::now();
        let follow = async {
            for _ in 0..4 {
                one.next().await;
            }
            let at = start.elapsed();
            assert!(at >= PERIOD * 3 - Duration::from_millis(1), "{at:?}");
            let missed = tokio::time::timeout(Duration::ZERO, other.next()).await;
            assert!(missed.is_ok(), "it has missed four");
            let early = tokio::time::timeout(Duration::ZERO, other.next()).await;
            assert!(early.is_err(), "the four were one");
            other.next().await;
        };
        tokio::select! {
            never = beats.run() => drop(never.unwrap()),
            () = follow => {}
        }
    }
}
