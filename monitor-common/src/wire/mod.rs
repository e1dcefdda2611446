//! One header per file: its length, the offsets of its fields, and their meaning.
//!
//! A header type wraps the bytes of the whole fixed header, so every accessor is infallible: code that has loaded a
//! header can read all its fields.

/// Highest VNI: the field has 24 bits in VXLAN, VXLAN-GPE and Geneve (RFC 7348, 5; RFC 8926, 3.4).
pub const VNI_MAX: u32 = 0x00ff_ffff;

pub mod ah;
pub mod esp;
pub mod eth;
pub mod geneve;
pub mod gre;
pub mod ipv4;
pub mod ipv6;
pub mod tcp;
pub mod udp;
pub mod vxlan;
pub mod vxlan_gpe;
pub mod wireguard;
