//! The overlay networks as Docker's daemon describes them: requests, what is taken of an answer, what is known.
//!
//! The daemon may be missing, restart, hang or send nonsense; every answer is bounded in time and size. The loop that
//! keeps the state current is the agent's (`agent/loops/docker.rs`).

mod answer;
pub(crate) mod api;
mod place;
pub(crate) mod state;

pub use answer::NETWORKS_MAX;
pub use place::{Place, SOCKET};
pub use state::{State, look, unwatched_port};
