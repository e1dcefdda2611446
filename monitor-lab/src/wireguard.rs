//! Encrypts everything between two nodes with WireGuard. The nodes keep their addresses: a rule sends WireGuard's own
//! datagrams to the wire, and everything else for the peer to the tunnel, as `wg-quick` does.

use monitor::base::tunnel_size::Carrier;

use crate::error::{Context, Error, Result};
use crate::lab_host::Host;
use crate::scratch::Scratch;

/// UDP port, firewall mark of WireGuard's own datagrams, and table of routes for them.
const PORT: u32 = 51820;

/// Connects the nodes by `wg0` over their `eth0`. Returns the MTU of `wg0`.
///
/// # Errors
/// [`Error::NoWireGuard`] when the kernel has no such device.
pub(crate) fn connect(nodes: &[Host; 2], wire_mtu: u32, scratch: &Scratch) -> Result<u32> {
    let device_mtu = Carrier::wireguard_mtu(wire_mtu);
    for node in nodes {
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
        })?;
    }
    let mut secrets = Vec::new();
    let mut publics = Vec::new();
    for node in nodes {
        let secret = node.run("wg", &["genkey"])?;
        publics.push(node.feed("wg", &["pubkey"], &secret)?.trim().to_owned());
        // `wg` takes a private key from a file only.
        secrets.push(scratch.write(&format!("{}.key", node.name()), &secret)?);
    }
    for (index, node) in nodes.iter().enumerate() {
        let peer = nodes[1 - index].address();
        let arguments = [
            "set",
            "wg0",
            "listen-port",
            &PORT.to_string(),
            "fwmark",
            &PORT.to_string(),
            "private-key",
            &secrets[index].to_string_lossy(),
            "peer",
            &publics[1 - index],
            "endpoint",
            &format!("{peer}:{PORT}"),
            "allowed-ips",
            &format!("{peer}/32"),
        ];
        node.run("wg", &arguments)?;
        std::fs::remove_file(&secrets[index])
            .context(|| "removing a key of WireGuard".to_owned())?;
        node.batch(
            "ip",
            &[
                "link set wg0 up".to_owned(),
                format!("route add {peer}/32 dev eth0 scope link table {PORT}"),
                format!("rule add fwmark {PORT} lookup {PORT}"),
                format!("route add {peer}/32 dev wg0 src {}", node.address()),
            ],
        )?;
    }
    Ok(device_mtu)
}
