//! The application of the lab: Redis, a web app that counts visits in it, and nginx in front of the web app.
//!
//! | file | what |
//! | --- | --- |
//! | `service.rs` | starts a program on a host and waits until it accepts connections; makes certificates |
//! | `redis.rs` | starts the distribution's `redis-server` |
//! | `web.rs` | starts the web app as a process of its own |
//! | `web_server.rs` | the web app itself (`overlay-lab web`) |
//! | `published_port.rs` | starts nginx on node1, as `--publish` would, with or without TLS |
//! | `benchmark_servers.rs` | Redis and nginx, plain or TLS, for the benchmark of encryption |
//! | `http_client.rs` | fetches pages with curl |
//!
//! Called by [`crate::Lab`], which knows on which host each part runs. Nothing here knows the lab.

pub(crate) mod benchmark_servers;
pub(crate) mod http_client;
pub(crate) mod published_port;
pub(crate) mod redis;
mod service;
pub(crate) mod web;
pub(crate) mod web_server;
