//! What the flows of a fixture contain: the file `NAME.json` beside `NAME.pcap`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::error::{Context, Result};
use crate::recording::definition::{Readable, Recording};
use crate::recording::inner_flow::IpTransport;

/// A flow of a fixture.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExpectedFlow {
    /// Transport protocol.
    pub transport: IpTransport,
    /// Address and port of the end that sent the first packet.
    pub client: String,
    /// Address and port of the other end.
    pub server: String,
    /// Packets in the fixture.
    pub packets: usize,
    /// Names of the protocols, as in [`Service::protocols`](super::Service::protocols).
    pub protocols: Vec<String>,
    /// Whether the flow can be read.
    pub readable: Readable,
    /// Index, from 0, of the flow's packet with which TLS begins. Only with [`Readable::Mixed`].
    pub tls_from: Option<usize>,
    /// Kinds of credentials in the flows to this server's port, over all these flows.
    pub credentials: Vec<String>,
}

/// The content of `NAME.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Expected {
    /// Name of the fixture.
    pub name: String,
    /// Debian packages, with versions, of the programs that generated it.
    pub packages: Vec<String>,
    /// Planted secrets: strings that no output may contain.
    pub secrets: Vec<String>,
    /// All flows, in the order of their first packets.
    pub flows: Vec<ExpectedFlow>,
}

impl Expected {
    pub(super) fn new(recording: &Recording, flows: Vec<ExpectedFlow>) -> Result<Self> {
        let mut query = Command::new("dpkg-query");
        query
            .args(["-W", "-f", "${Package} ${Version}\n"])
            .args(&recording.packages);
        let output = query
            .output()
            .context(|| "reading versions with dpkg-query".to_owned())?;
        Ok(Self {
            name: recording.name.clone(),
            packages: String::from_utf8_lossy(&output.stdout)
                .lines()
                // A package that is unpacked, not installed, has no version.
                .filter(|line| !line.ends_with(' '))
                .map(str::to_owned)
                .collect(),
            secrets: recording.secrets.clone(),
            flows,
        })
    }

    /// Writes `NAME.pcap` with the bytes `capture`, and `NAME.json`.
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
    /// [`crate::Error::Io`] when the file cannot be read or is not of this form.
    pub fn read(json: &Path) -> Result<Self> {
        let text = fs::read(json).context(|| format!("reading {}", json.display()))?;
        serde_json::from_slice(&text).context(|| format!("reading {}", json.display()))
    }
}
