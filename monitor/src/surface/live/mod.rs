//! What an agent sees now: one model, which `top` draws on a terminal and the endpoint as a page.
//!
//! Imports `policy` for states and `agent` for the snapshot. `top` and `http` draw it.

mod concern;
mod now;
mod of_pages;
mod reading;
mod words;

pub(super) use concern::{Concern, Headline, symbol};
pub use now::Live;
pub use reading::Reading;
pub(super) use reading::{Network, Violation};
pub use words::plain;
pub(super) use words::{rate, share, title};

#[cfg(test)]
mod tests;
