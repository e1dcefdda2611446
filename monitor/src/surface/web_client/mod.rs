//! Asks an HTTP server that a user named: access by file, one bounded `GET` at a time, over TCP or TLS.
//!
//! Imports `base` only. `surface::prometheus` asks for series, `command::pages` for the pages of an agent.

mod access;
mod site;

pub use access::Access;
pub use site::{Limits, Named, Site};
