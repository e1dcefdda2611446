//! What every layer may use: errors by exit code, clocks, standard output and error, signals, netlink requests, what
//! the kernel was built with, and the types that `kernel` and `host` share without knowing each other.
//!
//! It imports no other layer of this crate, only `monitor-common`. Every layer calls it.

pub mod beat;
pub mod clock;
pub mod confinement;
pub(crate) mod decryption;
pub mod failure;
pub mod file_value;
pub mod hash;
pub mod interface;
pub(crate) mod kernel_config;
pub mod memory;
pub(crate) mod netlink;
pub mod output;
pub mod plural;
pub mod privileges;
pub(crate) mod procfs;
pub mod service_manager;
pub mod signals;
mod system_calls;
pub mod tunnel_size;
pub mod udp_ports;
