//! All causes: their names, and what each means.

use std::fmt;

use crate::host::platform::Platform;

/// A cause. The order is that in which they are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Cause {
    /// A network card encrypts after the hook.
    CardEncrypts,
    /// Nothing on this host encrypts.
    NothingSetUp,
    /// The rule that marks the network's datagrams is missing.
    NoMarkingRule,
    /// The firewall could not be read completely, so a rule that was not found may exist.
    FirewallUnread,
    /// No IPsec policy covers marked datagrams to this node.
    NoPolicy,
    /// An association has the NULL cipher.
    NullCipher,
    /// Rule, policy and association all exist.
    AllInPlace,
    /// The other node speaks ESP with this one and sends cleartext.
    PeerSendsCleartext,
    /// This host has no association with the sender: a node that cannot encrypt, or no node at all.
    Stranger,
    /// The rule that drops cleartext is missing.
    NoRefusingRule,
    /// The other node computes SPIs by another formula.
    MixedVersions,
    /// ESP arrives for which this host has no association.
    NoInboundState,
    /// ESP is sent, and none is received.
    Blocked,
    /// Sequence numbers are used up, or nearly so.
    SequenceNumbers,
    /// ESP packets are lost on the path.
    Loss,
    /// ESP packets fail the integrity check.
    Integrity,
    /// ESP packets do not fit the interface.
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

    /// Its name. `check` shows it with spaces.
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

    /// What it means.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Cause::CardEncrypts => {
                "a network card encrypts after the point where the agent sees the packets, so there may be no cleartext on the wire"
            }
            Cause::NothingSetUp => "nothing on this host encrypts: it has no IPsec policy",
            Cause::NoMarkingRule => {
                "the rule that marks this network's datagrams for IPsec is missing (a firewall was reloaded, or the kernel \
                 lacks xt_u32 or xt_bpf: CVE-2023-28841)"
            }
            Cause::FirewallUnread => {
                "this host's firewall could not be read, so a rule for this network may exist"
            }
            Cause::NoPolicy => "datagrams are marked, but no IPsec policy covers that node",
            Cause::NullCipher => {
                "an IPsec association authenticates without encrypting (NULL cipher): anyone on the path can read it"
            }
            Cause::AllInPlace => {
                "marking rule, policy and association exist now: the fault was temporary, or another rule removes the mark"
            }
            Cause::PeerSendsCleartext => {
                "that node encrypts with this one and sent cleartext: its marking rule is missing, or its address is forged \
                 (CVE-2023-28842)"
            }
            Cause::Stranger => {
                "this host has no IPsec association with the sender: either it is a node that cannot encrypt (a Windows node, or \
                 a kernel without ESP), or the datagrams are injected (CVE-2023-28840)"
            }
            Cause::NoRefusingRule => {
                "the rule that drops this network's cleartext is missing, so cleartext is accepted"
            }
            Cause::MixedVersions => {
                "that node computes its SPIs by another formula, so each node drops the other's packets"
            }
            Cause::NoInboundState => {
                "ESP arrives for which this host has no association, and is dropped: the keys of the two nodes differ"
            }
            Cause::Blocked => {
                "ESP is sent to that node and none is received: a firewall on the path may drop IP protocol 50"
            }
            Cause::SequenceNumbers => {
                "an association runs out of its 2^32 sequence numbers before its keys are changed, and then drops packets silently"
            }
            Cause::Loss => "ESP packets to this node are lost on the path",
            Cause::Integrity => {
                "ESP packets fail the integrity check: the keys differ, or the packets were altered or forged"
            }
            Cause::Fragments => {
                "ESP packets do not fit the interface or the path, and are fragmented"
            }
        }
    }

    /// What to do on a host of this platform; `None` if nothing on this host would help.
    #[must_use]
    pub fn remedy(self, platform: Platform) -> Option<String> {
        let is_docker = platform == Platform::Docker;
        let or_else =
            |docker: &str, other: &str| Some(if is_docker { docker } else { other }.to_owned());
        match self {
            Cause::NothingSetUp => match platform {
                Platform::Docker => or_else(
                    "check that the network was created with --opt encrypted",
                    "",
                ),
                other => Some(format!("to encrypt: {}", other.how_to_encrypt())),
            },
            Cause::NoMarkingRule => or_else(
                "restart Docker, and read its log",
                "load the rule again; with Docker, restart it, and read its log",
            ),
            Cause::FirewallUnread => {
                Some("list the rules with nft list ruleset and iptables-save".to_owned())
            }
            Cause::NoPolicy | Cause::NoRefusingRule => or_else(
                "restart Docker on this node",
                "set up IPsec of this node again",
            ),
            Cause::NullCipher => Some("configure a cipher".to_owned()),
            Cause::PeerSendsCleartext => Some("run `overlay-monitor check` there".to_owned()),
            Cause::Stranger => Some(format!(
                "{}, and if this host also sends to it in this network: then run `overlay-monitor check` there; if not, \
                 close the VXLAN port to all but the nodes",
                platform.is_node_if()
            )),
            Cause::MixedVersions => Some("bring all nodes to one version of Docker".to_owned()),
            Cause::NoInboundState => or_else(
                "restart Docker on the node that was offline",
                "set up IPsec again on the node that was offline",
            ),
            Cause::Blocked => Some("allow it".to_owned()),
            Cause::SequenceNumbers => Some("rotate keys more often".to_owned()),
            Cause::Fragments => or_else(
                "create the network with a smaller MTU (--opt com.docker.network.driver.mtu)",
                "give the network a smaller MTU",
            ),
            Cause::CardEncrypts | Cause::AllInPlace | Cause::Loss | Cause::Integrity => None,
        }
    }
}

