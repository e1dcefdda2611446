//! A real Prometheus and Alertmanager with real agents: the alerts, the dashboards, and what `fleet` makes of it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod accidents;
mod backfilled;
mod dashboards;
mod fleet;
mod normal;
mod scale;
mod secure;
