//! The distribution's Redis.

use std::net::SocketAddr;

use crate::error::Result;
use crate::lab::{Lab, REDIS};

/// Redis' port.
pub(crate) const PORT: u16 = 6379;

impl Lab {
    /// Starts `redis-server` in the container `app1-redis` (10.0.1.3:6379). It keeps its data in memory.
    ///
    /// # Errors
    /// [`crate::Error::MissingProgram`], or [`crate::Error::Service`] when it does not come up.
    pub fn start_redis(&mut self) -> Result<()> {
        let host = self.container(REDIS)?;
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
            .arg(self.scratch.path(""));
        self.services.redis = Some(self.start(host, "redis-server", command, address)?);
        Ok(())
    }
}
