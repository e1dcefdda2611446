//! `overlay-monitor` as a person and a script meet it: the real program, on hosts of the lab.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod closed_pipe;
mod credentials;
mod file_keys;
mod filters;
mod fleet;
mod folder;
mod forecast;
mod http;
mod limits;
mod malformed;
mod memory;
mod own_session;
mod page;
mod printed;
mod privileges;
mod read;
mod reload;
mod schemas;
mod service;
mod stopping;
mod strangers;
mod usage;
mod web_config;
mod written;

use monitor_lab::Lab;

/// A lab on whose wire is only what a test puts there.
fn quiet() -> Lab {
    Lab::builder().quiet(true).build().unwrap()
}
