//! The web app of the lab, started as a process in its container.

use std::env;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::error::{Context, Error, Result};
use crate::lab::{Lab, REDIS, WEB};
use crate::service::redis;

/// The web app's port.
pub(crate) const PORT: u16 = 80;
/// Our own program.
const PROGRAM: &str = "overlay-lab";

impl Lab {
    /// Starts the web app in the container `app1-web` (10.0.1.7:80). On each `GET /` it counts the client in
    /// Redis (`HINCRBY ip CLIENT 1`), reads all counts (`HGETALL ip`) and shows them on a page.
    ///
    /// # Errors
    /// [`Error::Usage`] when the program `overlay-lab` is not found, [`Error::Service`] when it does not come up.
    pub fn start_web(&mut self) -> Result<()> {
        let host = self.container(WEB)?;
        let store = SocketAddr::new(self.container(REDIS)?.address(), redis::PORT);
        let program = match &self.program {
            Some(program) => program.clone(),
            None => own_program()?,
        };
        let mut command = host.command(&program.to_string_lossy())?;
        command.args([
            "web",
            "--listen",
            &format!("0.0.0.0:{PORT}"),
            "--redis",
            &store.to_string(),
        ]);
        let address = SocketAddr::new(host.address(), PORT);
        self.services.web = Some(self.start(host, "the web app", command, address)?);
        Ok(())
    }
}

/// `overlay-lab` itself, or next to the program that uses this library, or one folder up (cargo puts tests
/// into `deps`).
fn own_program() -> Result<PathBuf> {
    let current = env::current_exe().context(|| "finding this program's path".to_owned())?;
    if current.file_name().is_some_and(|name| name == PROGRAM) {
        return Ok(current);
    }
    let folders = current.ancestors().skip(1).take(2);
    folders.map(|folder| folder.join(PROGRAM)).find(|path| path.is_file()).ok_or_else(|| {
        Error::Usage(format!(
            "the program {PROGRAM} with the web app is not next to {}: build it with `cargo build -p monitor-lab`",
            current.display()
        ))
    })
}
