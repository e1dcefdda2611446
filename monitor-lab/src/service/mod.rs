//! The services of the application: Redis, the web app, the published port, and a client for them.

mod client;
mod publish;
mod redis;
mod web;

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use client::Page;
pub use publish::Publish;

use crate::error::{Context, Error, Result};
use crate::host::Host;
use crate::lab::Lab;
use crate::process::Process;

/// How long a service may take to answer. An emulated machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// What runs.
#[derive(Debug, Default)]
pub(crate) struct Services {
    redis: Option<Process>,
    web: Option<Process>,
    publish: Option<(Publish, Process)>,
    gateway: Option<std::net::Ipv4Addr>,
}

impl Lab {
    /// Starts a service whose output goes to the lab's own tmpfs, and waits until it takes connections at
    /// `address`, asked from its own host (so nothing crosses the wire).
    fn start(
        &self,
        host: &Host,
        name: &str,
        mut command: Command,
        address: SocketAddr,
    ) -> Result<Process> {
        let log = self.scratch.path(&format!("{name}.log"));
        let file = File::create(&log).context(|| format!("making the log of {name}"))?;
        let second = file
            .try_clone()
            .context(|| format!("making the log of {name}"))?;
        command.stdin(Stdio::null()).stdout(file).stderr(second);
        let mut process = host.spawn(command)?;
        let failed = |what: String| {
            let log = fs::read_to_string(&log).unwrap_or_default();
            let last = log.lines().rev().take(5).collect::<Vec<_>>();
            let last = last.into_iter().rev().collect::<Vec<_>>().join("; ");
            let message = if last.is_empty() {
                what
            } else {
                format!("{what}; it said: {last}")
            };
            Error::Service {
                name: name.to_owned(),
                message,
            }
        };
        let end = Instant::now() + PATIENCE;
        host.enter(|| {
            loop {
                if let Ok(Some(status)) = process.child.try_wait() {
                    return Err(failed(format!("it ended ({status})")));
                }
                match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                    Ok(_) => return Ok(()),
                    Err(error) if Instant::now() > end => {
                        return Err(failed(format!(
                            "no answer at {address} in {PATIENCE:?} ({error})"
                        )));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        })??;
        Ok(process)
    }
}
