//! Interfaces of this network namespace: what there is, which of them the user means, and what changes.

mod address;
mod changes;
mod link;
mod pattern;
mod route;
mod select;

use anyhow::anyhow;

use crate::failure::Failure;

pub use address::addresses;
pub use changes::Changes;
pub(crate) use changes::Watch;
pub use link::{Kind, Link, links};
pub use pattern::Pattern;
pub use route::default_routes;
pub use select::{Selected, Selection};

/// What a frame on an interface begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLayer {
    /// An Ethernet header.
    Ethernet,
    /// The IP header itself: tun, PPP, cellular modems, tunnels of IP in IP.
    Ip,
}

/// `ARPHRD_…` (`include/uapi/linux/if_arp.h`): types whose frames begin with an Ethernet header.
const ETHERNET: [u16; 2] = [1, 772];
/// Types whose frames begin with the IP header where TC sees them: PPP, raw IP, IP in IP (v4, v6), SIT, GRE (v4, v6),
/// none at all (tun, WireGuard).
const RAW_IP: [u16; 8] = [512, 519, 768, 769, 776, 778, 823, 65534];

impl LinkLayer {
    /// By the hardware type of an interface (`ARPHRD_…`); `None` if it is one that cannot be watched.
    #[must_use]
    pub fn of(hardware: u16) -> Option<LinkLayer> {
        if ETHERNET.contains(&hardware) {
            Some(LinkLayer::Ethernet)
        } else if RAW_IP.contains(&hardware) {
            Some(LinkLayer::Ip)
        } else {
            None
        }
    }
}

/// A network interface that can be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name when it was looked up.
    pub name: String,
    /// Its index, which a rename does not change.
    pub index: u32,
    link_layer: LinkLayer,
}

impl Interface {
    /// An interface with a link layer that can be watched; `None` for another.
    #[must_use]
    pub fn new(name: &str, index: u32, hardware: u16) -> Option<Interface> {
        Some(Interface {
            name: name.to_owned(),
            index,
            link_layer: LinkLayer::of(hardware)?,
        })
    }

    /// Looks a name up.
    ///
    /// # Errors
    /// A usage failure that lists the interfaces there are, or says that it cannot be watched.
    pub fn by_name(name: &str) -> Result<Interface, Failure> {
        let links = list()?;
        let link = links
            .iter()
            .find(|link| link.is_called(name))
            .ok_or_else(|| unknown(name, &links))?;
        link.interface().ok_or_else(|| unwatchable(link))
    }

    /// What its frames begin with.
    #[must_use]
    pub fn link_layer(&self) -> LinkLayer {
        self.link_layer
    }
}

/// All interfaces of this network namespace.
///
/// # Errors
/// A runtime failure, if the kernel does not list them.
pub fn list() -> Result<Vec<Link>, Failure> {
    links().map_err(|error| Failure::runtime(anyhow!(error).context("cannot list the interfaces")))
}

/// There is no interface of this name.
pub(crate) fn unknown(name: &str, links: &[Link]) -> Failure {
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    Failure::usage(anyhow!(
        "no interface {name:?} here; there are: {}. Name one with -i",
        names.join(", ")
    ))
}

/// There is one, but its frames are not understood.
pub(crate) fn unwatchable(link: &Link) -> Failure {
    Failure::usage(anyhow!(
        "interface {} cannot be watched: its frames begin neither with an Ethernet nor with an IP header (link type {})",
        link.name,
        link.hardware
    ))
}
