//! The definition of a recording: a file `recordings/NAME.toml`.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::recording::inner_flow::IpTransport;

/// Whether anyone on the path can read the flows of a service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readable {
    /// The whole flow.
    #[default]
    Plaintext,
    /// Nothing but a handshake.
    Encrypted,
    /// The flow up to packet `tls_from`; the rest is encrypted.
    Mixed,
    /// The bytes do not show it: the flow is encrypted without a header that says so.
    Hidden,
}

/// How the traffic of one protocol is generated, and what it contains.
///
/// All scripts run as root with `sh -eu` in a temporary copy of this machine's file system, in the folder
/// `/srv/record`. `$SERVER` and `$CLIENT` are the addresses of the two containers, `server.test` and `client.test`
/// their names; `tls/{ca,cert,key,both}.pem` is a certificate for `server.test`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Name of the recording and its fixture: the file name without `.toml`.
    #[serde(skip)]
    pub name: String,
    /// Debian packages whose versions `NAME.json` lists.
    pub packages: Vec<String>,
    /// Planted secrets: strings that no output of the monitor may contain.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Script that runs first, in the server's container.
    #[serde(default)]
    pub setup: String,
    /// Servers, started one after the other in the server's container.
    #[serde(default)]
    pub server: Vec<Server>,
    /// Script that runs in the client's container when all servers are ready.
    pub client: String,
    /// All services that the wire may carry. A flow of no service is an error, and so is a service without a flow.
    pub service: Vec<Service>,
}

/// A server that runs in the foreground, and the test that it is ready, which must not send it a packet: exactly one of
/// a TCP port, a UDP port and a script.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Script that ends with `exec` of the server.
    pub run: String,
    /// It is ready when it listens on this TCP port.
    pub tcp: Option<u16>,
    /// It is ready when it has bound this UDP port.
    pub udp: Option<u16>,
    /// It is ready when this script exits with 0.
    pub check: Option<String>,
}

/// A service of a recording: the flows to one port.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Transport protocol.
    #[serde(default)]
    pub transport: IpTransport,
    /// Port of the server. 0: any port that no other service has (data connections of FTP).
    #[serde(default)]
    pub port: u16,
    /// Names of the protocols in these flows, the main one first. With [`Readable::Mixed`] the last one is the protocol
    /// after the switch.
    pub protocols: Vec<String>,
    /// Whether these flows can be read.
    #[serde(default)]
    pub readable: Readable,
    /// Kinds of credentials that cross the wire in plaintext, over all flows of the service.
    #[serde(default)]
    pub credentials: Vec<String>,
    /// Whether the service may have no flow, such as refusals by ICMP.
    #[serde(default)]
    pub optional: bool,
}

impl Recording {
    /// Reads `NAME.toml`.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, [`Error::Usage`] when it is not a recording.
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
    /// [`Error::Io`] when the folder cannot be read.
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
