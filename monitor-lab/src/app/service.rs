//! Starts a program of the application and waits until it accepts connections.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};
use crate::lab_host::Host;
use crate::process::Process;
use crate::scratch::Scratch;

/// How long a service may take to accept a connection. An emulated machine is slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of a failed service's log that the error quotes.
const QUOTED_LINES: usize = 5;

/// Starts `command` on `host` with its output in a log file in `scratch`, and waits until it accepts TCP
/// connections at `address`. The connections are made on the host itself, so no packet crosses the wire.
///
/// # Errors
/// [`Error::Service`] with the end of the log when the program exits or does not accept a connection in time.
pub(super) fn start(
    host: &Host,
    scratch: &Scratch,
    name: &str,
    mut command: Command,
    address: SocketAddr,
) -> Result<Process> {
    let log = scratch.path(&format!("{name}.log"));
    let creating = || format!("creating the log file of {name}");
    let stdout = File::create(&log).context(creating)?;
    let stderr = stdout.try_clone().context(creating)?;
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let mut process = host.spawn(command)?;
    let failed = |what: String| {
        let log = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(QUOTED_LINES)..].join("; ");
        let message = if last.is_empty() {
            what
        } else {
            format!("{what}; its log ends with: {last}")
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
                return Err(failed(format!("it exited ({status})")));
            }
            match TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > end => {
                    return Err(failed(format!(
                        "no connection to {address} within {PATIENCE:?} ({error})"
                    )));
                }
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    })??;
    Ok(process)
}
