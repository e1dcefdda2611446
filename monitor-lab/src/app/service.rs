//! Starts a program of the application and waits until it accepts connections; makes certificates for them.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
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

/// File name of a private key, and of its certificate.
pub(super) const KEY: &str = "key.pem";
pub(super) const CERTIFICATE: &str = "certificate.pem";

/// Creates a key and a self-signed certificate for `host01`, valid for a day, in a folder.
pub(super) fn create_certificate(host: &Host, folder: &Path) -> Result<()> {
    let (key, certificate) = (folder.join(KEY), folder.join(CERTIFICATE));
    let arguments = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=host01",
        "-keyout",
        &key.to_string_lossy(),
        "-out",
        &certificate.to_string_lossy(),
    ];
    host.run("openssl", &arguments).map(drop)
}

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
