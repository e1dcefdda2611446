//! Encrypts everything between two nodes with WireGuard. The nodes keep their addresses: a rule sends WireGuard's own
//! datagrams to the wire, and everything else for the peer to the tunnel, as `wg-quick` does.

use std::fmt;
use std::net::IpAddr;

use monitor::base::tunnel_size::Carrier;

use crate::error::{Context, Error, Result};
use crate::lab_host::Host;
use crate::scratch::Scratch;

/// UDP port, firewall mark of WireGuard's own datagrams, and table of routes for them.
const PORT: u32 = 51820;

/// The keys of a node.
pub struct WireGuardKeys {
    secret: String,
    public: String,
}

impl fmt::Debug for WireGuardKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WireGuardKeys {}", self.public)
    }
}

impl WireGuardKeys {
    /// Draws a pair, by `wg` on a host.
    ///
    /// # Errors
    /// [`Error::MissingProgram`], or the program's own error.
    pub fn random(host: &Host) -> Result<Self> {
        let secret = host.run("wg", &["genkey"])?;
        let public = host.feed("wg", &["pubkey"], &secret)?.trim().to_owned();
        Ok(Self { secret, public })
    }

    /// The public key, in base64.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }
}

/// Connects the nodes by `wg0` over their `eth0`.
///
/// # Errors
/// [`Error::NoWireGuard`] when the kernel has no such device.
pub(crate) fn connect(nodes: &[Host; 2], wire_mtu: u32, scratch: &Scratch) -> Result<()> {
    for node in nodes {
        add_device(node, wire_mtu)?;
    }
    let pairs = [
        WireGuardKeys::random(&nodes[0])?,
        WireGuardKeys::random(&nodes[1])?,
    ];
    for (index, node) in nodes.iter().enumerate() {
        let other = (nodes[1 - index].address(), &*pairs[1 - index].public);
        set_up(node, &pairs[index], other, scratch)?;
    }
    Ok(())
}

/// Connects a node to one on another machine: its address and its public key.
///
/// # Errors
/// [`Error::NoWireGuard`] when the kernel has no such device.
pub(crate) fn connect_to(
    node: &Host,
    keys: &WireGuardKeys,
    other: (IpAddr, &str),
    wire_mtu: u32,
    scratch: &Scratch,
) -> Result<()> {
    add_device(node, wire_mtu)?;
    set_up(node, keys, other, scratch)
}

fn add_device(node: &Host, wire_mtu: u32) -> Result<()> {
    let device_mtu = Carrier::wireguard_mtu(wire_mtu);
    node.batch(
        "ip",
        &[format!("link add wg0 mtu {device_mtu} type wireguard")],
    )
    .map_err(|error| match error {
        Error::Command { message, .. } => Error::NoWireGuard(
            message
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("Error: ")
                .trim_end_matches('.')
                .to_owned(),
        ),
        other => other,
    })
}

fn set_up(
    node: &Host,
    keys: &WireGuardKeys,
    (peer, public): (IpAddr, &str),
    scratch: &Scratch,
) -> Result<()> {
    // `wg` takes a private key from a file only.
    let secret = scratch.write(&format!("{}.key", node.name()), &keys.secret)?;
    let arguments = [
        "set",
        "wg0",
        "listen-port",
        &PORT.to_string(),
        "fwmark",
        &PORT.to_string(),
        "private-key",
        &secret.to_string_lossy(),
        "peer",
        public,
        "endpoint",
        &format!("{peer}:{PORT}"),
        "allowed-ips",
        &format!("{peer}/32"),
    ];
    node.run("wg", &arguments)?;
    std::fs::remove_file(&secret).context(|| "removing a key of WireGuard".to_owned())?;
    node.batch(
        "ip",
        &[
            "link set wg0 up".to_owned(),
            format!("route add {peer}/32 dev eth0 scope link table {PORT}"),
            format!("rule add fwmark {PORT} lookup {PORT}"),
            format!("route add {peer}/32 dev wg0 src {}", node.address()),
        ],
    )
}
