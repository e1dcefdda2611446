//! What another process left attached for this one.

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::str::FromStr;

use monitor_common::direction::Direction;

use super::bpf_link;
use super::hook::Hook;

/// Where a link is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The hook.
    pub hook: Hook,
    /// Whether its program sees received or sent packets.
    pub direction: Direction,
    /// Index of the interface.
    pub ifindex: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = self.direction.label();
        write!(f, "{}.{direction}.{}", self.hook, self.ifindex)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(());
        let (hook, direction, ifindex) = (part()?, part()?, part()?);
        let hook = [Hook::Tcx, Hook::Xdp, Hook::XdpGeneric]
            .into_iter()
            .find(|at| at.label() == hook);
        let direction = Direction::ALL
            .into_iter()
            .find(|at| at.label() == direction);
        match (hook, direction, ifindex.parse(), parts.next()) {
            (Some(hook), Some(direction), Ok(ifindex), None) => Ok(Place {
                hook,
                direction,
                ifindex,
            }),
            _ => Err(()),
        }
    }
}

/// Links and filters that are still attached. Links that are not taken over are detached when this is dropped: the service
/// manager has them open too.
#[derive(Debug, Default)]
pub struct LeftAttached {
    links: Vec<(Place, OwnedFd)>,
    /// The token of the owner of the filters.
    owner: Option<String>,
}

impl LeftAttached {
    /// These links, and no filters.
    #[must_use]
    pub fn new(links: Vec<(Place, OwnedFd)>) -> LeftAttached {
        LeftAttached { links, owner: None }
    }

    /// Adds the filters of an owner.
    pub fn set_owner(&mut self, token: String) {
        self.owner = Some(token);
    }

    /// The link at a place.
    pub(super) fn take(&mut self, place: Place) -> Option<OwnedFd> {
        let at = self.links.iter().position(|(at, _)| *at == place)?;
        Some(self.links.swap_remove(at).1)
    }

    /// Detaches the links of one direction of an interface that are at none of these hooks.
    pub(super) fn detach_others(&mut self, ifindex: u32, direction: Direction, hooks: &[Hook]) {
        self.links.retain(|(at, link)| {
            let is_kept =
                (at.ifindex, at.direction) != (ifindex, direction) || hooks.contains(&at.hook);
            if !is_kept {
                detach(link);
            }
            is_kept
        });
    }

    pub(super) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }
}

impl Drop for LeftAttached {
    fn drop(&mut self) {
        self.links.iter().for_each(|(_, link)| detach(link));
    }
}

/// Detaches a program that is not taken over.
pub(super) fn detach(link: &OwnedFd) {
    if let Err(error) = bpf_link::detach(link.as_fd()) {
        tracing::debug!("a link of the process before this one stays until it is closed: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_name() {
        for hook in [Hook::Tcx, Hook::Xdp, Hook::XdpGeneric] {
            for direction in Direction::ALL {
                let place = Place {
                    hook,
                    direction,
                    ifindex: 4_000_000_000,
                };
                assert_eq!(place.to_string().parse(), Ok(place));
            }
        }
        for bad in [
            "",
            "tcx",
            "tcx.rx",
            "tcx.rx.",
            "tcx.rx.-1",
            "tcx.rx.1.2",
            "clsact.rx.1",
            "tcx.up.1",
        ] {
            assert_eq!(bad.parse::<Place>(), Err(()), "{bad}");
        }
    }
}
