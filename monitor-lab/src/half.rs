//! One node of a lab whose other node is on another machine: its end of the wire is a device on a card of this machine.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use monitor::base::tunnel_size::Carrier;
use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

use crate::app::benchmark_servers;
use crate::cipher::Cipher;
use crate::error::{Context, Error, Result};
use crate::esp::{self, Association};
use crate::lab::{CLIENT, NETWORK, WEB};
use crate::lab_host::Host;
use crate::overlay::{ContainerPlan, Overlay, Plan, WIRE_MTU};
use crate::process::{Process, Spawner};
use crate::scratch::Scratch;
use crate::tools;
use crate::wireguard::{self, WireGuardKeys};

/// How long a card may take to carry frames of a new device.
const PATIENCE: Duration = Duration::from_secs(20);

/// The kind of device that is put on the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// With MAC addresses of its own.
    Macvlan,
    /// With the MAC address of the card: for switches and clouds that admit no other.
    Ipvlan,
}

/// A MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A random one that is nobody's: unicast, administered locally.
    ///
    /// # Errors
    /// When the kernel gives no random bytes.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 6];
        getrandom(&mut bytes[..], GetRandomFlags::empty())
            .context(|| "drawing a random MAC address".to_owned())?;
        bytes[0] = bytes[0] & 0xfc | 2;
        Ok(Self(bytes))
    }

    /// As `ip link` prints it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 6];
        let mut parts = text.trim().split(':');
        for byte in &mut bytes {
            *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
        }
        parts.next().is_none().then_some(Self(bytes))
    }
}

impl std::fmt::Display for Mac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A node's addresses on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeAddress {
    /// Of IP.
    pub ip: Ipv4Addr,
    /// Of Ethernet.
    pub mac: Mac,
}

/// How packets of the overlay cross the wire.
#[derive(Debug)]
pub enum Crossing {
    /// As they are.
    Plain,
    /// In ESP, with the association to the other node and the one from it.
    Esp(Cipher, [Association; 2]),
    /// In WireGuard, with the own keys and the other node's public key.
    WireGuard(Arc<WireGuardKeys>, String),
}

/// Settings of a half.
#[derive(Debug)]
pub struct HalfPlan {
    /// 0: the node with the servers; 1: the node with the clients.
    pub side: usize,
    /// Name of the card.
    pub card: String,
    /// What is put on it.
    pub via: Via,
    /// This node's addresses, the other's, and the length of the prefix.
    pub own: NodeAddress,
    /// The other node's addresses.
    pub other: NodeAddress,
    /// Length of their subnet's prefix.
    pub prefix: u8,
    /// VNI of the overlay.
    pub vni: u32,
    /// How its packets cross the wire.
    pub crossing: Crossing,
    /// As of a lab.
    pub quiet: bool,
}

/// A node with an overlay and a container on it. The kernel removes all of it when it is dropped, or when this process
/// ends in any way. Only the device on the card is made from the machine's own namespace, and it is never in it.
#[derive(Debug)]
pub struct Half {
    overlay: Overlay,
    node: Host,
    other: Ipv4Addr,
    side: usize,
    scratch: Scratch,
}

/// Address of the container on each side.
const CONTAINERS: [(&str, Ipv4Addr); 2] = [
    (WEB, Ipv4Addr::new(10, 0, 1, 7)),
    (CLIENT, Ipv4Addr::new(10, 0, 1, 9)),
];

impl Half {
    /// Sets it up.
    ///
    /// # Errors
    /// As of [`crate::Builder::build`]. After an error nothing remains.
    pub fn new(plan: &HalfPlan) -> Result<Self> {
        tools::require(&["ip", "bridge"])?;
        let spawner = Spawner::new()
            .context(|| "starting the thread that starts the lab's programs".to_owned())?;
        let machine = Host::of_this_namespace(&spawner)?;
        let scratch = Scratch::new()?;
        let node = Host::new(
            &format!("node{}", plan.side + 1),
            IpAddr::V4(plan.own.ip),
            plan.quiet,
            &spawner,
        )?;
        put_on_card(plan, &machine, &node)?;
        let remote = IpAddr::V4(plan.other.ip);
        let carrier = match &plan.crossing {
            Crossing::Plain => Carrier::Vxlan,
            Crossing::Esp(cipher, [outbound, inbound]) => {
                tools::require(&["nft"])?;
                esp::encrypt_pair(&node, remote, *cipher, [outbound, inbound], plan.vni)?;
                Carrier::VxlanEsp(cipher.sizes())
            }
            Crossing::WireGuard(keys, public) => {
                wireguard::connect_to(&node, keys, (remote, public), WIRE_MTU, &scratch)?;
                Carrier::VxlanWireGuard {
                    device_mtu: Carrier::wireguard_mtu(WIRE_MTU),
                }
            }
        };
        let containers = CONTAINERS.iter().enumerate();
        let overlay = Plan {
            name: NETWORK.to_owned(),
            vni: plan.vni,
            carrier,
            containers: containers
                .map(|(node, (name, address))| ContainerPlan {
                    name: (*name).to_owned(),
                    node,
                    address: *address,
                })
                .collect(),
        };
        let overlay = Overlay::half(&overlay, (plan.side, &node, remote), plan.quiet, &spawner)?;
        Ok(Self {
            overlay,
            node,
            other: plan.other.ip,
            side: plan.side,
            scratch,
        })
    }

