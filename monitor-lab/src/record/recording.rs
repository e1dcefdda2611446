//! A recording as it is written down: one TOML file for each.

use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Context, Error, Result};
use crate::record::{IpTransport, Readable};

/// How the traffic of one protocol is made, and what it is.
///
/// All scripts are for `sh -eu`, run as root in a copy of this machine's file system that vanishes, in the
/// folder `/srv/record`. `$SERVER` and `$CLIENT` are the addresses of the two containers, `server.test` and
/// `client.test` their names; `tls/{ca,cert,key,both}.pem` is a certificate for `server.test`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Name of the fixture: that of the file.
    #[serde(skip)]
    pub name: String,
    /// Debian packages whose versions are noted in the fixture.
    pub packages: Vec<String>,
    /// Planted secrets: what no output of the monitor may ever show.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Run before anything else.
    #[serde(default)]
    pub setup: String,
    /// Started one after the other, in the server's container.
    #[serde(default)]
    pub server: Vec<Server>,
    /// Run in the client's container when all servers are up.
    pub client: String,
    /// Every service that may be seen on the wire. A flow of none is an
    /// error, and so is a service without one.
    pub service: Vec<Service>,
}

/// A server in the foreground, and how it is told that it is up, without a packet to it: by exactly one of
/// a TCP port, a UDP port and a script.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Script that becomes the server.
    pub run: String,
    /// It listens on this TCP port.
    pub tcp: Option<u16>,
    /// It has this UDP port.
    pub udp: Option<u16>,
    /// This script succeeds.
    pub check: Option<String>,
}

/// A service of a recording: the flows to one port.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What carries it.
    #[serde(default)]
    pub transport: IpTransport,
    /// Port of the server; 0 for any that no other service has (data connections of FTP).
    #[serde(default)]
    pub port: u16,
    /// Names of the protocols that these flows speak, the main one first. With [`Readable::Mixed`] the last
    /// one is what follows the switch.
    pub protocols: Vec<String>,
    /// Whether they can be read.
    #[serde(default)]
    pub readable: Readable,
    /// Kinds of credentials that cross the wire readable, over all flows of the service.
    #[serde(default)]
    pub credentials: Vec<String>,
    /// It may also not be seen: refusals by ICMP.
    #[serde(default)]
    pub optional: bool,
}

impl Recording {
    /// Reads `NAME.toml`.
    ///
    /// # Errors
    /// When it is not there or is no recording.
    pub fn read(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!("{name}.toml"));
        let text = fs::read_to_string(&path).context(|| format!("reading {}", path.display()))?;
        let mut recording: Self = toml::from_str(&text)
            .map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
        for server in &recording.server {
            let ways = [
                server.tcp.is_some(),
                server.udp.is_some(),
                server.check.is_some(),
            ];
            if ways.iter().filter(|&&way| way).count() != 1 {
                return Err(Error::Usage(format!(
                    "{}: each server needs exactly one of `tcp`, `udp` and `check`",
                    path.display()
                )));
            }
        }
        recording.name = name.to_owned();
        Ok(recording)
    }

    /// Names of all recordings in a folder, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn names(folder: &Path) -> Result<Vec<String>> {
        let reading = || format!("reading {}", folder.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).context(reading)? {
            let name = entry.context(reading)?.file_name();
            names.extend(
                name.to_string_lossy()
                    .strip_suffix(".toml")
                    .map(str::to_owned),
            );
        }
        names.sort();
        Ok(names)
    }
}
