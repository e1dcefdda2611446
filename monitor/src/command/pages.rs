//! Where the pages come from: an agent in this process, or one that listens.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use http::StatusCode;
use jiff::Timestamp;
use monitor_classify::text::escape;

use crate::agent::snapshot::Snapshot;
use crate::agent::{SharedAgent, snapshot_of};
use crate::base::failure::Failure;
use crate::surface::live::{Reading, plain};
use crate::surface::web_client::{Access, Limits, Named, Site};
use crate::surface::{metrics, networks_json};

const NAMED: Named = Named {
    flag: "--url",
    example: "http://node1:9469",
};
/// A page has as many networks as the maps hold, at most.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(10),
    body: 32 << 20,
    advice: "check --url",
};

/// Where the pages come from.
pub(super) enum Pages {
    Agent(SharedAgent),
    Url(Site),
}

impl Pages {
    pub(super) fn of_agent(agent: SharedAgent) -> Pages {
        Pages::Agent(agent)
    }

    /// The agent at `http://node1:9469`, or over TLS at `https://node1:9469`.
    ///
    /// # Errors
    /// A usage failure that says what the URL must be.
    pub(super) fn of_url(url: &str, access: Access) -> Result<Pages, Failure> {
        Site::new(NAMED, url, access).map(Pages::Url)
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
            Pages::Url(site) => Ok((
                page(site, "/networks").await?,
                page(site, "/metrics").await?,
            )),
            Pages::Agent(agent) => {
                let snapshot = snapshot(agent).await?;
                let node = networks_json::this_node();
                let networks = networks_json::lines(&snapshot.policy, &node, Timestamp::now())?;
                Ok((networks, metrics::encode(snapshot, metrics::Format::Text)?))
            }
        }
    }
}

/// A page of an agent that listens.
async fn page(site: &Site, path: &str) -> Result<String> {
    let answer = site.get(path, LIMITS).await;
    let (status, body) = answer.with_context(|| format!("{path} of the agent at {site}"))?;
    match status {
        StatusCode::OK => Ok(String::from_utf8_lossy(&body).into_owned()),
        StatusCode::UNAUTHORIZED => {
            bail!("{path} is answered with {status}; give --user-file with a user of the agent")
        }
        status => bail!("{path} is answered with {status}; check --url"),
    }
}

/// What the agent of this process sees now.
async fn snapshot(agent: &SharedAgent) -> Result<Snapshot> {
    let agent = agent.clone();
    tokio::task::spawn_blocking(move || snapshot_of(&agent).map_err(|failure| failure.error))
        .await?
}
