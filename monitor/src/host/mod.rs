//! What this machine reports of itself: interfaces and routes, IPsec, the firewall, and the overlay networks that
//! Docker describes. It only reads, and every read is bounded in time and size.
//!
//! It imports `base`, `monitor-classify` (escaping) and `monitor-common`; it does not know `kernel`. `policy` and
//! `agent` use its types as data; only the agent's loops and the commands call its readers.

pub mod described_network;
pub mod docker;
pub mod facts;
pub mod firewall;
pub mod interface;
pub mod ipsec;
pub mod overlay_port;
pub mod own_connections;
pub mod platform;
pub mod process_use;
