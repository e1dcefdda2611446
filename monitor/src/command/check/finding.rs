//! One line of `check`.

use std::fmt;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It works.
    Works,
    /// It does not, and something is worse for it.
    Limited,
    /// It does not, and nothing works without it.
    Missing,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Works => "ok",
            Outcome::Limited => "limited",
            Outcome::Missing => "MISSING",
        })
    }
}

/// A line.
pub(super) struct Finding {
    pub(super) outcome: Outcome,
    /// What was looked at.
    pub(super) what: String,
    /// What that means for the user.
    pub(super) means: String,
}

pub(super) fn works(what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding {
        outcome: Outcome::Works,
        what: what.into(),
        means: means.into(),
    }
}

pub(super) fn limited(what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding {
        outcome: Outcome::Limited,
        what: what.into(),
        means: means.into(),
    }
}

pub(super) fn missing(what: impl Into<String>, means: impl Into<String>) -> Finding {
    Finding {
        outcome: Outcome::Missing,
        what: what.into(),
        means: means.into(),
    }
}
