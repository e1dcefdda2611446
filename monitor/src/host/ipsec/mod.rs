//! The kernel's IPsec, read only: security associations and policies over NETLINK_XFRM, and the counters of what it
//! dropped.
//!
//! It imports `base`. `host/facts.rs` and the agent's loops call the readers; `policy/cause` uses the types.

mod dump;
mod ipsec_policy;
mod security_association;
mod xfrm_message;
mod xfrm_stat;

pub use dump::{associations, policies};
pub use ipsec_policy::{IpsecPolicy, PolicyDirection, Template};
pub use security_association::{ESP, Mark, Mode, Offload, SecurityAssociation};
pub use xfrm_stat::{XfrmError, errors};
