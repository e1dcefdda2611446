//! Where the pages come from: an agent in this process, or one that listens.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use http::Uri;
use jiff::Timestamp;
use monitor_classify::text::escape;

use crate::agent::snapshot::Snapshot;
use crate::agent::{SharedAgent, snapshot_of};
use crate::base::failure::Failure;
use crate::surface::live::{Reading, plain};
use crate::surface::{http as endpoint, metrics, networks_json};

/// Longest page that is read, in bytes: as many networks as the maps hold.
const PAGE_MAX: usize = 32 << 20;

/// Where the pages come from.
pub(super) enum Pages {
    Agent(SharedAgent),
    /// Host and port.
    Url(String),
}

impl Pages {
    pub(super) fn of_agent(agent: SharedAgent) -> Pages {
        Pages::Agent(agent)
    }

    /// The agent at `http://node1:9469`.
    ///
    /// # Errors
    /// A usage failure that says what the URL must be.
    pub(super) fn of_url(url: &str) -> Result<Pages, Failure> {
        let bad = || {
            Failure::usage(anyhow!(
                "--url {}: give http:// with host and port of an agent, such as http://node1:9469",
                escape(url, 80)
            ))
        };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority = uri.authority().filter(|at| at.port().is_some());
        let authority = authority.filter(|at| !at.as_str().contains('@'));
        match (uri.scheme_str(), authority) {
            (Some("http"), Some(authority)) => Ok(Pages::Url(authority.to_string())),
            _ => Err(bad()),
        }
    }

    /// What the agent sees now, in printable ASCII; `at` is asked for the time.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn reading(&self, at: impl Fn() -> Duration) -> Result<Reading> {
        match self {
            Pages::Url(_) => {
                let (networks, metrics) = self.read().await?;
                Reading::read(at(), &networks, &metrics)
            }
            Pages::Agent(agent) => {
                let snapshot = snapshot(agent).await?;
                let node = networks_json::this_node();
                let clean = |text: &str, max: usize| plain(&escape(text, max), max);
                Ok(Reading::of(at(), &node, &snapshot, clean))
            }
        }
    }

    /// The pages `/networks` and `/metrics`.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn read(&self) -> Result<(String, String)> {
        match self {
            Pages::Url(host) => {
                let page = async |path| {
                    let (status, text) = endpoint::get_from(host, path, PAGE_MAX).await?;
                    if !status.is_success() {
                        bail!("{path} is answered with {status}; check --url");
                    }
                    Ok(text)
                };
                Ok((page("/networks").await?, page("/metrics").await?))
            }
            Pages::Agent(agent) => {
                let snapshot = snapshot(agent).await?;
                let node = networks_json::this_node();
                let networks = networks_json::lines(&snapshot.policy, &node, Timestamp::now())?;
                Ok((networks, metrics::encode(snapshot, metrics::Format::Text)?))
            }
        }
    }
}

/// What the agent of this process sees now.
async fn snapshot(agent: &SharedAgent) -> Result<Snapshot> {
    let agent = agent.clone();
    tokio::task::spawn_blocking(move || snapshot_of(&agent).map_err(|failure| failure.error))
        .await?
}
