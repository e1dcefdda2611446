//! Errors of a lab: what failed, why, and what to do.

use std::io;

/// `Result` with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why the lab could not be set up or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The process may not create network namespaces.
    #[error("the lab creates network namespaces, which only root may do: start it as root (sudo)")]
    NotRoot,
    /// A program that the lab runs is not installed.
    #[error(
        "the program `{program}` is missing: install the Debian package `{package}` (apt-get install {package})"
    )]
    MissingProgram {
        /// Name of the program.
        program: String,
        /// Debian package that contains it.
        package: &'static str,
    },
    /// The kernel has no IPsec ESP. The string is the message of `ip xfrm state add`.
    #[error(
        "this kernel has no ESP (IPsec), so it cannot encrypt an overlay: `ip xfrm state add` failed with \"{0}\"; \
         run the lab on a kernel with CONFIG_INET_ESP, for example in a virtual machine: cargo xtask vm"
    )]
    NoEsp(String),
    /// The kernel has no WireGuard. The string is the message of `ip link add`.
    #[error(
        "this kernel has no WireGuard: `ip link add type wireguard` failed with \"{0}\"; run the lab on a kernel with \
         CONFIG_WIREGUARD, for example in a virtual machine: cargo xtask vm"
    )]
    NoWireGuard(String),
    /// A program that the lab ran failed.
    #[error("`{command}` failed on {host}: {message}")]
    Command {
        /// Command line, without its input.
        command: String,
        /// Host of the lab on which it ran.
        host: String,
        /// What it printed, or its exit status.
        message: String,
    },
    /// A service did not start.
    #[error("{name} did not start: {message}")]
    Service {
        /// Name of the service.
        name: String,
        /// What happened, and the end of its log.
        message: String,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The request or the settings are invalid.
    #[error("{0}")]
    Usage(String),
}

/// Adds to a failed system call what was being done.
pub(crate) trait Context<T> {
    /// Wraps the error in [`Error::Io`]. `what` is only called on failure.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io {
            what: what(),
            source: error.into(),
        })
    }
}
