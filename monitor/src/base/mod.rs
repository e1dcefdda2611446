//! What every layer may use: errors by exit code, the clocks, requests over netlink, and the types that `kernel` and
//! `host` share without knowing each other. It imports no other layer.

pub mod clock;
pub mod failure;
pub mod interface;
pub(crate) mod netlink;
pub(crate) mod procfs;
pub mod udp_ports;
