//! The HTTP endpoint of `run`: a port ([`bind`]), a thread that serves connections on it ([`Server`]), and the pages that they ask for.
//!
//! Imports `agent` and the other surfaces that make pages. `command` calls it.

mod admission;
mod client;
mod connections;
mod events;
mod own_hosts;
mod pages;
mod port;
mod readings;
mod server_thread;
mod wanted_format;
mod web_config;

pub use admission::Site;
pub use client::get;
pub use own_hosts::OwnHosts;
pub use port::bind;
pub use server_thread::Server;
pub use web_config::WebConfig;
