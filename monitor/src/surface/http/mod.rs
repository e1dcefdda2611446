//! The HTTP endpoint of `run`: a port ([`bind`]), connections on it ([`serve`]), and the pages that they ask for.
//!
//! Imports `agent` and the other surfaces that make pages. `command` calls it.

mod admission;
mod client;
mod connections;
mod pages;
mod port;
mod wanted_format;
mod web_config;

pub use client::{get, get_from};
pub use connections::serve;
pub use port::bind;
pub use web_config::WebConfig;
