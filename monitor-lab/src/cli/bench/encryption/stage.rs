//! Two nodes, joined in one of the ways, with a sender on node2 and a receiver with its servers on node1.

use anyhow::Context;
use monitor_lab::{CLIENT, Error, Host, Lab, Process, WEB};

use super::way::Way;

/// A lab for a way.
pub(super) struct Stage {
    pub(super) way: Way,
    // Before the lab: a process must end before its host does.
    _servers: [Process; 2],
    pub(super) lab: Lab,
}

/// What came of setting it up.
pub(super) enum SetUp {
    /// It can be measured.
    Ready(Box<Stage>),
    /// The kernel or the machine lacks something; why.
    LeftOut(String),
}

impl Stage {
    /// Sets it up. With offloads each packet on a device may be many on a real wire, so bytes and packets are exact only
    /// without.
    pub(super) fn build(way: Way, offloads: bool) -> anyhow::Result<SetUp> {
        let mut builder = Lab::builder().quiet(!offloads);
        if let Way::Esp(cipher) = way {
            builder = builder.encrypted(true).cipher(cipher);
        }
        let lab = match builder.wireguard(way == Way::WireGuard).build() {
            Ok(lab) => lab,
            Err(
                error @ (Error::NoEsp(_) | Error::NoWireGuard(_) | Error::MissingProgram { .. }),
            ) => {
                return Ok(SetUp::LeftOut(error.to_string()));
            }
            Err(error) => return Err(error.into()),
        };
        let server = receiver(way, &lab)?;
        let servers = lab
            .start_benchmark_servers(server, way == Way::Tls)
            .with_context(|| format!("{}: the servers did not start", way.label()))?;
        Ok(SetUp::Ready(Box::new(Stage {
            way,
            _servers: servers,
            lab,
        })))
    }

    /// Where the load comes from.
    pub(super) fn sender(&self) -> anyhow::Result<&Host> {
        Ok(match self.way {
            Way::Direct => self.lab.node2(),
            Way::Vxlan | Way::Esp(_) | Way::WireGuard | Way::Tls => self.lab.container(CLIENT)?,
        })
    }

    /// Where it goes to.
    pub(super) fn receiver(&self) -> anyhow::Result<&Host> {
        receiver(self.way, &self.lab)
    }
}

fn receiver(way: Way, lab: &Lab) -> anyhow::Result<&Host> {
    Ok(match way {
        Way::Direct => lab.node1(),
        Way::Vxlan | Way::Esp(_) | Way::WireGuard | Way::Tls => lab.container(WEB)?,
    })
}
