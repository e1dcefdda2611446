//! A line on the terminal that shows progress, and rewrites itself.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use crate::base::output::Messages;

/// Whether the line is on standard error now.
static SHOWN: Mutex<bool> = Mutex::new(false);

/// The line; nothing is written if standard error is no terminal. Dropping it clears the line.
pub struct StatusLine {
    is_seen: bool,
}

impl StatusLine {
    /// A line on standard error, if that is a terminal.
    #[must_use]
    pub fn new() -> StatusLine {
        StatusLine {
            is_seen: io::stderr().is_terminal(),
        }
    }

    /// Whether it is shown at all.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Replaces what is shown. `text` must hold no control characters.
    pub fn show(&self, text: &str) {
        if !self.is_seen {
            return;
        }
        let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
        // Without wrapping: only the second part of a wrapped line would be rewritten.
        let line = format!("\r\x1b[?7l{text}\x1b[K\x1b[?7h");
        drop(Messages.write_all(line.as_bytes()));
        *shown = true;
    }
}

impl Default for StatusLine {
    fn default() -> StatusLine {
        StatusLine::new()
    }
}

impl Drop for StatusLine {
    fn drop(&mut self) {
        clear();
    }
}

fn clear() {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::take(&mut *shown) {
        drop(Messages.write_all(b"\r\x1b[K"));
    }
}

/// Standard error for the log: a log line replaces the status line, which the next update shows again below it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        clear();
        Messages.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Messages.flush()
    }
}
