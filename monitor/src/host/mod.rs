//! What this machine reports of itself: interfaces and routes, IPsec, the firewall, and the networks that Docker
//! describes. Everything here is read and nothing changed; reads are bounded in time and size.
//!
//! Imports `base`. `policy` and `agent` use what it returns as data; only the agent's loops and `check` call the readers.

pub(crate) mod decryption;
pub mod docker;
pub mod firewall;
pub mod interface;
pub(crate) mod kernel_config;
pub mod network;
pub mod state;
mod tool;
pub mod xfrm;
