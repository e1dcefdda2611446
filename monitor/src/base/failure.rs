//! Errors by exit code.

use std::fmt::{self, Write};
use std::process::ExitCode;

/// What went wrong, as a script sees it. See `docs/` for what each exit code promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A check failed, or a policy is violated.
    Violation,
    /// Wrong usage or configuration, or an interface that does not exist.
    Usage,
    /// The kernel lacks a feature, or the process lacks privileges.
    Kernel,
    /// Failed at run time: a port in use, input or output, a corrupt file.
    Runtime,
    /// An audit that reached no verdict.
    Undecided,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [FailureKind; 5] = [
        FailureKind::Violation,
        FailureKind::Usage,
        FailureKind::Kernel,
        FailureKind::Runtime,
        FailureKind::Undecided,
    ];

    /// The exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            FailureKind::Violation => 1,
            FailureKind::Usage => 2,
            FailureKind::Kernel => 3,
            FailureKind::Runtime => 4,
            FailureKind::Undecided => 5,
        }
    }
}

/// An error with its kind. The message reads `what happened: why; what to do`.
#[derive(Debug)]
pub struct Failure {
    /// What decides the exit code.
    pub kind: FailureKind,
    /// The message and its causes.
    pub error: anyhow::Error,
}

impl Failure {
    /// Wrong usage or configuration, or an interface that does not exist.
    pub fn usage(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: FailureKind::Usage,
            error: error.into(),
        }
    }

    /// A kernel feature or a privilege that is missing.
    pub fn kernel(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: FailureKind::Kernel,
            error: error.into(),
        }
    }

    /// A failure at run time.
    pub fn runtime(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: FailureKind::Runtime,
            error: error.into(),
        }
    }

    /// A failed check, or a violated policy.
    pub fn violation(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: FailureKind::Violation,
            error: error.into(),
        }
    }

    /// An audit that reached no verdict.
    pub fn undecided(error: impl Into<anyhow::Error>) -> Failure {
        Failure {
            kind: FailureKind::Undecided,
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
        // `:#` joins the causes: what failed, then why.
        write!(Escaped(f), "{:#}", self.error)
    }
}

/// Writes control characters as escapes, except the end of a line: a message may quote a file or an answer.
struct Escaped<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(|c: char| c.is_control() && c != '\n') {
            match part.char_indices().next_back() {
                Some((at, last)) if last.is_control() && last != '\n' => {
                    self.0.write_str(&part[..at])?;
                    write!(self.0, "{}", last.escape_default())?;
                }
                _ => self.0.write_str(part)?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_message_moves_no_cursor() {
        let quoted: anyhow::Result<()> =
            Err(anyhow!("unknown field `a\u{1b}[2J\u{9b}b\r\u{7f}`\nline 2"));
        let failure = Failure::usage(quoted.context("/etc/\u{7}web.yml").unwrap_err());
        assert_eq!(
            failure.to_string(),
            "/etc/\\u{7}web.yml: unknown field `a\\u{1b}[2J\\u{9b}b\\r\\u{7f}`\nline 2"
        );
    }
}
