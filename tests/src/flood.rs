//! Many prebuilt frames on a wire, as fast as it takes them or at a rate; bounded by time or number.

use std::time::{Duration, Instant};

use monitor_lab::Host;

use crate::wire::Raw;

/// Frames handed to the kernel in one system call.
const BATCH: usize = 64;

/// How far a sender at a rate may be behind and catch up.
const LATE: Duration = Duration::from_millis(20);

/// What was sent of each frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Frames that the device took.
    pub accepted: u64,
    /// Frames that it had no room for.
    pub refused: u64,
}

/// Sends the frames in turn, again and again, from a device of a host until the time is over.
#[must_use]
pub fn for_a_time(host: &Host, device: &str, frames: &[Vec<u8>], time: Duration) -> Sent {
    let wire = Raw::open(host, device);
    let end = Instant::now() + time;
    let mut sent = Sent::default();
    'time: loop {
        for batch in frames.chunks(BATCH) {
            if Instant::now() >= end {
                break 'time;
            }
            let accepted = wire.send_all(batch);
            sent.accepted += accepted as u64;
            sent.refused += (batch.len() - accepted) as u64;
        }
    }
    sent
}

/// Sends so many frames, each made when its turn comes, evenly spread over the time, or over more where the machine is too
/// busy: what is late is not sent in a burst. None is lost on the way: a frame that the device has no room for is sent again.
pub fn at_a_rate(
    host: &Host,
    device: &str,
    count: usize,
    time: Duration,
    mut frame: impl FnMut(usize) -> Vec<u8>,
) {
    let wire = Raw::open(host, device);
    let each = time.as_secs_f64() / count as f64;
    let mut start = Instant::now();
    let mut done = 0;
    while done < count {
        let turn = Duration::from_secs_f64(each * (done + 1) as f64);
        let late = start.elapsed().saturating_sub(turn);
        start += late.saturating_sub(LATE);
        let elapsed = start.elapsed().as_secs_f64() / time.as_secs_f64();
        let due = ((count as f64 * elapsed) as usize).min(count);
        if due == done {
            std::thread::sleep(Duration::from_micros(500));
            continue;
        }
        let batch: Vec<Vec<u8>> = (done..due.min(done + BATCH)).map(&mut frame).collect();
        done += batch.len();
        let mut left = &batch[..];
        while !left.is_empty() {
            left = &left[wire.send_until_full(left)..];
            if !left.is_empty() {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
    }
}
