//! Buffered bytes of a file or pipe, read as they become available.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::compressed_state::Compressed;

/// Size of the buffer in bytes, larger than any packet.
const BUFFER: usize = 1 << 20;
/// How often a waiting reader checks whether it was asked to stop.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// How long a pipe is still read after that: the process that writes to it may have been interrupted too, and writes
/// the rest of its data.
const GRACE: Duration = Duration::from_secs(1);

/// A flag that asks a reader to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks the reader to stop.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the reader was asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A source of bytes, and the bytes that were read but not consumed.
pub struct Input {
    source: Box<dyn Read + Send>,
    /// The descriptor to wait on, if reading can block.
    wait_on: Option<RawFd>,
    stop: Stop,
    /// When the reader first noticed that it was asked to stop.
    stopped: Option<Instant>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Offset in the file of `buffer[start]`.
    offset: u64,
    /// Bytes still to be skipped.
    skip: u64,
    /// Whether the source has ended.
    ended: bool,
    /// The compressed file that the bytes are from, if it is one.
    compressed: Option<Arc<Compressed>>,
}

impl Input {
    /// Reads from a pipe, a terminal or a file, until it ends or `stop` is requested.
    pub fn open(source: impl Read + AsRawFd + Send + 'static, stop: Stop) -> Input {
        let fd = source.as_raw_fd();
        Input::new(Box::new(source), Some(fd), stop)
    }

    /// Reads from a source that never blocks.
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
            compressed: None,
        }
    }

    /// Reads what is inside a compressed file.
    pub(super) fn decompressed(
        source: impl Read + Send + 'static,
        compressed: Arc<Compressed>,
    ) -> Input {
        Input {
            compressed: Some(compressed),
            ..Input::of(source)
        }
    }

    /// Bytes of the file that were read, compressed if it is.
    pub(super) fn progress(&self) -> u64 {
        match &self.compressed {
            Some(compressed) => compressed.read(),
            None => self.offset,
        }
    }

    /// Whether a compressed file ended before what is in it did.
    pub(super) fn is_cut_off(&self) -> bool {
        self.compressed
            .as_ref()
            .is_some_and(|file| file.is_cut_off())
    }

    /// Offset in the file of the next byte.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The bytes that were read but not consumed; empty while bytes are being skipped.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.skip != 0 {
            return &[];
        }
        &self.buffer[self.start..self.end]
    }

    /// Whether bytes are still to be skipped. At the end of the file this means that it is truncated.
    pub(super) fn is_skipping(&self) -> bool {
        self.skip != 0
    }

    /// Consumes bytes, including some that are not read yet.
    pub(super) fn consume(&mut self, bytes: u64) {
        self.skip += bytes;
        self.skip_read();
    }

    /// Skips as many of the read bytes as are to be skipped.
    fn skip_read(&mut self) {
        let here = (self.end - self.start) as u64;
        let now = self.skip.min(here);
        // At most the length of the buffer.
        self.start += now as usize;
        self.offset += now;
        self.skip -= now;
    }

    /// Reads once, as much as is available and fits. False at the end of the file, or when asked to stop.
    ///
    /// # Errors
    /// The error of the read.
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
                    self.skip_read();
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until bytes or the end can be read. False when asked to stop and no more bytes arrive.
    fn wait(&mut self) -> io::Result<bool> {
        let Some(fd) = self.wait_on else {
            return Ok(true);
        };
        loop {
            if self.stop.is_requested() {
                let since = *self.stopped.get_or_insert_with(Instant::now);
                if since.elapsed() >= GRACE {
                    return Ok(false);
                }
            }
            let mut poll = libc::pollfd {
                fd,
                events: libc::POLLIN,
                revents: 0,
            };
            let wait = i32::try_from(CHECK_INTERVAL.as_millis()).unwrap_or(i32::MAX);
            // SAFETY: one structure, which outlives the call; the descriptor belongs to the source, which this owns.
            let ready = unsafe { libc::poll(&raw mut poll, 1, wait) };
            match ready {
                0 => {
                    if self.stop.is_requested() {
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
