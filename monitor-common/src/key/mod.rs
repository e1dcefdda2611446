//! Keys of the maps that the kernel programs and the agent share, one file per map, and the values that belong to one
//! key alone.
//!
//! All are declared with [`crate::shared`]. A key whose fields are bits of one word packs them as
//! `packed.rs` says.

mod association;
mod counter;
mod esp_network;
mod exposure;
mod flow;
mod flow_share;
mod fragment;
mod packed;
mod peer;
mod reason;

pub use association::EspKey;
pub use counter::CounterKey;
pub use esp_network::EspNetworkKey;
pub use exposure::{Class, ExposureKey, NetworkId};
pub use flow::{FlowState, FlowVerdict, flow_hash};
pub use flow_share::{Group, Returned, Room, Share, flow_share, flows_held};
pub use fragment::FragmentState;
pub use peer::{PeerCount, PeerKey, required_bit};
pub use reason::ReasonKey;
