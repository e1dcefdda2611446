//! What is shipped.

use sha2::{Digest, Sha256};

/// The target of the packages. With a target named, the flags for a static program do not reach build scripts and macros, which
/// cannot be static.
pub(super) const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The profile of cargo.
pub(super) const PROFILE: &str = "packaged";
pub(super) const PROGRAM: &str = "overlay-monitor";

/// SHA-256, in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
