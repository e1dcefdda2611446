//! Starts the distribution's Redis.

use std::net::SocketAddr;

use crate::app::service;
use crate::error::Result;
use crate::lab_host::Host;
use crate::process::Process;
use crate::scratch::Scratch;

/// TCP port of Redis.
pub(crate) const PORT: u16 = 6379;

/// Starts `redis-server` on the host's own address. It keeps its data in memory.
///
/// # Errors
/// [`crate::Error::MissingProgram`], or [`crate::Error::Service`] when it does not start.
pub(crate) fn start(host: &Host, scratch: &Scratch) -> Result<Process> {
    let address = SocketAddr::new(host.address(), PORT);
    let mut command = host.command("redis-server")?;
    command
        .args([
            "--port",
            &PORT.to_string(),
            "--bind",
            &address.ip().to_string(),
        ])
        .args([
            "--protected-mode",
            "no",
            "--daemonize",
            "no",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .arg("--dir")
        .arg(scratch.path(""));
    service::start(host, scratch, "redis-server", command, address)
}
