//! Errors by what they mean for the exit code.

use std::fmt;
use std::process::ExitCode;

/// What went wrong, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A check failed, or a policy is violated.
    Violation,
    /// Usage or configuration, or no such interface.
    Usage,
    /// The kernel cannot do it, or privileges are missing.
    Kernel,
    /// Run time: a port in use, input or output, a corrupt file.
    Runtime,
    /// An audit that could not tell.
    Undecided,
}

impl Kind {
    /// The exit code, as the documentation promises it.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Violation => 1,
            Kind::Usage => 2,
            Kind::Kernel => 3,
            Kind::Runtime => 4,
            Kind::Undecided => 5,
        }
    }
}

/// An error with its kind. The message says what to do.
#[derive(Debug)]
pub struct Failure {
    /// What it means for the exit code.
    pub kind: Kind,
    /// The message and its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// Wrong usage or configuration, or no such interface.
    pub fn usage(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: Kind::Usage,
            error: error.into(),
        }
    }

    /// The kernel or the privileges.
    pub fn kernel(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: Kind::Kernel,
            error: error.into(),
        }
    }

    /// At run time.
    pub fn runtime(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: Kind::Runtime,
            error: error.into(),
        }
    }

    /// A policy that is violated.
    pub fn violation(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: Kind::Violation,
            error: error.into(),
        }
    }

    /// An audit that could not tell.
    pub fn undecided(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: Kind::Undecided,
            error: error.into(),
        }
    }

    /// The exit code of this failure.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `:#` joins the causes: what failed, and why.
        write!(f, "{:#}", self.error)
    }
}

impl std::error::Error for Failure {}
