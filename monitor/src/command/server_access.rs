//! The server and the series that the flags of a command name.

use anyhow::anyhow;

use super::cli::{AccessArgs, SelectorArgs};
use crate::base::failure::Failure;
use crate::surface::prometheus::{Selector, Server};
use crate::surface::web_client::Access;

impl AccessArgs {
    /// The credentials and authorities of the files.
    ///
    /// # Errors
    /// A usage failure that names the file and what it must hold.
    pub(super) fn read(&self) -> Result<Access, Failure> {
        Access::read(
            self.bearer_token_file.as_deref(),
            self.user_file.as_deref(),
            self.ca_file.as_deref(),
        )
    }

    /// Insists that no file was named where no server is asked.
    ///
    /// # Errors
    /// A usage failure that names the flags with a URL.
    pub(super) fn refuse(&self, urls: &str) -> Result<(), Failure> {
        let files = [&self.bearer_token_file, &self.user_file, &self.ca_file];
        if files.into_iter().all(Option::is_none) {
            return Ok(());
        }
        Err(Failure::usage(anyhow!(
            "no server is asked: give {urls} with --bearer-token-file, --user-file and --ca-file"
        )))
    }

    /// The server of a URL.
    ///
    /// # Errors
    /// A usage failure that says what URL or file must be.
    pub(super) fn server(&self, url: &str) -> Result<Server, Failure> {
        Server::new(url, self.read()?)
    }
}

impl SelectorArgs {
    /// The matchers of the agents' series.
    pub(super) fn selector(&self) -> Selector {
        let job = Selector::default().with("job", &self.job);
        let matches = self.matches.iter();
        matches.fold(job, |selector, (label, value)| selector.with(label, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_and_each_label_restrict_what_is_asked_for() {
        let args = SelectorArgs {
            job: "nodes".to_owned(),
            matches: vec![
                ("cluster".to_owned(), "west".to_owned()),
                ("stage".to_owned(), "a\"b".to_owned()),
            ],
        };
        assert_eq!(
            args.selector().to_string(),
            r#"{job="nodes",cluster="west",stage="a\"b"}"#
        );
    }
}
