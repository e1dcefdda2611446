//! The loops that drive the agent while it runs. Each is a future that ends only with a failure, or when it is dropped.
//!
//! They import the whole of `agent`, `host` and `policy`; [`Session`](super::session::Session) runs them.

mod decryption;
pub mod docker_networks;
pub mod esp_faults;
pub mod esp_timing;
pub mod exposure_account;
pub mod interfaces;
pub(super) mod sampled_flows;
pub mod violations;
