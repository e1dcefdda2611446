//! The findings as text and as JSON, on hosts built by hand.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::*;
use crate::base::privileges::{Capabilities, NEEDED};
use crate::base::udp_ports::UdpPorts;
use crate::host::firewall::{Firewall, Rules, vnis_of};
use crate::host::ipsec::XfrmError;
use crate::host::platform::Platform;
use crate::policy::{NetworkKind, Requirement, Source};

fn network(vni: u32, name: &str) -> Network {
    Network {
        vni,
        name: name.to_owned(),
        required: Requirement::Required,
        source: Source::Docker,
        kind: NetworkKind::Overlay,
    }
}

/// A host that encrypts, on which some rules are missing.
fn host() -> HostFacts {
    HostFacts {
        associations: Ok(Vec::new()),
        policies: Ok(Vec::new()),
        firewall: Firewall {
            rules: Rules {
                marked: vnis_of(&[4097, 4098]),
                refused: vnis_of(&[4097, 4099]),
            },
            read_from: vec!["nf_tables"],
            unread: Vec::new(),
        },
        errors: BTreeMap::from([(XfrmError::InNoStates, 7)]),
        addresses: BTreeSet::new(),
        mtus: vec![("eth0".to_owned(), 1400)],
        decrypted_unseen: false,
        udp_ports: UdpPorts::default(),
        platform: Platform::Docker,
    }
}

fn findings(host: &HostFacts) -> Vec<Finding> {
    let networks: Vec<Network> = [
        (4097, "complete"),
        (4098, "accepts\u{1b}[2J"),
        (4099, "unmarked"),
        (4100, "idle"),
        (4101, "bare"),
    ]
    .map(|(vni, name)| network(vni, name))
    .into();
    encryption::encryption(host, &networks, &BTreeSet::from([4100]), encryption::SHOWN)
}

fn text(findings: &[Finding]) -> String {
    findings
        .iter()
        .map(|finding| format!("{finding}\n"))
        .collect()
}

#[test]
fn each_state_of_the_rules_has_its_line() {
    let text = text(&findings(&host()));
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    insta::assert_snapshot!("rules", text);
}

#[test]
fn what_cannot_be_read_is_never_called_missing() {
    let mut host = host();
    host.associations = Err("permission denied; grant CAP_NET_ADMIN".to_owned());
    host.firewall.unread = vec!["nf_tables: permission denied; grant CAP_NET_ADMIN".to_owned()];
    insta::assert_snapshot!("unread", text(&findings(&host)));
}

#[test]
fn the_json_has_the_same_findings() {
    let objects: Vec<String> = findings(&host())
        .iter()
        .map(|finding| finding.json().unwrap())
        .collect();
    insta::assert_snapshot!("json", objects.join("\n"));
}

#[test]
fn capabilities_are_named_and_what_is_missing_too() {
    let lines = [
        privileges::privileges(&Capabilities::of(NEEDED)),
        privileges::privileges(&Capabilities::of([caps::Capability::CAP_NET_ADMIN])),
        privileges::privileges(&Capabilities::of([])),
        privileges::privileges(&Capabilities::of(caps::all())),
    ];
    insta::assert_snapshot!("privileges", text(&lines));
}
