//! What a fixture's flows are: the file `NAME.json` beside `NAME.pcap`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::record::{IpTransport, Recording};

/// Whether somebody on the path can read a service's flows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Readable {
    /// All of it.
    #[default]
    Plaintext,
    /// None of it, but for a handshake.
    Encrypted,
    /// Plaintext until `tls_from` of the flow, encrypted from there on.
    Mixed,
    /// No honest answer follows from the bytes: encrypted without a sign of it.
    Hidden,
}

/// A flow of a fixture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExpectedFlow {
    /// What carries it.
    pub transport: IpTransport,
    /// Address and port of who sent the first packet.
    pub client: String,
    /// Address and port of the other end.
    pub server: String,
    /// Packets in the fixture.
    pub packets: usize,
    /// Names of the protocols, as in [`Service::protocols`](super::Service::protocols).
    pub protocols: Vec<String>,
    /// Whether it can be read.
    pub readable: Readable,
    /// Number of the flow's packet, counted from 0, with which TLS begins; only with [`Readable::Mixed`].
    pub tls_from: Option<usize>,
    /// Kinds of credentials that the flows to this server's port give away, all together.
    pub credentials: Vec<String>,
}

/// The content of `NAME.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Expected {
    /// Name of the fixture.
    pub name: String,
    /// Debian packages and versions that made it.
    pub packages: Vec<String>,
    /// What no output may show.
    pub secrets: Vec<String>,
    /// All flows, in the order of their first packets.
    pub flows: Vec<ExpectedFlow>,
}

impl Expected {
    pub(super) fn new(recording: &Recording, flows: Vec<ExpectedFlow>) -> Result<Self> {
        let mut asked = Command::new("dpkg-query");
        asked
            .args(["-W", "-f", "${Package} ${Version}\n"])
            .args(&recording.packages);
        let said = asked
            .output()
            .context(|| "asking dpkg-query for versions".to_owned())?;
        Ok(Self {
            name: recording.name.clone(),
            packages: String::from_utf8_lossy(&said.stdout)
                .lines()
                // One that is only unpacked has no version.
                .filter(|line| !line.ends_with(' '))
                .map(str::to_owned)
                .collect(),
            secrets: recording.secrets.clone(),
            flows,
        })
    }

    /// Writes both files.
    pub(super) fn write(&self, folder: &Path, capture: &[u8]) -> Result<()> {
        let (pcap, json) = (
            folder.join(format!("{}.pcap", self.name)),
            folder.join(format!("{}.json", self.name)),
        );
        let mut text = serde_json::to_string_pretty(self).context(|| "writing JSON".to_owned())?;
        text.push('\n');
        fs::write(&pcap, capture).context(|| format!("writing {}", pcap.display()))?;
        fs::write(&json, text).context(|| format!("writing {}", json.display()))
    }

    /// Reads `NAME.json`.
    ///
    /// # Errors
    /// When the file is not there or is something else.
    pub fn read(json: &Path) -> Result<Self> {
        let text = fs::read(json).context(|| format!("reading {}", json.display()))?;
        serde_json::from_slice(&text).context(|| format!("reading {}", json.display()))
    }
}
