//! One header per file: its length, the offsets of its fields, and what they mean.
//!
//! A header type wraps the bytes of the whole fixed header, so that every accessor is infallible:
//! who could load the header can read its fields.

pub mod ah;
pub mod esp;
pub mod eth;
pub mod geneve;
pub mod ipv4;
pub mod ipv6;
pub mod tcp;
pub mod udp;
pub mod vxlan;
pub mod vxlan_gpe;
pub mod wireguard;
