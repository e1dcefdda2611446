//! Where results go: a terminal or a file, or Prometheus.

pub mod http;
pub mod tail;
