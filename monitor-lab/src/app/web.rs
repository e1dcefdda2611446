//! Starts the web app as a process in its container.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::app::service;
use crate::error::{Context, Error, Result};
use crate::lab_host::Host;
use crate::process::Process;
use crate::scratch::Scratch;

/// TCP port of the web app.
pub(crate) const PORT: u16 = 80;
/// The program that contains the web app.
const PROGRAM: &str = "overlay-lab";

/// Starts `overlay-lab web` on all addresses of the host, with its data in the Redis at `redis`. Without a
/// `program` it looks for `overlay-lab` beside the running program.
///
/// # Errors
/// [`Error::Usage`] when the program is not found, [`Error::Service`] when it does not start.
pub(crate) fn start(
    host: &Host,
    redis: SocketAddr,
    program: Option<&Path>,
    scratch: &Scratch,
) -> Result<Process> {
    let program = match program {
        Some(program) => program.to_owned(),
        None => find_program()?,
    };
    let mut command = host.command(&program.to_string_lossy())?;
    command.args([
        "web",
        "--listen",
        &format!("0.0.0.0:{PORT}"),
        "--redis",
        &redis.to_string(),
    ]);
    let address = SocketAddr::new(host.address(), PORT);
    service::start(host, scratch, "the web app", command, address)
}

/// The running program if it is `overlay-lab`; else `overlay-lab` in the folder of the running program or in
/// the folder above, because cargo puts test programs into `deps`.
fn find_program() -> Result<PathBuf> {
    let current = env::current_exe().context(|| "finding the path of this program".to_owned())?;
    if current.file_name().is_some_and(|name| name == PROGRAM) {
        return Ok(current);
    }
    let folders = current.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join(PROGRAM)).find(|path| path.is_file()).ok_or_else(|| {
        Error::Usage(format!(
            "the program {PROGRAM}, which contains the web app, is not beside {}: build it with `cargo build -p monitor-lab`",
            current.display()
        ))
    })
}
