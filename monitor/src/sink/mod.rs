//! Where results go: a terminal or a file, or Prometheus.

pub mod flows;
pub mod http;
pub mod save;
pub mod status;
pub mod tail;
