//! The wire between the nodes, and overlay networks over it, in the shape that Docker gives them: per
//! node and network a sandbox namespace with a bridge `br0` and a VXLAN device `vxlan0`, and containers
//! joined to the bridge by `eth0`. The VXLAN device's outer datagrams are those of the node's namespace.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::error::Result;
use crate::esp;
use crate::host::Host;
use crate::process::Spawner;

/// MTU of the wire.
const WIRE_MTU: u32 = 1500;
/// What VXLAN adds: outer IPv4 and UDP headers, VXLAN header, inner Ethernet header (RFC 7348).
const VXLAN_OVERHEAD: u32 = 50;
/// VXLAN's port (RFC 7348).
const VXLAN_PORT: u16 = 4789;

// Interface numbers. The two ends of a veth must not have the same, each in its namespace: the kernel's
// link watch then takes the link for one without a lower device, and brings it up to a second later
// (linkwatch_urgent_event in net/core/link_watch.c).
const OWN_LINK: usize = 10;
const FIRST_PORT: usize = 20;

/// An overlay network as asked for.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) vni: u32,
    pub(crate) encrypted: bool,
    pub(crate) containers: Vec<ContainerPlan>,
}

/// A container as asked for.
#[derive(Debug, Clone)]
pub(crate) struct ContainerPlan {
    pub(crate) name: String,
    /// Index of its node, 0 or 1.
    pub(crate) node: usize,
    pub(crate) address: Ipv4Addr,
}

impl ContainerPlan {
    /// Docker's MAC address of a container: 02:42 and its IPv4 address.
    fn mac(&self) -> String {
        let [a, b, c, d] = self.address.octets();
        format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    }
}

/// An overlay network of the lab.
#[derive(Debug)]
pub struct Overlay {
    name: String,
    vni: u32,
    encrypted: bool,
    mtu: u32,
    sandboxes: [Host; 2],
    containers: Vec<Host>,
}

impl Overlay {
    /// Its name, such as `app1-network`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its VXLAN network identifier.
    #[must_use]
    pub fn vni(&self) -> u32 {
        self.vni
    }

    /// Whether its datagrams are to be encrypted.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.encrypted
    }

    /// MTU of its containers' `eth0`: 1450, or 1424 encrypted.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// The network's namespaces on node1 and node2, each with `br0` and `vxlan0`.
    #[must_use]
    pub fn sandboxes(&self) -> &[Host; 2] {
        &self.sandboxes
    }

    /// Its containers.
    #[must_use]
    pub fn containers(&self) -> &[Host] {
        &self.containers
    }

    /// Sets the network up on both nodes.
    pub(crate) fn new(
        plan: &Plan,
        nodes: &[Host; 2],
        wire_mtu: u32,
        quiet: bool,
        spawner: &Arc<Spawner>,
    ) -> Result<Self> {
        let mtu = wire_mtu - VXLAN_OVERHEAD - if plan.encrypted { esp::OVERHEAD } else { 0 };
        let sandbox = |node: &Host| {
            Host::new(
                &format!("{} on {}", plan.name, node.name()),
                node.address(),
                quiet,
                spawner,
            )
        };
        let sandboxes = [sandbox(&nodes[0])?, sandbox(&nodes[1])?];
        let containers = plan
            .containers
            .iter()
            .map(|container| {
                Host::new(
                    &container.name,
                    IpAddr::V4(container.address),
                    quiet,
                    spawner,
                )
            })
            .collect::<Result<Vec<_>>>()?;
        let overlay = Self {
            name: plan.name.clone(),
            vni: plan.vni,
            encrypted: plan.encrypted,
            mtu,
            sandboxes,
            containers,
        };
        for node in 0..nodes.len() {
            overlay.raise_sandbox(plan, nodes, node)?;
        }
        for (host, container) in overlay.containers.iter().zip(&plan.containers) {
            overlay.raise_container(plan, host, container, quiet)?;
        }
        if quiet {
            for sandbox in &overlay.sandboxes {
                sandbox.offloads_off("vxlan0")?;
                sandbox.offloads_off("br0")?;
            }
        }
        overlay
            .sandboxes
            .iter()
            .try_for_each(Host::wait_for_links)?;
        Ok(overlay)
    }

    fn raise_sandbox(&self, plan: &Plan, nodes: &[Host; 2], node: usize) -> Result<()> {
        let (here, there) = (&nodes[node], &nodes[1 - node]);
        let (mtu, vni, sandbox) = (self.mtu, self.vni, &self.sandboxes[node]);
        // Made from the node's namespace, so that the outer datagrams stay there when the device moves.
        here.batch(
            "ip",
            &[format!(
                "link add vxlan0 mtu {mtu} netns {} type vxlan id {vni} local {} dstport {VXLAN_PORT} \
                 learning proxy l2miss l3miss",
                sandbox.namespace_path(),
                here.address(),
            )],
        )?;
        let mut lines = vec![
            "link set lo up".to_owned(),
            // Else the bridge joins multicast groups itself, and says so to everyone.
            format!("link add br0 mtu {mtu} type bridge mcast_snooping 0"),
            "link set vxlan0 master br0 up".to_owned(),
            "link set br0 up".to_owned(),
        ];
        let mut forwarding = Vec::new();
        for (index, container) in plan.containers.iter().enumerate() {
            let mac = container.mac();
            let (near, far) = (FIRST_PORT + index, OWN_LINK);
            if container.node == node {
                lines.push(format!(
                    "link add veth{index} index {near} mtu {mtu} type veth peer name eth0 index {far} mtu {mtu} \
                     address {mac} netns {}",
                    self.containers[index].namespace_path()
                ));
                lines.push(format!("link set veth{index} master br0 up"));
            } else {
                // The engine tells each node where the others' containers are; ARP is answered by the device.
                lines.push(format!(
                    "neigh replace {} lladdr {mac} dev vxlan0 nud permanent",
                    container.address
                ));
                forwarding.push(format!(
                    "fdb replace {mac} dev vxlan0 self permanent dst {}",
                    there.address()
                ));
            }
        }
        sandbox.batch("ip", &lines)?;
        if forwarding.is_empty() {
            Ok(())
        } else {
            sandbox.batch("bridge", &forwarding)
        }
    }

    fn raise_container(
        &self,
        plan: &Plan,
        host: &Host,
        container: &ContainerPlan,
        quiet: bool,
    ) -> Result<()> {
        let mut lines = vec![
            "link set lo up".to_owned(),
            format!("addr add {}/24 dev eth0", container.address),
            "link set eth0 up".to_owned(),
        ];
        if quiet {
            let others = plan
                .containers
                .iter()
                .filter(|other| other.address != container.address);
            lines.extend(others.map(|other| {
                format!(
                    "neigh replace {} lladdr {} dev eth0 nud permanent",
                    other.address,
                    other.mac()
                )
            }));
            host.offloads_off("eth0")?;
        }
        host.batch("ip", &lines)
    }
}

