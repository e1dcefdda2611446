//! CPU time of a process.

use std::time::Duration;

/// CPU time of a process so far, in user space and in the kernel, with that of threads that have ended; 0 if there is no such
/// process. `/proc/PID/stat` has the same in units of 10 ms, which is too coarse for an agent that hardly runs.
pub(super) fn of_process(process: u32) -> Duration {
    let mut clock = 0;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both calls only write to what they are given.
    let read = unsafe {
        libc::clock_getcpuclockid(process.cast_signed(), &raw mut clock) == 0
            && libc::clock_gettime(clock, &raw mut time) == 0
    };
    if !read {
        return Duration::ZERO;
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn work_of_a_thread_that_has_ended_is_counted() {
        let me = std::process::id();
        let before = of_process(me);
        let busy = || {
            let end = Instant::now() + Duration::from_millis(50);
            while Instant::now() < end {}
        };
        std::thread::spawn(busy).join().unwrap();
        assert!(of_process(me) > before);
        // One more than a process id can be (PID_MAX_LIMIT in include/linux/threads.h).
        let nobody = (4 << 20) + 1;
        assert_eq!(of_process(nobody), Duration::ZERO);
    }
}
