//! Why an overlay network is not encrypted as it should be: what this host's own state says of it.
//!
//! Everything here is read and nothing changed: the kernel's IPsec over netlink, the firewall through the host's own
//! programs. It is bounded in time and size, and what cannot be read is said and not guessed.

pub mod activity;
mod cause;
mod explain;
pub mod firewall;
mod follow;
mod host;
pub mod spi;
mod tool;
pub mod xfrm;

pub use cause::{Cause, Likely};
pub use explain::{Symptom, explain};
pub use follow::follow;
pub use host::HostState;
