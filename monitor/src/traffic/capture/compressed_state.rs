//! What is known of a compressed capture file while it is read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is known of the compressed file while it is read.
#[derive(Debug, Default)]
pub(super) struct Compressed {
    pub(super) read: AtomicU64,
    pub(super) is_cut_off: AtomicBool,
}

impl Compressed {
    /// Bytes of the compressed file that were read.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Whether it ended before what is in it did.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off.load(Ordering::Relaxed)
    }
}
