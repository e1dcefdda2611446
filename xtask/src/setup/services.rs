//! Keeps the daemons of freshly installed packages from starting.
//!
//! Debian starts and enables a server as soon as it is installed. The lab
//! starts its own in network namespaces; the host must not get a Redis on 6379
//! or a web server on 80 because somebody ran our tests.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};

use crate::proc::{output, say};

/// invoke-rc.d(8) and deb-systemd-invoke(1) ask this program before they start anything.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const MARK: &str = "# temporary, made by overlay-monitor's xtask";
/// Packages of ours that bring a daemon of the same name.
const DAEMONS: &[&str] = &["redis-server", "nginx", "iperf3"];

/// While it lives, package scripts do not start daemons.
pub(super) struct Quiet {
    ours: bool,
    disable: Vec<String>,
}

impl Quiet {
    /// Puts the policy in place if `packages` bring a daemon. A policy of the
    /// machine's owner is left as it is.
    pub(super) fn begin(packages: &[String]) -> Result<Self> {
        let disable: Vec<String> = packages
            .iter()
            .filter(|name| DAEMONS.contains(&name.as_str()))
            .cloned()
            .collect();
        if disable.is_empty() {
            return Ok(Self {
                ours: false,
                disable,
            });
        }
        say(format!(
            "{} will be installed, but not started",
            disable.join(" and ")
        ));
        let left_behind = std::fs::read_to_string(POLICY).is_ok_and(|text| text.contains(MARK));
        if left_behind {
            std::fs::remove_file(POLICY).ok();
        }
        let pid = std::process::id();
        // Should we be killed, the file takes itself away at its next use.
        let script = format!(
            "#!/bin/sh\n{MARK}\nif ! kill -0 {pid} 2>/dev/null; then rm -f {POLICY}; exit 0; fi\nexit 101\n"
        );
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY);
        let ours = match file {
            Ok(mut file) => {
                file.write_all(script.as_bytes())
                    .with_context(|| format!("cannot write {POLICY}"))?;
                true
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error).with_context(|| format!("cannot create {POLICY}")),
        };
        Ok(Self { ours, disable })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if self.ours {
            std::fs::remove_file(POLICY).ok();
        }
        // Otherwise they would start at the next boot.
        if !self.disable.is_empty() && Path::new("/usr/bin/systemctl").exists() {
            let mut cmd = std::process::Command::new("systemctl");
            cmd.arg("--quiet").arg("disable").args(&self.disable);
            output(&mut cmd).ok();
        }
    }
}
