//! What this machine says of itself.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use monitor_lab::{Host, Mac, Via, WireGuardKeys};

use super::card::Card;
use super::message::{Introduction, VERSION};
use super::options::PairOptions;
use crate::cli::bench::encryption::way::Way;
use crate::cli::bench::report::Machine;

/// The introduction, and the keys of WireGuard whose public one is in it.
pub(super) fn introduce(
    here: &Host,
    options: &PairOptions,
    address: IpAddr,
    machine: Machine,
) -> anyhow::Result<(Introduction, Option<Arc<WireGuardKeys>>)> {
    let card = Card::find(here, options.card.as_deref(), address)?;
    let macs = match options.via {
        Via::Macvlan => (Way::ALL.iter().map(|_| Mac::random())).collect::<Result<_, _>>()?,
        Via::Ipvlan => vec![card.mac.context("the card has no MAC address")?; Way::ALL.len()],
    };
    // Without the program, or without entropy, that way is left out.
    let keys = WireGuardKeys::random(here).ok().map(Arc::new);
    let introduction = Introduction {
        version: VERSION,
        machine,
        card,
        via: options.via,
        macs,
        wireguard: keys.as_ref().map(|keys| keys.public().to_owned()),
    };
    Ok((introduction, keys))
}
