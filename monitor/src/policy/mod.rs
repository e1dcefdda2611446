//! What networks should be, beside what they are.
//!
//! [`Networks`] is the book of those that somebody described, [`History`] what was seen of each over a window,
//! [`Violations`] what a network must not have. [`Policy`] joins them with what the kernel counts.

pub mod book;
pub mod config;
mod engine;
mod follow;
mod forbidden;
pub mod network;
pub mod record;
pub mod seen;
pub mod state;
pub mod violation;
pub mod words;

pub use book::Networks;
pub use engine::{Policy, Report, Shared, Status, Total};
pub use follow::{explain, follow, say_events};
pub use network::{Kind, Network, Requirement, Source};
pub use seen::{History, Seen};
pub use state::{Doubt, State};
pub use violation::{Violation, Violations};
