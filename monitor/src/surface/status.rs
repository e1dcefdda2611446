//! A line on the terminal that says how far something is, and rewrites itself.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

/// Whether the line stands on standard error now.
static SHOWN: Mutex<bool> = Mutex::new(false);

/// The line; silent if standard error is no terminal. Dropping it takes it away.
pub struct Status {
    is_seen: bool,
}

impl Status {
    /// On standard error, if that is a terminal.
    #[must_use]
    pub fn new() -> Status {
        Status {
            is_seen: io::stderr().is_terminal(),
        }
    }

    /// Whether anybody sees it.
    #[must_use]
    pub fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Shows this instead of what it showed before. `text` must hold no control characters.
    pub fn show(&self, text: &str) {
        if !self.is_seen {
            return;
        }
        let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
        // No wrapping: of a line that became two only the second would be rewritten.
        let line = format!("\r\x1b[?7l{text}\x1b[K\x1b[?7h");
        let mut out = io::stderr();
        // It is only told.
        drop(out.write_all(line.as_bytes()).and_then(|()| out.flush()));
        *shown = true;
    }
}

impl Default for Status {
    fn default() -> Status {
        Status::new()
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        clear();
    }
}

fn clear() {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if std::mem::take(&mut *shown) {
        drop(io::stderr().write_all(b"\r\x1b[K"));
    }
}

/// Standard error for the log: a line of it takes the place of the status line, which comes back below.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        clear();
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
