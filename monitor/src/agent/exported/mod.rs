//! Which networks and nodes have series of their own, so that strangers who forge them cannot make a page grow without
//! bound.

mod chosen;
mod fold;
mod networks;
mod nodes;

pub(super) use networks::{ExportedNetworks, TrafficSeries};
pub(super) use nodes::ExportedNodes;

use std::sync::Arc;

use crate::traffic::counted::Counted;

/// The choice, and the sums of the others.
#[derive(Debug)]
pub(super) struct Exported {
    pub(super) networks: ExportedNetworks,
    pub(super) nodes: ExportedNodes,
}

impl Exported {
    /// At most so many networks that nothing describes have series.
    pub(super) fn new(unknown_networks: usize) -> Exported {
        Exported {
            networks: ExportedNetworks::new(unknown_networks),
            nodes: ExportedNodes::default(),
        }
    }

    /// Sums the rows without series in "other", and sorts what is left.
    pub(super) fn apply(
        &mut self,
        counted: &mut Counted,
        is_described: impl Fn(u32) -> bool,
        is_known: impl Fn(std::net::IpAddr) -> bool,
    ) {
        self.networks.apply(counted, is_described);
        self.nodes.apply(counted, is_known);
        counted.sort();
    }

    /// What was counted under one name of an interface is counted under another one from now on.
    pub(super) fn interface_renamed(&mut self, from: &str, to: &Arc<str>) {
        self.networks.interface_renamed(from, to);
        self.nodes.interface_renamed(from, to);
    }
}
