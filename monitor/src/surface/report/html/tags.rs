//! Opening tags in the colour of what they enclose.

use crate::policy::State;
use crate::surface::report::shares::Shares;
use monitor_classify::Exposure;

/// The tag of a share of plaintext.
pub(super) fn tag(shares: &Shares) -> &'static str {
    if shares.readable != 0 {
        "<span class=\"tag bad\">"
    } else if shares.unknown != 0 {
        "<span class=\"tag dim\">"
    } else {
        "<span class=\"tag good\">"
    }
}

/// The tag of an exposure.
pub(super) fn tag_of(exposure: Exposure) -> &'static str {
    match exposure {
        Exposure::Plaintext => "<span class=\"tag bad\">",
        Exposure::Encrypted => "<span class=\"tag good\">",
        Exposure::Unknown => "<span class=\"tag dim\">",
    }
}

/// The tag of a network's state.
pub(super) fn tag_of_state(state: State) -> &'static str {
    match state {
        State::Encrypted => "<span class=\"tag good\">",
        State::Cleartext | State::Mixed => "<span class=\"tag bad\">",
        State::Idle | State::Unknown => "<span class=\"tag dim\">",
    }
}
