//! How this host encrypts overlay networks, and faults of it.

use super::finding::{Finding, limited, works};
use crate::host::described_network::title;
use crate::host::facts::HostFacts;
use crate::host::firewall::MARK;
use crate::policy::cause::{Symptom, explain};
use crate::policy::{Network, Requirement};

/// Networks that are listed one by one.
const SHOWN: usize = 20;

/// IPsec, the firewall, and the rules of each network that must be encrypted.
pub(super) fn encryption(host: &HostFacts, networks: &[Network]) -> Vec<Finding> {
    let mut findings = vec![ipsec(host), firewall(host)];
    let required: Vec<&Network> = networks
        .iter()
        .filter(|network| network.required == Requirement::Required)
        .collect();
    findings.extend(
        required
            .iter()
            .take(SHOWN)
            .map(|network| rules(host, network)),
    );
    if let Some(more) = required.len().checked_sub(SHOWN).filter(|more| *more != 0) {
        findings.push(works("  networks", format!("{more} more are not shown")));
    }
    let wrong = explain(&Symptom::Esp, host, &[]);
    findings.extend(wrong.iter().map(|likely| {
        limited(
            format!("  {}", likely.cause.name().replace('_', " ")),
            likely.to_string(),
        )
    }));
    findings
}

fn ipsec(host: &HostFacts) -> Finding {
    let (states, policies) = match (&host.associations, &host.policies) {
        (Ok(states), Ok(policies)) => (states, policies),
        (Err(trouble), _) | (_, Err(trouble)) => {
            return limited(
                "IPsec of this host",
                format!("cannot be read, so causes cannot be found: {trouble}"),
            );
        }
    };
    let of_docker = states.iter().filter(|state| state.reqid == MARK).count();
    let mut means = format!(
        "{} associations ({of_docker} as Docker makes them), {} policies",
        states.len(),
        policies.len()
    );
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
    works("IPsec of this host", means)
}

fn firewall(host: &HostFacts) -> Finding {
    let firewall = &host.firewall;
    if firewall.is_complete() {
        works(
            "rules for encryption",
            format!("read from {}", firewall.read_from.join(", ")),
        )
    } else {
        limited(
            "rules for encryption",
            format!(
                "a missing rule cannot be detected with certainty: {}",
                firewall.unread.join("; ")
            ),
        )
    }
}

fn rules(host: &HostFacts, network: &Network) -> Finding {
    let what = format!("  {}", title(network.vni, &network.name));
    let rules = &host.firewall.rules;
    let (marked, refused) = (
        rules.marked.has(network.vni),
        rules.refused.has(network.vni),
    );
    let is_told = host.firewall.is_complete() || (marked && refused);
    if !is_told {
        let said = |found: bool, yes, no| if found { yes } else { no };
        return limited(
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
            what,
            "marked for IPsec when sent, dropped when received in cleartext",
        ),
        (true, false) => limited(
            what,
            "marked for IPsec when sent, but NOT dropped when received in cleartext (CVE-2023-28840); restart Docker",
        ),
        (false, true) => limited(
            what,
            "NOT marked for IPsec: this host sends cleartext (CVE-2023-28841); restart Docker",
        ),
        (false, false) => limited(
            what,
            "no rule on this host: correct only while no container of this network runs here, cleartext otherwise",
        ),
    }
}
