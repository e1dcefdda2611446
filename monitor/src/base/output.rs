//! Standard output and standard error, whose reader may close its end at any time.
//!
//! A closed pipe is not a failure: nothing more is written there, and the command ends with the exit code of its
//! result. It is handled here, and nowhere else.

use std::fmt;
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::time::Duration;

use anyhow::anyhow;

use crate::base::failure::Failure;

/// How often standard output is polled for a reader that is gone.
const LOOK: Duration = Duration::from_millis(500);

/// An output that its reader may close.
#[derive(Debug)]
pub struct Output<W> {
    to: W,
    is_closed: bool,
}

impl Output<io::Stdout> {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Output<io::Stdout> {
        Output::new(io::stdout())
    }
}

impl<W: Write> Output<W> {
    /// An output that is open.
    pub fn new(to: W) -> Output<W> {
        Output {
            to,
            is_closed: false,
        }
    }

    /// Whether its reader has closed it. A command that prints until it is stopped ends then.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Writes to it; does nothing once it is closed.
    ///
    /// # Errors
    /// A runtime failure, such as a full disk.
    pub fn write(&mut self, write: impl FnOnce(&mut W) -> io::Result<()>) -> Result<(), Failure> {
        if self.is_closed {
            return Ok(());
        }
        match write(&mut self.to) {
            Ok(()) => Ok(()),
            Err(error) if is_closed(&error) => {
                self.is_closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::runtime(anyhow!(error).context("cannot print"))),
        }
    }

    /// Writes text, and flushes it.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn print(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure> {
        self.write(|to| to.write_fmt(text).and_then(|()| to.flush()))
    }

    /// Flushes what was written.
    ///
    /// # Errors
    /// As [`Output::write`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.write(W::flush)
    }
}

/// Whether a failure to write means that the reader is gone: a closed pipe, or a terminal that hung up.
fn is_closed(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
        || (error.raw_os_error() == Some(libc::EIO) && is_gone(libc::STDOUT_FILENO))
}

/// Whether the other end of a pipe, socket or terminal is gone.
fn is_gone(descriptor: RawFd) -> bool {
    let mut poll = libc::pollfd {
        fd: descriptor,
        events: 0,
        revents: 0,
    };
    // SAFETY: one valid structure, and no wait.
    let ready = unsafe { libc::poll(&raw mut poll, 1, 0) };
    ready == 1 && poll.revents & (libc::POLLHUP | libc::POLLERR) != 0
}

/// Waits until the reader of standard output is gone. A command that prints only now and then would not notice.
pub async fn stdout_closed() {
    while !is_gone(libc::STDOUT_FILENO) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Standard error. What cannot be written there is lost, because there is no other place to report it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages;

impl Write for Messages {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        drop(io::stderr().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        drop(io::stderr().flush());
        Ok(())
    }
}

/// Writes a line to standard error, in one piece.
pub fn message(line: fmt::Arguments<'_>) {
    drop(Messages.write_all(format!("{line}\n").as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::failure::FailureKind;

    /// Takes some bytes, then fails.
    struct Failing {
        room: usize,
        kind: io::ErrorKind,
        calls: usize,
    }

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.room.min(bytes.len()) {
                0 => Err(self.kind.into()),
                taken => {
                    self.room -= taken;
                    Ok(taken)
                }
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn failing(kind: io::ErrorKind) -> Output<Failing> {
        Output::new(Failing {
            room: 4,
            kind,
            calls: 0,
        })
    }

    #[test]
    fn a_closed_pipe_is_not_a_failure_and_is_not_written_to_again() {
        let mut out = failing(io::ErrorKind::BrokenPipe);
        out.print(format_args!("{}", "four")).unwrap();
        assert!(!out.is_closed());
        out.print(format_args!("more")).unwrap();
        assert!(out.is_closed());
        let calls = out.to.calls;
        out.print(format_args!("more")).unwrap();
        out.flush().unwrap();
        assert_eq!(out.to.calls, calls);
    }

    #[test]
    fn any_other_error_is_a_runtime_failure() {
        let mut out = failing(io::ErrorKind::StorageFull);
        let failure = out.print(format_args!("a line")).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Runtime);
        assert!(
            failure.to_string().starts_with("cannot print: "),
            "{failure}"
        );
        assert!(!out.is_closed());
    }
}
