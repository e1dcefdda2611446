//! What networks should be, beside what they are.
//!
//! [`Networks`] is the book of those that somebody described, [`History`] what was seen of each over a window,
//! [`Violations`] what a network must not have. [`Policy`] joins them with what the kernel counts.

pub mod book;
pub mod cause;
pub mod config;
mod engine;
mod forbidden;
pub mod seen;
pub mod state;
pub mod violation;
pub mod words;

pub use crate::host::network::{Kind, Network, Requirement, Source};
pub use book::Networks;
pub use engine::{Policy, Report, Shared, Status, Total};
pub use seen::{History, Seen};
pub use state::{Doubt, State};
pub use violation::{Violation, Violations};