    /// The node; its `eth0` is on the card.
    #[must_use]
    pub fn node(&self) -> &Host {
        &self.node
    }

    /// The overlay's namespace here, with `br0` and `vxlan0`.
    ///
    /// # Errors
    /// Never: a half has one.
    pub fn sandbox(&self) -> Result<&Host> {
        self.overlay.sandboxes().first().ok_or_else(missing)
    }

    /// The container here.
    ///
    /// # Errors
    /// Never: a half has one.
    pub fn container(&self) -> Result<&Host> {
        self.overlay.containers().first().ok_or_else(missing)
    }

    /// Address of the other node.
    #[must_use]
    pub fn other_node(&self) -> IpAddr {
        IpAddr::V4(self.other)
    }

    /// Address of the container on the other machine.
    #[must_use]
    pub fn other_container(&self) -> IpAddr {
        IpAddr::V4(CONTAINERS[1 - self.side.min(1)].1)
    }

    /// As of [`crate::Lab::start_benchmark_servers`].
    ///
    /// # Errors
    /// As there.
    pub fn start_benchmark_servers(&self, host: &Host, tls: bool) -> Result<[Process; 2]> {
        benchmark_servers::start(host, tls, &self.scratch)
    }
}

fn missing() -> Error {
    Error::Usage("a half of a lab has no such host".to_owned())
}

/// Makes the node's `eth0` on the card, with the other node as its neighbour.
fn put_on_card(plan: &HalfPlan, machine: &Host, node: &Host) -> Result<()> {
    let mut random = [0; 4];
    getrandom(&mut random[..], GetRandomFlags::empty())
        .context(|| "drawing a random name".to_owned())?;
    // The kernel looks for the name in the namespace of the caller, too, although the device is never in it.
    let mut name = "olab".to_owned();
    for byte in random {
        let _ = write!(name, "{byte:02x}");
    }
    let kind = match plan.via {
        Via::Macvlan => format!("address {} type macvlan mode bridge", plan.own.mac),
        Via::Ipvlan => "type ipvlan mode l2".to_owned(),
    };
    machine.batch(
        "ip",
        &[format!(
            "link add link {} name {name} netns {} mtu {WIRE_MTU} {kind}",
            plan.card,
            node.namespace_path(),
        )],
    )?;
    if plan.quiet {
        node.disable_offloads(&name)?;
    }
    node.batch(
        "ip",
        &[
            "link set lo up".to_owned(),
            format!("link set {name} name eth0"),
            format!("addr add {}/{} dev eth0", plan.own.ip, plan.prefix),
            "link set eth0 up".to_owned(),
            format!(
                "neigh replace {} lladdr {} dev eth0 nud permanent",
                plan.other.ip, plan.other.mac
            ),
        ],
    )?;
    let end = Instant::now() + PATIENCE;
    loop {
        let link = node.run("ip", &["-oneline", "link", "show", "eth0"])?;
        if link.contains("LOWER_UP") {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(Error::Usage(format!(
                "the card {} has no carrier: connect it, or name another by --card",
                plan.card
            )));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_mac_is_local_and_of_one_station() {
        let mac = Mac::random().unwrap();
        assert_eq!(mac.0[0] & 3, 2);
        assert_eq!(Mac::parse(&mac.to_string()), Some(mac));
        assert_eq!(Mac::parse("02:00:00:00:00:00:00"), None);
        assert_eq!(Mac::parse("02:00"), None);
    }
}
