//! Ends this process when the other machine has gone, while something else is waited for: a client of requests would try on
//! for a minute.

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Between two looks.
const PERIOD: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 200_000_000,
};
/// Who waits for a message reports the end better.
const COURTESY: Duration = Duration::from_secs(2);

/// What both sides say when the other one has gone.
pub(super) const ENDED: &str = "the other machine has ended the connection";

/// Looks until it is dropped.
pub(super) struct Watch(Arc<AtomicBool>);

impl Watch {
    /// Looks at a connection on which the other machine only answers.
    pub(super) fn start(socket: TcpStream) -> anyhow::Result<Watch> {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        thread::Builder::new()
            .name("hang-up".to_owned())
            .spawn(move || {
                while !until.load(Ordering::Relaxed) {
                    if !has_gone(&socket) {
                        continue;
                    }
                    thread::sleep(COURTESY);
                    if !until.load(Ordering::Relaxed) {
                        eprintln!("overlay-lab: {ENDED}");
                        std::process::exit(4);
                    }
                }
            })
            .context("cannot start a thread")?;
        Ok(Watch(over))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// An error of something that was measured; with the reason, if it is that the other machine has gone meanwhile.
pub(super) fn explain(error: anyhow::Error, socket: &TcpStream) -> anyhow::Error {
    // The text of an error of the connection begins with it already.
    let known = error
        .chain()
        .any(|cause| cause.to_string().contains("the other machine"));
    let end = Instant::now() + COURTESY;
    while !known && Instant::now() < end {
        if has_gone(socket) {
            return error.context(ENDED);
        }
    }
    error
}

/// Waits a moment for the other end to close.
fn has_gone(socket: &TcpStream) -> bool {
    let wanted = PollFlags::RDHUP;
    let mut polled = [PollFd::from_borrowed_fd(socket.as_fd(), wanted)];
    let closed = PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR;
    poll(&mut polled, Some(&PERIOD)).is_ok() && polled[0].revents().intersects(closed)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_end_is_seen_also_behind_an_answer_that_nobody_has_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut far = listener.accept().unwrap().0;
        std::io::Write::write_all(&mut far, b"answer").unwrap();
        assert!(!has_gone(&near));
        drop(far);
        let end = Instant::now() + Duration::from_secs(5);
        while !has_gone(&near) {
            assert!(Instant::now() < end);
        }
    }

    #[test]
    fn an_error_has_the_end_of_the_other_one_as_its_reason() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let far = listener.accept().unwrap().0;
        let explained = |text: &'static str| format!("{:#}", explain(anyhow::anyhow!(text), &near));
        assert_eq!(explained("requests failed"), "requests failed");
        drop(far);
        assert_eq!(
            explained("requests failed"),
            format!("{ENDED}: requests failed")
        );
        assert_eq!(explained(ENDED), ENDED);
    }
}
