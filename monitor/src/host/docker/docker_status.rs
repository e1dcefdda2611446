//! What is known of Docker, and the query that learns it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::answer::{self, Listed, NETWORKS_MAX};
use super::api::{self, Trouble};
use super::socket::DockerSocket;
use crate::host::described_network::Network;

/// Path of the overlay networks; the filter is `{"driver":["overlay"]}`.
const NETWORKS: &str = "/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D";
/// Path of the events of networks; the filter is `{"type":["network"]}`.
pub(crate) const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22network%22%5D%7D";
const INFO: &str = "/info";
/// Path of the running containers.
const CONTAINERS: &str = "/containers/json";

/// Time limit of `GET /info`.
const INFO_TIMEOUT: Duration = Duration::from_secs(2);

/// What is known of Docker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DockerStatus {
    /// Its overlay networks, sorted by VNI; the last known ones while it does not answer.
    pub networks: Vec<Network>,
    /// Whether it answers; `None` if it is not expected to: it is switched off, or never existed.
    pub up: Option<bool>,
    /// The UDP port of the Swarm's VXLAN (`--data-path-port`), if this node knows it.
    pub data_path_port: Option<u16>,
    /// What is wrong, as a message: it does not answer, or part of its answer is unusable.
    pub trouble: Option<String>,
}

/// Queries Docker once. `None` if it is not to be queried, or does not exist and need not. A failure is in the status.
pub async fn query(socket: &DockerSocket) -> Option<DockerStatus> {
    let path = socket.path()?;
    let mut status = DockerStatus::default();
    match list(path).await {
        Ok(found) => found.apply_to(&mut status),
        Err(Trouble::Absent) if *socket == DockerSocket::Auto => return None,
        Err(trouble) => {
            status.up = Some(false);
            status.trouble = Some(trouble.to_string());
        }
    }
    Some(status)
}

/// The names of the networks that a container of this node runs in. `None` if that is not known.
pub async fn networks_in_use(socket: &DockerSocket) -> Option<BTreeSet<String>> {
    let body = api::get(socket.path()?, CONTAINERS).await.ok()?;
    let read = tokio::task::spawn_blocking(move || answer::networks_in_use(&body));
    read.await.ok()?.ok()
}

/// A usable answer of Docker.
pub(crate) struct Found {
    pub(crate) listed: Listed,
    data_path_port: Option<u16>,
}

impl Found {
    /// Updates a status with it.
    pub(crate) fn apply_to(&self, status: &mut DockerStatus) {
        status.networks.clone_from(&self.listed.networks);
        status.up = Some(true);
        status.data_path_port = self.data_path_port;
        status.trouble = (self.listed.refused != 0).then(|| {
            format!(
                "{} of its networks are ignored: they have no valid VNI, or are beyond the {NETWORKS_MAX} that are counted",
                self.listed.refused
            )
        });
    }
}

/// Requests the networks, and the UDP port of their VXLAN.
///
/// # Errors
/// The networks cannot be read.
pub(crate) async fn list(socket: &Path) -> Result<Found, Trouble> {
    let body = api::get(socket, NETWORKS).await?;
    // The port is only for a warning, so a failure here does not discard the networks.
    let info = timeout(INFO_TIMEOUT, api::get(socket, INFO)).await;
    let info = info.ok().and_then(Result::ok);
    // Decoding many networks takes long, and must not delay the other tasks.
    let read = tokio::task::spawn_blocking(move || {
        let listed = answer::networks(&body)?;
        let port = info.and_then(|info| answer::data_path_port(&info).ok());
        Ok(Found {
            listed,
            data_path_port: port.flatten(),
        })
    });
    match read.await {
        Ok(found) => found.map_err(Trouble::Invalid),
        Err(_) => Err(Trouble::Invalid("it cannot be read".to_owned())),
    }
}