/// Joins the nodes by a wire: `eth0` in each, 192.168.77.1 and .2.
pub(crate) fn wire(nodes: &[Host; 2], quiet: bool) -> Result<u32> {
    let mac = |node: usize| format!("02:00:c0:a8:4d:{:02x}", node + 1);
    nodes[0].batch(
        "ip",
        &[format!(
            "link add eth0 index {OWN_LINK} mtu {WIRE_MTU} address {} type veth peer name eth0 index {} \
             mtu {WIRE_MTU} address {} netns {}",
            mac(0),
            OWN_LINK + 1,
            mac(1),
            nodes[1].namespace_path(),
        )],
    )?;
    for (node, host) in nodes.iter().enumerate() {
        let mut lines = vec![
            "link set lo up".to_owned(),
            format!("addr add {}/24 dev eth0", host.address()),
            "link set eth0 up".to_owned(),
        ];
        if quiet {
            host.offloads_off("eth0")?;
            lines.push(format!(
                "neigh replace {} lladdr {} dev eth0 nud permanent",
                nodes[1 - node].address(),
                mac(1 - node)
            ));
        }
        host.batch("ip", &lines)?;
    }
    nodes[0].wait_for_links()?;
    Ok(WIRE_MTU)
}

/// Gives a container a second device `eth1` to its node, as Docker's gateway bridge does: the way from a
/// published port on the host to the container. Never on the wire.
pub(crate) fn gateway(node: &Host, container: &Host, quiet: bool) -> Result<(Ipv4Addr, Ipv4Addr)> {
    let (host_side, container_side) = (
        Ipv4Addr::new(172, 31, 255, 1),
        Ipv4Addr::new(172, 31, 255, 2),
    );
    node.batch(
        "ip",
        &[
            format!(
                "link add gateway0 index {FIRST_PORT} type veth peer name eth1 index {} netns {}",
                OWN_LINK + 1,
                container.namespace_path()
            ),
            format!("addr add {host_side}/24 dev gateway0"),
            "link set gateway0 up".to_owned(),
        ],
    )?;
    container.batch(
        "ip",
        &[
            format!("addr add {container_side}/24 dev eth1"),
            "link set eth1 up".to_owned(),
        ],
    )?;
    if quiet {
        node.offloads_off("gateway0")?;
        container.offloads_off("eth1")?;
    }
    node.wait_for_links()?;
    Ok((host_side, container_side))
}
