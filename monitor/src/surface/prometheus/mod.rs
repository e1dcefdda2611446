//! The client of a Prometheus-compatible HTTP API: access by file, one bounded request, an answer as checked series.
//!
//! Imports `base` only. `command/fleet` asks.

mod access;
mod answer;
mod promql;
mod server;

pub use access::Access;
pub use answer::{Answer, Instance, Series, parse};
pub use promql::{Selector, quoted};
pub use server::Server;
