//! A pseudo terminal, for output that is printed only on a terminal.

use std::fs::File;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

/// A pseudo-terminal, and what was written to it.
pub struct Terminal {
    end: OwnedFd,
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// A terminal of 80 columns.
    #[must_use]
    pub fn open() -> Terminal {
        let (mut ours, mut theirs) = (-1, -1);
        let size = libc::winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        // SAFETY: writes two descriptors, and reads the size.
        let opened = unsafe {
            libc::openpty(
                &raw mut ours,
                &raw mut theirs,
                std::ptr::null_mut(),
                std::ptr::null(),
                &raw const size,
            )
        };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: both were opened just now, without another owner.
        let (mut ours, end) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&bytes);
        // It ends with the last one who has the other end.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = ours.read(&mut buffer) {
                to.lock().unwrap().extend(&buffer[..n]);
            }
        });
        Terminal { end, bytes }
    }

    /// For a process to write to.
    #[must_use]
    pub fn end(&self) -> Stdio {
        self.end.try_clone().unwrap().into()
    }

    /// What was written so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}
