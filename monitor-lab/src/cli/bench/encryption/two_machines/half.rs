//! This machine's half of a way, from what both machines have agreed.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context;
use monitor_lab::{Crossing, Half, HalfPlan, NodeAddress, WireGuardKeys};

use super::message::{Choice, Introduction};
use crate::cli::bench::encryption::end::{End, Role};
use crate::cli::bench::encryption::stage::SetUp;
use crate::cli::bench::encryption::way::Way;

/// What both machines have agreed.
pub(super) struct Agreed {
    pub(super) role: Role,
    pub(super) own: Introduction,
    pub(super) other: Introduction,
    pub(super) keys: Option<Arc<WireGuardKeys>>,
    pub(super) choice: Choice,
    pub(super) offloads: bool,
}

impl Agreed {
    /// Sets this machine's half of a way up.
    pub(super) fn build(&self, way: Way) -> anyhow::Result<SetUp<End>> {
        let crossing = match way {
            Way::Direct | Way::Vxlan | Way::Tls => Crossing::Plain,
            Way::Esp(cipher) => {
                let both = self.choice.associations(cipher).context("no key")?;
                let [from_listener, to_listener] = both.clone();
                Crossing::Esp(
                    cipher,
                    match self.role {
                        Role::Receiver => [from_listener, to_listener],
                        Role::Sender => [to_listener, from_listener],
                    },
                )
            }
            Way::WireGuard => match (&self.keys, &self.other.wireguard) {
                (Some(keys), Some(other)) => Crossing::WireGuard(Arc::clone(keys), other.clone()),
                (None, _) => {
                    return Ok(SetUp::LeftOut(
                        "this machine has no program `wg`".to_owned(),
                    ));
                }
                (_, None) => {
                    return Ok(SetUp::LeftOut(
                        "the other machine has no program `wg`".to_owned(),
                    ));
                }
            },
        };
        let (side, own, other) = match self.role {
            Role::Receiver => (0, 0, 1),
            Role::Sender => (1, 1, 0),
        };
        let plan = HalfPlan {
            side,
            card: self.own.card.name.clone(),
            via: self.own.via,
            own: self.address(way, own, &self.own)?,
            other: self.address(way, other, &self.other)?,
            prefix: self.choice.prefix,
            vni: self.choice.vni,
            crossing,
            quiet: !self.offloads,
        };
        Ok(match SetUp::of(Half::new(&plan))? {
            SetUp::Ready(half) => SetUp::Ready(End::of_half(way, self.role, half)),
            SetUp::LeftOut(why) => SetUp::LeftOut(why),
        })
    }

    /// Addresses of a node: the listener's (0) or the other's (1).
    fn address(&self, way: Way, which: u32, of: &Introduction) -> anyhow::Result<NodeAddress> {
        let index = Way::ALL.iter().position(|other| *other == way);
        let index = index.context("an unknown way")?;
        let offset = u32::try_from(index)? * 2 + which;
        let ip = u32::from(self.choice.first)
            .checked_add(offset)
            .context("there are not enough addresses")?;
        Ok(NodeAddress {
            ip: Ipv4Addr::from(ip),
            mac: *of.macs.get(index).context("a MAC address is missing")?,
        })
    }
}
