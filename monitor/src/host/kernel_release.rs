//! The release of the running kernel.

use std::fs;

/// The release of the running kernel, as `uname -r` prints it; empty if `/proc` is not mounted.
#[must_use]
pub fn kernel_release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim_end().to_owned()
}
