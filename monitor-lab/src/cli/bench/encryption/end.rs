//! One end of a way: the hosts on its side of the wire.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use monitor_lab::{CLIENT, DeviceStats, Half, Host, Lab, Process, WEB};

use super::way::Way;

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The load comes from here.
    Sender,
    /// It goes to here; here are the servers.
    Receiver,
}

/// The hosts of an end.
pub(super) struct End {
    way: Way,
    role: Role,
    hosts: Hosts,
}

enum Hosts {
    /// Both ends are in a lab.
    Lab(Arc<Lab>),
    /// The other end is on another machine.
    Half(Box<Half>),
}

impl End {
    /// An end of a lab.
    pub(super) fn of_lab(way: Way, role: Role, lab: &Arc<Lab>) -> End {
        End {
            way,
            role,
            hosts: Hosts::Lab(Arc::clone(lab)),
        }
    }

    /// This machine's end.
    pub(super) fn of_half(way: Way, role: Role, half: Half) -> End {
        End {
            way,
            role,
            hosts: Hosts::Half(Box::new(half)),
        }
    }

    /// The host whose `eth0` is this end of the wire.
    pub(super) fn node(&self) -> &Host {
        match &self.hosts {
            Hosts::Lab(lab) => node(lab, self.role),
            Hosts::Half(half) => half.node(),
        }
    }

    /// Where the load begins or ends.
    pub(super) fn workload(&self) -> anyhow::Result<&Host> {
        match (&self.hosts, self.way) {
            (Hosts::Lab(lab), way) => workload(lab, way, self.role),
            (Hosts::Half(half), Way::Direct) => Ok(half.node()),
            (Hosts::Half(half), _) => Ok(half.container()?),
        }
    }

    /// Address of the other end's workload.
    pub(super) fn other(&self) -> anyhow::Result<IpAddr> {
        let role = match self.role {
            Role::Sender => Role::Receiver,
            Role::Receiver => Role::Sender,
        };
        Ok(match (&self.hosts, self.way) {
            (Hosts::Lab(lab), way) => workload(lab, way, role)?.address(),
            (Hosts::Half(half), Way::Direct) => half.other_node(),
            (Hosts::Half(half), _) => half.other_container(),
        })
    }

    /// Starts Redis and nginx where the load ends.
    pub(super) fn start_servers(&self) -> anyhow::Result<[Process; 2]> {
        let (host, tls) = (self.workload()?, self.way == Way::Tls);
        let started = match &self.hosts {
            Hosts::Lab(lab) => lab.start_benchmark_servers(host, tls),
            Hosts::Half(half) => half.start_benchmark_servers(host, tls),
        };
        started.with_context(|| format!("{}: the servers did not start", self.way.label()))
    }

    /// What this end of the wire has counted.
    pub(super) fn wire(&self) -> anyhow::Result<DeviceStats> {
        Ok(self.node().device_stats("eth0")?)
    }

    /// Sets the MTU of every device here that an inner packet crosses on its way to the tunnel.
    pub(super) fn set_mtu(&self, mtu: u32) -> anyhow::Result<()> {
        if self.way == Way::Direct {
            return Ok(());
        }
        let sandbox = match (&self.hosts, self.role) {
            (Hosts::Lab(lab), Role::Receiver) => &lab.overlays()[0].sandboxes()[0],
            (Hosts::Lab(lab), Role::Sender) => &lab.overlays()[0].sandboxes()[1],
            (Hosts::Half(half), _) => half.sandbox()?,
        };
        let set = |host: &Host, device: &str| {
            host.run("ip", &["link", "set", device, "mtu", &mtu.to_string()])
        };
        let links = sandbox.run("ip", &["-oneline", "link", "show"])?;
        // `12: veth0@if10: <…`
        let names = links.lines().filter_map(|line| line.split(": ").nth(1));
        let names: Vec<&str> = names
            .map(|name| name.split('@').next().unwrap_or(name))
            .filter(|name| *name != "lo" && *name != "br0")
            .collect();
        // The bridge last: its MTU follows its smallest port's.
        for name in names.into_iter().chain(["br0"]) {
            set(sandbox, name)?;
        }
        set(self.workload()?, "eth0")?;
        Ok(())
    }
}

fn node(lab: &Lab, role: Role) -> &Host {
    match role {
        Role::Receiver => lab.node1(),
        Role::Sender => lab.node2(),
    }
}

fn workload(lab: &Lab, way: Way, role: Role) -> anyhow::Result<&Host> {
    Ok(match (way, role) {
        (Way::Direct, role) => node(lab, role),
        (Way::Vxlan | Way::Esp(_) | Way::WireGuard | Way::Tls, Role::Receiver) => {
            lab.container(WEB)?
        }
        (Way::Vxlan | Way::Esp(_) | Way::WireGuard | Way::Tls, Role::Sender) => {
            lab.container(CLIENT)?
        }
    })
}
