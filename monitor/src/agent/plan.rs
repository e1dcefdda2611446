//! What the agent is started with.

use std::net::SocketAddr;
use std::time::Duration;

use crate::host::described_network::Network;
use crate::host::docker::DockerSocket;
use crate::host::interface::Selection;
use crate::kernel::LoadOptions;
use crate::kernel::attach::HookChoice;

/// What to watch and how, checked.
#[derive(Clone, Debug)]
pub struct WatchPlan {
    /// The interfaces. Those that are named are there.
    pub selection: Selection,
    /// Which hooks.
    pub hook: HookChoice,
    /// What the kernel programs are loaded with.
    pub load: LoadOptions,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Networks as the command line and the configuration file describe them.
    pub networks: Vec<Network>,
    /// Whether networks are judged at all.
    pub policy: bool,
    /// A violation ends after such a time without another packet.
    pub window: Duration,
    /// Where Docker is, if the file says so.
    pub docker: Option<DockerSocket>,
    /// What the state of a network is judged over.
    pub judged_over: Duration,
}
