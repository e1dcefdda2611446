//! Interfaces of this network namespace: what there is, which of them the user means, and what changes.

mod address;
mod changes;
mod link;
mod pattern;
mod route;
mod select;

use anyhow::anyhow;

use crate::base::failure::Failure;
use crate::base::interface::Interface;

pub use address::addresses;
pub use changes::Changes;
pub(crate) use changes::Events;
pub use link::{Kind, Link, links};
pub use pattern::Pattern;
pub use route::default_routes;
pub use select::{Selected, Selection};

impl Interface {
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
