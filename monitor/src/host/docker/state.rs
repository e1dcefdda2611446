//! What is known of Docker, and how it is asked for once.

use std::path::Path;
use std::time::Duration;

use monitor_common::service::Service;
use tokio::time::timeout;

use super::answer::{self, Listed, NETWORKS_MAX};
use super::api::{self, Trouble};
use super::place::Place;
use crate::base::udp_ports::Services;
use crate::host::network::Network;

/// `{"driver":["overlay"]}` and `{"type":["network"]}`.
const NETWORKS: &str = "/networks?filters=%7B%22driver%22%3A%5B%22overlay%22%5D%7D";
pub(crate) const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22network%22%5D%7D";
const INFO: &str = "/info";

/// For what the daemon says of itself.
const INFO_PATIENCE: Duration = Duration::from_secs(2);
/// What is known of Docker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Its overlay networks, by VNI; those it said last, where it does not answer.
    pub networks: Vec<Network>,
    /// Whether it answers; `None` where nobody expects it to: it is switched off, or was never there.
    pub up: Option<bool>,
    /// The UDP port of the Swarm's VXLAN (`--data-path-port`), where this node knows it.
    pub data_path_port: Option<u16>,
    /// What is wrong, for people: it does not answer, or what it answered was not all usable.
    pub trouble: Option<String>,
}

/// Asks once.
///
/// `None` where Docker is not to be asked, or is not there and need not be. Trouble is in the state.
pub async fn look(place: &Place) -> Option<State> {
    let socket = place.socket()?;
    let mut state = State::default();
    match list(socket).await {
        Ok(found) => found.tell(&mut state),
        Err(Trouble::Absent) if *place == Place::Auto => return None,
        Err(trouble) => {
            state.up = Some(false);
            state.trouble = Some(trouble.to_string());
        }
    }
    Some(state)
}

/// What Docker answered.
pub(crate) struct Found {
    pub(crate) listed: Listed,
    data_path_port: Option<u16>,
}

impl Found {
    /// Puts it into a state.
    pub(crate) fn tell(&self, state: &mut State) {
        state.networks.clone_from(&self.listed.networks);
        state.up = Some(true);
        state.data_path_port = self.data_path_port;
        state.trouble = (self.listed.refused != 0).then(|| {
            format!(
                "{} of its networks have no valid VNI, or are more than {NETWORKS_MAX}: they are not known here",
                self.listed.refused
            )
        });
    }
}

/// Asks for the networks, and for the port of their VXLAN.
pub(crate) async fn list(socket: &Path) -> Result<Found, Trouble> {
    let body = api::get(socket, NETWORKS).await?;
    // Only for a warning: networks are not given up for it.
    let info = timeout(INFO_PATIENCE, api::get(socket, INFO)).await;
    let info = info.ok().and_then(Result::ok);
    // Many networks take a while, in which samples go on.
    let read = tokio::task::spawn_blocking(move || {
        let listed = answer::networks(&body)?;
        let port = info.and_then(|info| answer::data_path_port(&info).ok());
        Ok(Found {
            listed,
            data_path_port: port.flatten(),
        })
    });
    match read.await {
        Ok(found) => found.map_err(Trouble::Nonsense),
        Err(_) => Err(Trouble::Nonsense("it cannot be read".to_owned())),
    }
}

/// What is wrong with the ports that are watched.
#[must_use]
pub fn unwatched_port(state: &State, services: &Services) -> Option<String> {
    let port = state.data_path_port?;
    (services.of(port) != Service::Vxlan).then(|| {
        format!(
            "the Swarm sends its VXLAN to UDP port {port}, which is not watched as VXLAN: give --vxlan-port {port}"
        )
    })
}
