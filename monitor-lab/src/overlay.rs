//! The wire between the nodes, and overlay networks over it, built as Docker builds them. For each node and network
//! there is a sandbox namespace with a bridge `br0` and a VXLAN device `vxlan0`; `eth0` of each container is a
//! port of the bridge. The VXLAN device sends its outer datagrams from the node's namespace.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use monitor::base::tunnel_size::Carrier;
use monitor_common::wire::vxlan;

use crate::error::Result;
use crate::lab_host::Host;
use crate::process::Spawner;

/// MTU of the wire between the nodes of a lab, in bytes.
pub const WIRE_MTU: u32 = 1500;

// Interface indexes. The two ends of a veth must not have the same index in their namespaces: the kernel's link watch
// then treats the link as one without a lower device and brings it up as much as a second later
// (linkwatch_urgent_event in net/core/link_watch.c).
const OWN_LINK: usize = 10;
const FIRST_PORT: usize = 20;

/// Settings of an overlay network.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) name: String,
    pub(crate) vni: u32,
    /// How its packets cross the wire, from which its MTU follows.
    pub(crate) carrier: Carrier,
    pub(crate) containers: Vec<ContainerPlan>,
}

/// Settings of a container.
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
    carrier: Carrier,
    mtu: u32,
    /// One for each node that is on this machine.
    sandboxes: Vec<Host>,
    containers: Vec<Host>,
}

