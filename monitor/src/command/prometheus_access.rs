//! The server and the series that the flags of a command name.

use super::cli::AccessArgs;
use crate::base::failure::Failure;
use crate::surface::prometheus::{Access, Selector, Server};

impl AccessArgs {
    /// The server of a URL.
    ///
    /// # Errors
    /// A usage failure that says what URL or file must be.
    pub(super) fn server(&self, url: &str) -> Result<Server, Failure> {
        let access = Access::read(
            self.bearer_token_file.as_deref(),
            self.user_file.as_deref(),
            self.ca_file.as_deref(),
        )?;
        Server::new(url, access)
    }

    /// The matchers of the agents' series.
    pub(super) fn selector(&self) -> Selector {
        let job = Selector::default().with("job", &self.job);
        let matches = self.matches.iter();
        matches.fold(job, |selector, (label, value)| selector.with(label, value))
    }
}
