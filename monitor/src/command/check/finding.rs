//! A line of `check`.

use std::fmt;

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It works.
    Works,
    /// It does not work, and something is less good for it.
    Limited,
    /// It does not work, and nothing works without it.
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

/// A line of the output.
pub(super) struct Finding {
    pub(super) outcome: Outcome,
    /// What was checked.
    pub(super) what: String,
    /// What the outcome means for the user.
    pub(super) means: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<8} {:<28} {}", self.outcome, self.what, self.means)
    }
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
