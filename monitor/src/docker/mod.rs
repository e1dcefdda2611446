//! The overlay networks as Docker's daemon describes them, followed as they come and go.
//!
//! The daemon may be missing, restart, hang or talk nonsense: what it said last then stays, is called stale, and it is
//! asked on and on. Nothing else of the agent waits for it.

mod answer;
mod api;
mod follow;
mod place;

pub use answer::NETWORKS_MAX;
pub use follow::{State, follow, look, unwatched_port};
pub use place::{Place, SOCKET};
