//! How this host encrypts overlay networks, and faults of it.

use std::collections::BTreeSet;

use super::finding::{Check, Finding, failed, limited, works};
use crate::base::plural::counted;
use crate::host::described_network::title;
use crate::host::facts::HostFacts;
use crate::host::firewall::MARK;
use crate::host::platform::Platform;
use crate::policy::cause::{Symptom, explain};
use crate::policy::{Network, Requirement, Source};

/// Networks that text lists one by one, beside those that failed.
pub(super) const SHOWN: usize = 20;

/// IPsec, the firewall, and the rules of each network that must be encrypted.
/// At most `limit` networks that did not fail are listed.
/// `idle` are those that certainly have no container here.
pub(super) fn encryption(
    host: &HostFacts,
    networks: &[Network],
    idle: &BTreeSet<u32>,
    limit: usize,
) -> Vec<Finding> {
    let mut findings = vec![ipsec(host), firewall(host)];
    let required: Vec<&Network> = networks
        .iter()
        .filter(|network| network.required == Requirement::Required)
        .collect();
    findings.extend(listed(
        required
            .iter()
            .map(|network| rules(host, network, idle.contains(&network.vni)).of(network.vni))
            .collect(),
        limit,
    ));
    let wrong = explain(&Symptom::Esp, host, &[]);
    findings.extend(wrong.iter().map(|likely| {
        limited(
            Check::IpsecFault,
            format!("  {}", likely.cause.name().replace('_', " ")),
            likely.to_string(),
        )
    }));
    findings
}

/// All findings that failed, the first `limit` others, and the number of those that are left out.
fn listed(all: Vec<Finding>, limit: usize) -> Vec<Finding> {
    let (mut shown, mut others) = (Vec::new(), 0);
    for finding in all {
        let is_shown = finding.outcome.fails() || others < limit;
        others += usize::from(!finding.outcome.fails());
        if is_shown {
            shown.push(finding);
        }
    }
    if let Some(more) = others.checked_sub(limit).filter(|more| *more != 0) {
        shown.push(works(
            Check::NetworkRules,
            "  networks",
            format!("{more} more are not shown"),
        ));
    }
    shown
}

fn ipsec(host: &HostFacts) -> Finding {
    let (states, policies) = match (&host.associations, &host.policies) {
        (Ok(states), Ok(policies)) => (states, policies),
        (Err(trouble), _) | (_, Err(trouble)) => {
            return limited(
                Check::Ipsec,
                "IPsec of this host",
                format!("cannot be read, so causes cannot be found: {trouble}"),
            );
        }
    };
    let of_docker = states.iter().filter(|state| state.reqid == MARK).count();
    let mut means = counted(states.len(), "association");
    if host.platform == Platform::Docker {
        means.push_str(&format!(" ({of_docker} as Docker makes them)"));
    }
    means.push_str(&format!(", {}", counted(policies.len(), "policy")));
    let dropped: Vec<String> = host
        .errors
        .iter()
        .map(|(reason, count)| format!("{} {count}", reason.name()))
        .collect();
    if !dropped.is_empty() {
        means.push_str(&format!(
            "; packets dropped since the host started: {}",
            dropped.join(", ")
        ));
    }
    works(Check::Ipsec, "IPsec of this host", means)
}

fn firewall(host: &HostFacts) -> Finding {
    let firewall = &host.firewall;
    if firewall.is_complete() {
        works(
            Check::Firewall,
            "rules for encryption",
            format!("read from {}", firewall.read_from.join(", ")),
        )
    } else {
        limited(
            Check::Firewall,
            "rules for encryption",
            format!(
                "a missing rule cannot be detected with certainty: {}",
                firewall.unread.join("; ")
            ),
        )
    }
}

/// A network of a plugin that makes no rule for each network.
fn without_rules(host: &HostFacts, what: String) -> Finding {
    match &host.policies {
        Err(trouble) => limited(
            Check::NetworkRules,
            what,
            format!("whether this host encrypts it is unknown: {trouble}"),
        ),
        Ok(_) if host.has_policy_to(None) => works(
            Check::NetworkRules,
            what,
            "an IPsec policy of this host covers VXLAN; the packets show whether it is used",
        ),
        Ok(_) => failed(
            Check::NetworkRules,
            what,
            format!(
                "NOT encrypted: this host has no IPsec policy; to encrypt: {}",
                host.platform.how_to_encrypt()
            ),
        ),
    }
}

fn rules(host: &HostFacts, network: &Network, is_idle: bool) -> Finding {
    let what = format!("  {}", title(network.vni, &network.name));
    let rules = &host.firewall.rules;
    let (marked, refused) = (
        rules.marked.has(network.vni),
        rules.refused.has(network.vni),
    );
    let is_of_docker = network.source == Source::Docker || marked || refused;
    if host.platform.is_kubernetes() && !is_of_docker {
        return without_rules(host, what);
    }
    let is_known = host.firewall.is_complete() || (marked && refused);
    if !is_known {
        let said = |found: bool, yes, no| if found { yes } else { no };
        return limited(
            Check::NetworkRules,
            what,
            format!(
                "{}; {}",
                said(
                    marked,
                    "marked for IPsec when sent",
                    "whether it is marked for IPsec is unknown"
                ),
                said(
                    refused,
                    "dropped when received in cleartext",
                    "whether its cleartext is dropped is unknown"
                ),
            ),
        );
    }
    match (marked, refused) {
        (true, true) => works(
            Check::NetworkRules,
            what,
            "marked for IPsec when sent, dropped when received in cleartext",
        ),
        (true, false) => limited(
            Check::NetworkRules,
            what,
            "marked for IPsec when sent, but NOT dropped when received in cleartext (CVE-2023-28840); restart Docker",
        ),
        (false, true) => failed(
            Check::NetworkRules,
            what,
            "NOT marked for IPsec: this host sends cleartext (CVE-2023-28841); restart Docker",
        ),
        (false, false) if is_idle => works(
            Check::NetworkRules,
            what,
            "no rule on this host, which has no container of this network; Docker makes the rules with the first one",
        ),
        (false, false) => failed(
            Check::NetworkRules,
            what,
            "NOT marked for IPsec, and cleartext is accepted: this host has no rule for it, and sends cleartext as soon as a \
             container of this network runs here; restart Docker",
        ),
    }
}
