//! What networks should be, beside what they are.

pub mod network;

pub use network::{Kind, Network, Requirement, Source};
