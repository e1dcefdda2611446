//! Interfaces by name, and the errors for names that cannot be used.

use anyhow::anyhow;

use super::link_list::{Link, links};
use crate::base::failure::Failure;
use crate::base::interface::Interface;

impl Interface {
    /// The interface of this name or alternative name.
    ///
    /// # Errors
    /// A usage failure, if there is none (the message lists those that exist) or it cannot be watched; a runtime
    /// failure, if the kernel does not list the interfaces.
    pub fn by_name(name: &str) -> Result<Interface, Failure> {
        let links = list()?;
        let link = links
            .iter()
            .find(|link| link.is_called(name))
            .ok_or_else(|| unknown(name, &links))?;
        link.interface().ok_or_else(|| unwatchable(link))
    }
}

/// [`links`], with the error as a [`Failure`].
///
/// # Errors
/// A runtime failure, if the kernel does not list the interfaces.
pub fn list() -> Result<Vec<Link>, Failure> {
    links().map_err(|error| Failure::runtime(anyhow!(error).context("cannot list the interfaces")))
}

/// The usage failure for a name that no interface has.
pub(super) fn unknown(name: &str, links: &[Link]) -> Failure {
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    Failure::usage(anyhow!(
        "no interface {name:?} here; name one with -i: {}",
        names.join(", ")
    ))
}

/// The usage failure for the device of an overlay, which names the device below it.
pub(super) fn inside(link: &Link, links: &[Link]) -> Failure {
    let below = link.overlay.and_then(|overlay| overlay.below);
    let below = below.and_then(|index| links.iter().find(|link| link.index == index));
    let instead = match below {
        Some(below) => format!("watch {} below it: -i {}", below.name, below.name),
        None => {
            "watch the interface of the route to the other nodes, such as -i default".to_owned()
        }
    };
    Failure::usage(anyhow!(
        "interface {} is a VXLAN or Geneve device: it carries what is inside the overlay, and the overlay's packets are on \
         the interface between the nodes; {instead}",
        link.name
    ))
}

/// The usage failure for an interface whose frames are not understood.
pub(super) fn unwatchable(link: &Link) -> Failure {
    Failure::usage(anyhow!(
        "interface {} cannot be watched: its frames begin neither with an Ethernet nor with an IP header (link type {})",
        link.name,
        link.hardware
    ))
}
