//! What this process may do.

use super::finding::{Check, Finding, missing, works};
use crate::base::privileges::Capabilities;

/// More are those of root; to name them says nothing.
const NAMED: usize = 8;

pub(super) fn privileges(held: &Capabilities) -> Finding {
    let lacking = held.missing();
    let what = if held.len() > NAMED {
        format!("{} capabilities", held.len())
    } else {
        format!("capabilities: {held}")
    };
    if lacking.is_empty() {
        return works(
            Check::Privileges,
            what,
            "what loading and attaching programs takes",
        );
    }
    missing(
        Check::Privileges,
        what,
        format!("grant {lacking} as well, or run as root"),
    )
}
