//! Bytes of a file or a pipe, in large pieces, without waiting for more than there is.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Bytes of one read, and of the buffer: larger than any packet.
const BUFFER: usize = 1 << 20;
/// How often a reader that waits looks whether it shall stop.
const LOOK: Duration = Duration::from_millis(200);
/// How long a pipe is still read after that: whoever writes to it may have been interrupted too, and
/// hands over what it has left.
const REST: Duration = Duration::from_secs(1);

/// Tells a reader to come to an end.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was said.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A source of bytes, with those that were read and not used yet.
pub struct Input {
    source: Box<dyn Read + Send>,
    /// What to wait on, where there can be nothing to read for a while.
    wait_on: Option<RawFd>,
    stop: Stop,
    stopped: Option<Instant>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Offset in the file of `buffer[start]`.
    offset: u64,
    /// Bytes to leave out before the next that are used.
    skip: u64,
    ended: bool,
}

impl Input {
    /// Reads from a pipe, a terminal or a file with this descriptor.
    pub fn open(source: impl Read + AsRawFd + Send + 'static, stop: Stop) -> Input {
        let fd = source.as_raw_fd();
        Input::new(Box::new(source), Some(fd), stop)
    }

    /// Reads from anything that does not keep one waiting.
    pub fn of(source: impl Read + Send + 'static) -> Input {
        Input::new(Box::new(source), None, Stop::default())
    }

    fn new(source: Box<dyn Read + Send>, wait_on: Option<RawFd>, stop: Stop) -> Input {
        Input {
            source,
            wait_on,
            stop,
            stopped: None,
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            offset: 0,
            skip: 0,
            ended: false,
        }
    }

    /// Offset in the file of the next byte.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What was read and not used yet; nothing while bytes are still to be left out.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.skip != 0 {
            return &[];
        }
        &self.buffer[self.start..self.end]
    }

    /// Whether the end of the file lies in the middle of what is left out.
    pub(super) fn is_skipping(&self) -> bool {
        self.skip != 0
    }

    /// Uses up bytes, also such that are not read yet.
    pub(super) fn consume(&mut self, bytes: u64) {
        self.skip += bytes;
        self.leave_out();
    }

    fn leave_out(&mut self) {
        let here = (self.end - self.start) as u64;
        let now = self.skip.min(here);
        // At most the length of the buffer.
        self.start += now as usize;
        self.offset += now;
        self.skip -= now;
    }

    /// Reads once, as much as there is and fits. False at the end of the file, or once it was told to stop.
    ///
    /// # Errors
    /// What reading says.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            if !self.wait()? {
                self.ended = true;
                return Ok(false);
            }
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count;
                    self.leave_out();
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there is something to read, or the end of it. False once it was told to stop, and
    /// nothing more came.
    fn wait(&mut self) -> io::Result<bool> {
        let Some(fd) = self.wait_on else {
            return Ok(true);
        };
        loop {
            if self.stop.is_asked() {
                let since = *self.stopped.get_or_insert_with(Instant::now);
                if since.elapsed() >= REST {
                    return Ok(false);
                }
            }
            let mut poll = libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            };
            let wait = i32::try_from(LOOK.as_millis()).unwrap_or(i32::MAX);
            // SAFETY: one structure, which lives until the call returns; the descriptor is that of the
            // source, which lives as long as this.
            let ready = unsafe { libc::poll(&raw mut poll, 1, wait) };
            match ready {
                0 => {
                    if self.stop.is_asked() {
                        return Ok(false);
                    }
                }
                1.. => return Ok(true),
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}
