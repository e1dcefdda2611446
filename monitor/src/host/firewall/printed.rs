//! What a program printed of the firewall.

use std::collections::BTreeSet;

use super::rules::Rules;

/// Version of IP that rules are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

/// Where iptables keeps its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// In nftables.
    Nft,
    /// In tables of its own.
    Legacy,
}

/// What a program printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Printed {
    /// Docker's rules.
    pub(super) rules: Rules,
    /// The kind of iptables that printed, where its output shows it.
    pub(super) kind: Option<Kind>,
    /// Versions of IP for which nftables has rules that iptables made, and of which nft prints no matches.
    pub(super) of_iptables: BTreeSet<Family>,
}