/// A cause, and the evidence for it on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Likely {
    /// The cause.
    pub cause: Cause,
    /// Evidence: numbers, addresses and our own words. Empty if there is none to add.
    pub detail: String,
    /// What makes the networks of this host.
    pub platform: Platform,
}

/// Pieces of evidence that are listed for one cause.
pub(super) const LISTED: usize = 3;

impl Likely {
    pub(super) fn new(cause: Cause, detail: impl Into<String>) -> Likely {
        Likely {
            cause,
            detail: detail.into(),
            platform: Platform::Unknown,
        }
    }

    /// A cause with the first pieces of evidence and the number of further ones; `None` without any.
    pub(super) fn listing(cause: Cause, evidence: &[String]) -> Option<Likely> {
        if evidence.is_empty() {
            return None;
        }
        let mut detail = evidence[..evidence.len().min(LISTED)].join(", ");
        let more = evidence.len().saturating_sub(LISTED);
        if more != 0 {
            detail.push_str(&format!(", and {more} more"));
        }
        Some(Likely::new(cause, detail))
    }
}

impl fmt::Display for Likely {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.sentence())?;
        if let Some(remedy) = self.cause.remedy(self.platform) {
            write!(f, "; {remedy}")?;
        }
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
    fn each_has_a_name_of_its_own_and_a_sentence() {
        let names: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
            for platform in PLATFORMS {
                let likely = Likely {
                    platform,
                    ..Likely::new(cause, "")
                };
                let text = likely.to_string();
                assert!(!text.ends_with('.') && !text.contains("  "), "{text}");
            }
        }
    }

    const PLATFORMS: [Platform; 5] = [
        Platform::Docker,
        Platform::Flannel,
        Platform::Calico,
        Platform::Cilium,
        Platform::Unknown,
    ];

    #[test]
    fn a_host_of_kubernetes_gets_no_advice_for_docker() {
        for cause in Cause::ALL {
            // Only Docker's formula and rules have these.
            if matches!(
                cause,
                Cause::MixedVersions | Cause::NoMarkingRule | Cause::NoRefusingRule
            ) {
                continue;
            }
            for platform in PLATFORMS.into_iter().filter(|at| at.is_kubernetes()) {
                let remedy = cause.remedy(platform).unwrap_or_default();
                assert!(
                    !remedy.to_lowercase().contains("docker"),
                    "{cause:?}: {remedy}"
                );
            }
        }
    }
}
