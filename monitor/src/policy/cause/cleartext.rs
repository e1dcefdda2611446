//! Causes of cleartext in a network that must be encrypted.

use std::net::IpAddr;

use super::catalogue::{Cause, Likely};
use super::esp_faults::null_cipher;
use crate::host::facts::HostFacts;
use crate::host::firewall::Firewall;
use crate::host::ipsec::SecurityAssociation;

pub(super) fn sent(vni: u32, peer: Option<IpAddr>, host: &HostFacts) -> Vec<Likely> {
    if is_bare(host) {
        return vec![Likely::new(Cause::NothingSetUp, "")];
    }
    let mut causes = Vec::new();
    let to: Vec<&SecurityAssociation> = match peer {
        Some(peer) => host.esp_to(peer).collect(),
        None => host.esp_associations().collect(),
    };
    causes.extend(null_cipher(to.iter().copied()));
    let by_card =
        |state: &&SecurityAssociation| state.offload.is_some_and(|offload| offload.packet);
    if to.iter().any(by_card) {
        causes.push(Likely::new(Cause::CardEncrypts, ""));
    }
    let firewall = &host.firewall;
    let marked = &firewall.rules.marked;
    let no_policy = host.policies.is_ok() && !host.has_policy_to(peer);
    if marked.has(vni) {
        if no_policy {
            let to = peer.map(|peer| format!("to {peer}")).unwrap_or_default();
            causes.push(Likely::new(Cause::NoPolicy, to));
        } else if causes.is_empty() {
            causes.push(Likely::new(Cause::AllInPlace, ""));
        }
    } else if !firewall.is_complete() {
        causes.push(unread(firewall));
    } else if marked.is_empty() && no_policy && !host.has_policy_to(None) {
        causes.push(Likely::new(Cause::NothingSetUp, ""));
    } else {
        let others = if marked.is_empty() {
            "no network on this host has one"
        } else {
            "other networks on this host have theirs"
        };
        causes.push(Likely::new(Cause::NoMarkingRule, others));
    }
    causes
}

pub(super) fn received(vni: u32, peer: Option<IpAddr>, host: &HostFacts) -> Vec<Likely> {
    let mut causes = Vec::new();
    let firewall = &host.firewall;
    if is_bare(host) {
        return vec![Likely::new(Cause::NothingSetUp, "")];
    }
    let refused = firewall.rules.refused.has(vni);
    if let Some(peer) = peer {
        causes.extend(null_cipher(host.esp_from(peer)));
        let dropped = if refused { "; dropped here" } else { "" };
        match &host.associations {
            // All of its ESP is cleartext: that explains the symptom without a missing rule.
            Ok(_)
                if !causes.is_empty()
                    && host.esp_from(peer).all(SecurityAssociation::is_readable) => {}
            Ok(_) if host.esp_from(peer).next().is_some() => {
                causes.push(Likely::new(
                    Cause::PeerSendsCleartext,
                    format!("{peer}{dropped}"),
                ));
            }
            Ok(_) => causes.push(Likely::new(Cause::Stranger, format!("{peer}{dropped}"))),
            Err(trouble) => causes.push(Likely::new(
                Cause::PeerSendsCleartext,
                format!(
                    "{peer}{dropped}; its associations with this host cannot be read: {trouble}"
                ),
            )),
        }
    }
    // No plugin of Kubernetes makes such a rule.
    if !refused && !host.platform.is_kubernetes() {
        causes.push(if firewall.is_complete() {
            Likely::new(Cause::NoRefusingRule, "")
        } else {
            unread(firewall)
        });
    }
    causes
}

/// Whether this host certainly has nothing that encrypts: no rule, no policy, no association. Then a sender of
/// cleartext is not called a stranger, and what was sent and what was received have one cause. Only Docker makes rules.
fn is_bare(host: &HostFacts) -> bool {
    let Firewall { rules, .. } = &host.firewall;
    (host.firewall.is_complete() || host.platform.is_kubernetes())
        && rules.marked.is_empty()
        && rules.refused.is_empty()
        && host.policies.is_ok()
        && !host.has_policy_to(None)
        && host.associations.is_ok()
        && host.esp_associations().next().is_none()
}

/// A rule that was not found in an incompletely read firewall is not called missing.
fn unread(firewall: &Firewall) -> Likely {
    Likely::new(Cause::FirewallUnread, firewall.unread.join("; "))
}
