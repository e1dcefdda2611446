//! Progress through a long file, on a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::base::output::Messages;

/// How often it is shown, and the time before it is first shown.
const PERIOD: Duration = Duration::from_millis(300);

/// Shows progress on standard error, if that is a terminal.
pub(super) struct Progress {
    /// Length of the file, if it is known.
    length: Option<u64>,
    begun: Instant,
    shown: Instant,
    is_shown: bool,
}

impl Progress {
    /// For a file of this length. `is_quiet` if nothing is printed meanwhile.
    pub(super) fn new(length: Option<u64>, is_quiet: bool) -> Progress {
        let is_seen = io::stderr().is_terminal() && (is_quiet || !io::stdout().is_terminal());
        Progress {
            length: length.filter(|length| is_seen && *length != 0),
            begun: Instant::now(),
            shown: Instant::now(),
            is_shown: false,
        }
    }

    /// So many bytes were read.
    pub(super) fn at(&mut self, offset: u64) {
        let Some(length) = self.length else {
            return;
        };
        if self.shown.elapsed() >= PERIOD {
            self.shown = Instant::now();
            let rate = offset as f64 / self.begun.elapsed().as_secs_f64() / 1e6;
            let percent = offset.saturating_mul(100) / length;
            drop(write!(Messages, "\r{percent} % read, {rate:.0} MB/s\x1b[K"));
            self.is_shown = true;
        }
    }

    /// Clears the line.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            drop(write!(Messages, "\r\x1b[K"));
        }
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        self.clear();
    }
}
