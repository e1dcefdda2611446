//! The overlay networks as Docker's daemon describes them: which socket to ask, the requests, the decoding of answers,
//! and what is known as a result.
//!
//! The daemon may be missing, restart, hang or send invalid answers; every answer is bounded in time and size. The loop
//! that keeps the status current is the agent's (`agent/loops/docker_networks.rs`); `check` queries once.

mod answer;
pub(crate) mod api;
pub(crate) mod docker_status;
mod socket;

pub use answer::NETWORKS_MAX;
pub use docker_status::{DockerStatus, networks_in_use, query};
pub use socket::{DEFAULT_SOCKET, DockerSocket};