/// One node's part of an overlay network.
struct Side<'a> {
    /// Index of the node, 0 or 1.
    index: usize,
    node: &'a Host,
    sandbox: &'a Host,
    /// Address of the other node.
    there: IpAddr,
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

    /// Whether its datagrams must be encrypted by ESP.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        matches!(self.carrier, Carrier::VxlanEsp(_))
    }

    /// How its packets cross the wire.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// MTU of its containers' `eth0` in bytes: 1450, or 1424 encrypted as Docker does.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.mtu
    }

    /// The network's namespaces on node1 and node2, each with `br0` and `vxlan0`.
    #[must_use]
    pub fn sandboxes(&self) -> &[Host] {
        &self.sandboxes
    }

    /// Its containers.
    #[must_use]
    pub fn containers(&self) -> &[Host] {
        &self.containers
    }

    /// Creates the network on both nodes.
    pub(crate) fn new(
        plan: &Plan,
        nodes: &[Host; 2],
        quiet: bool,
        spawner: &Arc<Spawner>,
    ) -> Result<Self> {
        let ends = [
            (0, &nodes[0], nodes[1].address()),
            (1, &nodes[1], nodes[0].address()),
        ];
        Self::on(plan, &ends, quiet, spawner)
    }

    /// Creates the part of the network that is on one node, whose index is `side`; the other node is on another machine.
    pub(crate) fn half(
        plan: &Plan,
        (side, node, there): (usize, &Host, IpAddr),
        quiet: bool,
        spawner: &Arc<Spawner>,
    ) -> Result<Self> {
        Self::on(plan, &[(side, node, there)], quiet, spawner)
    }

    /// Creates it on nodes that are on this machine: index, node, and address of the other node.
    fn on(
        plan: &Plan,
        nodes: &[(usize, &Host, IpAddr)],
        quiet: bool,
        spawner: &Arc<Spawner>,
    ) -> Result<Self> {
        let mtu = plan.carrier.mtu(WIRE_MTU);
        let sandboxes = nodes
            .iter()
            .map(|(_, node, _)| {
                Host::new(
                    &format!("{} on {}", plan.name, node.name()),
                    node.address(),
                    quiet,
                    spawner,
                )
            })
            .collect::<Result<Vec<_>>>()?;
        let here =
            |container: &&ContainerPlan| nodes.iter().any(|(index, _, _)| *index == container.node);
        let containers = plan
            .containers
            .iter()
            .filter(here)
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
            carrier: plan.carrier,
            mtu,
            sandboxes,
            containers,
        };
        for ((index, node, there), sandbox) in nodes.iter().zip(&overlay.sandboxes) {
            overlay.set_up_sandbox(
                plan,
                &Side {
                    index: *index,
                    node,
                    sandbox,
                    there: *there,
                },
            )?;
        }
        for (host, container) in overlay
            .containers
            .iter()
            .zip(plan.containers.iter().filter(here))
        {
            overlay.set_up_container(plan, host, container, quiet)?;
        }
        if quiet {
            for sandbox in &overlay.sandboxes {
                sandbox.disable_offloads("vxlan0")?;
                sandbox.disable_offloads("br0")?;
            }
        }
        overlay
            .sandboxes
            .iter()
            .try_for_each(Host::wait_for_links)?;
        Ok(overlay)
    }

    fn set_up_sandbox(&self, plan: &Plan, side: &Side<'_>) -> Result<()> {
        let (mtu, vni, sandbox) = (self.mtu, self.vni, side.sandbox);
        // Created from the node's namespace: the outer datagrams stay in it although the device is in another.
        side.node.batch(
            "ip",
            &[format!(
                "link add vxlan0 mtu {mtu} netns {} type vxlan id {vni} local {} dstport {} \
                 learning proxy l2miss l3miss",
                sandbox.namespace_path(),
                side.node.address(),
                vxlan::PORT,
            )],
        )?;
        let mut lines = vec![
            "link set lo up".to_owned(),
            // With snooping the bridge joins multicast groups itself and announces that to all ports.
            format!("link add br0 mtu {mtu} type bridge mcast_snooping 0"),
            "link set vxlan0 master br0 up".to_owned(),
            "link set br0 up".to_owned(),
        ];
        let mut forwarding = Vec::new();
        for (index, container) in plan.containers.iter().enumerate() {
            let mac = container.mac();
            let (near, far) = (FIRST_PORT + index, OWN_LINK);
            let here = self
                .containers
                .iter()
                .find(|host| container.node == side.index && host.name() == container.name);
            if let Some(host) = here {
                lines.push(format!(
                    "link add veth{index} index {near} mtu {mtu} type veth peer name eth0 index {far} mtu {mtu} \
                     address {mac} netns {}",
                    host.namespace_path()
                ));
                lines.push(format!("link set veth{index} master br0 up"));
            } else {
                // As Docker's engine does for containers of other nodes; the device answers ARP itself (`proxy`).
                lines.push(format!(
                    "neigh replace {} lladdr {mac} dev vxlan0 nud permanent",
                    container.address
                ));
                forwarding.push(format!(
                    "fdb replace {mac} dev vxlan0 self permanent dst {}",
                    side.there
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

    fn set_up_container(
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
            host.disable_offloads("eth0")?;
        }
        host.batch("ip", &lines)
    }
}

/// Connects the nodes by a veth pair: `eth0` in each, 192.168.77.1 and .2.
pub(crate) fn connect_nodes(nodes: &[Host; 2], quiet: bool) -> Result<()> {
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
            host.disable_offloads("eth0")?;
            lines.push(format!(
                "neigh replace {} lladdr {} dev eth0 nud permanent",
                nodes[1 - node].address(),
                mac(1 - node)
            ));
        }
        host.batch("ip", &lines)?;
    }
    nodes[0].wait_for_links()
}

/// Connects a container to its node by a second device `eth1`, as Docker's gateway bridge does, so that a port
/// published on the node reaches the container without crossing the wire. Returns the container's address there.
pub(crate) fn gateway(node: &Host, container: &Host, quiet: bool) -> Result<Ipv4Addr> {
    let (node_side, container_side) = (
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
            format!("addr add {node_side}/24 dev gateway0"),
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
        node.disable_offloads("gateway0")?;
        container.disable_offloads("eth1")?;
    }
    node.wait_for_links()?;
    Ok(container_side)
}
