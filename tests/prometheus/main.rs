//! A real Prometheus and Alertmanager with real agents: the alerts, the dashboards, and what `fleet` makes of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod alerts;
mod backfilled;
mod fleet;
mod secure;
mod watch;
