//! Causes: why an overlay network is not encrypted as it should be, or does not get through.

use std::fmt;

/// Why. In the order in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// A network card encrypts, after what we see.
    CardEncrypts,
    /// Nothing on this host encrypts anything.
    NothingSetUp,
    /// The rule that marks the network's datagrams is missing.
    NoMarkingRule,
    /// Not all of the firewall can be read, so that nobody can tell whether the network's rules are there.
    FirewallUnread,
    /// There is no policy that takes marked datagrams to this node.
    NoPolicy,
    /// An association has the NULL cipher.
    NullCipher,
    /// Rule, policy and association are all there.
    AllInPlace,
    /// The other node, which speaks ESP with this one, sends cleartext.
    PeerSendsCleartext,
    /// The sender is no node that this one encrypts with.
    Stranger,
    /// The rule that refuses cleartext is missing.
    NoRefusingRule,
    /// The other node computes SPIs in another way.
    MixedVersions,
    /// ESP comes for which this host has no association.
    NoInboundState,
    /// ESP is sent, and none comes back.
    Blocked,
    /// Sequence numbers are nearly used up, or are.
    SequenceNumbers,
    /// Packets of ESP are lost on the way.
    Loss,
    /// Packets fail the integrity check.
    Integrity,
    /// Packets of ESP do not fit the interface.
    Fragments,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Cause; 17] = [
        Cause::CardEncrypts,
        Cause::NothingSetUp,
        Cause::NoMarkingRule,
        Cause::FirewallUnread,
        Cause::NoPolicy,
        Cause::NullCipher,
        Cause::AllInPlace,
        Cause::PeerSendsCleartext,
        Cause::Stranger,
        Cause::NoRefusingRule,
        Cause::MixedVersions,
        Cause::NoInboundState,
        Cause::Blocked,
        Cause::SequenceNumbers,
        Cause::Loss,
        Cause::Integrity,
        Cause::Fragments,
    ];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Cause::CardEncrypts => "card_encrypts",
            Cause::NothingSetUp => "nothing_set_up",
            Cause::NoMarkingRule => "no_marking_rule",
            Cause::FirewallUnread => "firewall_unread",
            Cause::NoPolicy => "no_policy",
            Cause::NullCipher => "null_cipher",
            Cause::AllInPlace => "all_in_place",
            Cause::PeerSendsCleartext => "peer_sends_cleartext",
            Cause::Stranger => "stranger",
            Cause::NoRefusingRule => "no_refusing_rule",
            Cause::MixedVersions => "mixed_versions",
            Cause::NoInboundState => "no_inbound_state",
            Cause::Blocked => "blocked",
            Cause::SequenceNumbers => "sequence_numbers",
            Cause::Loss => "loss",
            Cause::Integrity => "integrity",
            Cause::Fragments => "fragments",
        }
    }

    /// What it means, and what to do.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Cause::CardEncrypts => {
                "a network card encrypts after what can be seen here, so this may be no cleartext on the wire"
            }
            Cause::NothingSetUp => {
                "nothing on this host encrypts: no marking rule, no IPsec policy; was the network made with --opt encrypted?"
            }
            Cause::NoMarkingRule => {
                "the rule that marks this network's datagrams for IPsec is missing (a firewall was reloaded, or the kernel \
                 lacks xt_u32 or xt_bpf: CVE-2023-28841); restart Docker, and look into its log"
            }
            Cause::FirewallUnread => {
                "this host's firewall could not be read, so whether the rules for this network are there is not known; look at them \
                 with nft list ruleset and iptables-save"
            }
            Cause::NoPolicy => {
                "datagrams are marked, but no IPsec policy takes them to that node; restart Docker here"
            }
            Cause::NullCipher => {
                "an IPsec association authenticates without encrypting (NULL cipher): everybody can read it; whoever set it up must name a cipher"
            }
            Cause::AllInPlace => {
                "marking rule, policy and association are in place now: it was for a moment, or another rule takes the mark away"
            }
            Cause::PeerSendsCleartext => {
                "that node encrypts with this one and sent cleartext: its marking rule is missing, or somebody writes its \
                 address on datagrams of his own (CVE-2023-28842); run `overlay-monitor check` there"
            }
            Cause::Stranger => {
                "the sender is no node that this host encrypts with: datagrams of a stranger, injected into the network (CVE-2023-28840); \
                 close the VXLAN port to all but the nodes"
            }
            Cause::NoRefusingRule => {
                "the rule that refuses this network's cleartext is missing, so that it is taken in; restart Docker here"
            }
            Cause::MixedVersions => {
                "that node computes its SPIs in another form, so each side drops the other's packets; bring all nodes to one version of Docker"
            }
            Cause::NoInboundState => {
                "ESP arrives for which this host has no association, and is dropped; keys of the two nodes differ: restart Docker on the one that was away"
            }
            Cause::Blocked => {
                "ESP is sent to that node and none comes back: a firewall on the path may let no IP protocol 50 through"
            }
            Cause::SequenceNumbers => {
                "an association's 2^32 sequence numbers run out before its keys are changed; then packets are dropped silently; rotate keys more often"
            }
            Cause::Loss => "packets of ESP are lost on the way to this node",
            Cause::Integrity => {
                "packets of ESP fail the integrity check: keys differ, or somebody changes or invents them"
            }
            Cause::Fragments => {
                "packets of ESP do not fit the interface, or the path, and go in fragments; make the network with a smaller MTU (--opt com.docker.network.driver.mtu)"
            }
        }
    }
}

/// A cause, and what speaks for it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likely {
    /// Why.
    pub cause: Cause,
    /// What was found: numbers, addresses and our own words. Empty where there is nothing to add.
    pub detail: String,
}

impl Likely {
    pub(super) fn new(cause: Cause, detail: impl Into<String>) -> Likely {
        Likely {
            cause,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Likely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.sentence())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_has_a_name_of_its_own_and_says_something() {
        let names: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
            assert!(!cause.sentence().ends_with('.') && !cause.sentence().contains("  "));
        }
    }
}
