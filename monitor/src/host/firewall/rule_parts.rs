//! What a rule matches and does, wherever it was read.

use super::rules::Rules;
use super::vni_set::VniSet;

/// Where a chain sees packets, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// Packets that this host sends.
    Sent,
    /// Packets that this host receives.
    Received,
}

/// The parts of a rule that encrypt an overlay network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RuleParts {
    /// The VNIs that it matches.
    pub(super) vnis: VniSet,
    /// It sets all bits of Docker's mark.
    pub(super) marks: bool,
    /// It matches packets that came without IPsec.
    pub(super) of_cleartext: bool,
    /// It drops or rejects.
    pub(super) drops: bool,
    /// It has a match or target of iptables.
    pub(super) of_iptables: bool,
    /// It has a negation.
    pub(super) negated: bool,
    /// It has another match than Docker's rules, which narrows it.
    pub(super) narrowed: bool,
}

impl RuleParts {
    /// Whether the rule is what the networks in it need, for packets of a way.
    pub(super) fn encrypts(&self, way: Way) -> bool {
        let looks_alike = self.narrowed || self.of_iptables && self.negated;
        let acts = match way {
            Way::Sent => self.marks,
            Way::Received => self.of_cleartext && self.drops,
        };
        acts && !looks_alike
    }
}

impl Rules {
    /// Adds what a rule does for packets of a way.
    pub(super) fn add(&mut self, way: Way, rule: &RuleParts) {
        if rule.encrypts(way) {
            self.add_networks(way, &rule.vnis);
        }
    }

    /// Adds networks of a rule that encrypts.
    pub(super) fn add_networks(&mut self, way: Way, vnis: &VniSet) {
        match way {
            Way::Sent => self.marked.extend(vnis),
            Way::Received => self.refused.extend(vnis),
        }
    }

    /// Adds the rules of another source.
    pub(super) fn extend(&mut self, other: &Rules) {
        self.marked.extend(&other.marked);
        self.refused.extend(&other.refused);
    }
}
