//! What it would cost to encrypt the networks that are not: counts of an agent or of Prometheus, and a bench of the host.
//!
//! CPU time grows with packets and bytes, both of which are counted exactly, so no sizes of single packets are needed.
//! `command/forecast.rs` reads the sources.

mod counts;
mod forecasts;
mod model;
mod network_forecast;
mod output;
mod record;

pub use counts::{Counts, Total};
pub use forecasts::{Forecasts, carried};
pub use network_forecast::{Forecast, Traffic};
pub use output::{computed, lines, sentence, text};
pub use record::{BenchRecord, HeldOut, RECORD_MAX};
