//! What networks should be, beside what they are.

pub mod book;
pub mod config;
pub mod network;

pub use book::Networks;
pub use network::{Kind, Network, Requirement, Source};
