//! What the agent is started with: interfaces, hooks, load options and networks, validated.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::host::described_network::Network;
use crate::host::docker::DockerSocket;
use crate::host::interface::Selection;
use crate::kernel::LoadOptions;
use crate::kernel::attach::HookChoice;

/// What to watch, and how; validated.
#[derive(Clone, Debug)]
pub struct WatchPlan {
    /// The interfaces. Named interfaces existed when it was made.
    pub selection: Selection,
    /// Which hooks to use.
    pub hook: HookChoice,
    /// Options of the kernel programs.
    pub load: LoadOptions,
    /// Address of the HTTP endpoint.
    pub listen: SocketAddr,
    /// File that says who may ask there, and how.
    pub web_config: Option<PathBuf>,
    /// Whether the endpoint shows a page of what the agent sees.
    pub page: bool,
    /// Names by which browsers may ask the endpoint, besides its own.
    pub hosts: Vec<String>,
    /// Networks of the command line and the configuration file.
    pub networks: Vec<Network>,
    /// Whether states and violations of networks are evaluated.
    pub policy: bool,
    /// A violation ends after this time without a packet.
    pub window: Duration,
    /// An undescribed network, an association or a node is forgotten after this time without a packet.
    pub forget_after: Duration,
    /// Undescribed networks that are exported apart, at most.
    pub unknown_networks: usize,
    /// Where Docker is, if the configuration file says so.
    pub docker: Option<DockerSocket>,
    /// The window of a network's state.
    pub state_window: Duration,
}
