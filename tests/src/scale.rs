//! How much a test does: an emulated machine is slow, and the long forms run only when asked for.

use std::time::Duration;

/// Whether this is the virtual machine of `cargo xtask vm`, which emulates its processor.
#[must_use]
pub fn in_vm() -> bool {
    std::env::var_os("OVERLAY_VM").is_some()
}

/// So many, or a tenth where the machine is slow.
#[must_use]
pub fn scaled(count: usize) -> usize {
    if in_vm() { count.div_ceil(10) } else { count }
}

/// How long a test that runs for a time shall run: seconds of the variable `OVERLAY_TEST_SECONDS`, or
/// the usual ones.
#[must_use]
pub fn duration(usual: Duration) -> Duration {
    match std::env::var("OVERLAY_TEST_SECONDS") {
        Ok(seconds) => Duration::from_secs(seconds.parse().unwrap()),
        Err(_) => usual,
    }
}
