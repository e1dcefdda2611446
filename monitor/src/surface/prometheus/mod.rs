//! The client of a Prometheus-compatible HTTP API: an expression, and the answer as checked series.
//!
//! Imports `base` and `web_client`. `command/fleet` asks.

mod answer;
mod promql;
mod server;

pub use answer::{Answer, Instance, Series, parse};
pub use promql::{Selector, quoted};
pub use server::Server;
