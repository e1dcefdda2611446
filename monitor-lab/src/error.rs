//! What can go wrong with a lab, and what the reader can do about it.

use std::io;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the lab could not be set up or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Namespaces and their devices are made by root only.
    #[error("the lab makes network namespaces, which only root may do: start it as root (sudo)")]
    NotRoot,
    /// A program that the lab starts is not installed.
    #[error(
        "the program `{program}` is missing: install the Debian package `{package}` (apt-get install {package})"
    )]
    MissingProgram {
        /// Name of the program.
        program: String,
        /// Debian package that has it.
        package: &'static str,
    },
    /// The kernel cannot do IPsec ESP.
    #[error(
        "this kernel has no ESP (IPsec), so no overlay can be encrypted here: `ip xfrm state add` says \"{0}\"; \
         start the lab on a kernel with CONFIG_INET_ESP, for example in a virtual machine: cargo xtask vm"
    )]
    NoEsp(String),
    /// A program that the lab started failed.
    #[error("`{command}` failed on {host}: {message}")]
    Command {
        /// Command line, without its input.
        command: String,
        /// Host of the lab on which it ran.
        host: String,
        /// What it printed, or its exit status.
        message: String,
    },
    /// A service of the lab did not come up, or ended.
    #[error("{name} did not start: {message}")]
    Service {
        /// Name of the service.
        name: String,
        /// What happened, with the end of its log.
        message: String,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The caller asked for something that this lab does not have.
    #[error("{0}")]
    Usage(String),
}

/// Says what was tried when a system call failed.
pub(crate) trait Context<T> {
    /// Adds the description; it is only built on failure.
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
