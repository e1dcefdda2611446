//! The known networks: those configured, and those that Docker reports.

use std::collections::BTreeMap;

use monitor_common::map_size::NETWORKS;
use monitor_common::wire::VNI_MAX;

use crate::base::plural::counted;
use crate::host::described_network::{NAME_MAX, Network, Requirement};
use crate::kernel::Attribution;

/// The known networks, one for each VNI.
///
/// The command line and the configuration file override Docker; a name or a kind that they do not give is taken from
/// Docker. At most [`NETWORKS`] are kept, those that must be encrypted first, because each gets rows in maps of a fixed
/// size.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    configured: Vec<Network>,
    docker: Vec<Network>,
    known: BTreeMap<u32, Network>,
    left_out: usize,
    version: u64,
}

impl Networks {
    /// The networks of command line and configuration file, each VNI once.
    #[must_use]
    pub fn new(configured: Vec<Network>) -> Networks {
        let mut networks = Networks {
            configured,
            ..Networks::default()
        };
        networks.merge();
        networks
    }

    /// Replaces the networks that Docker reports. Returns whether the known networks changed.
    pub fn set_docker(&mut self, networks: Vec<Network>) -> bool {
        if networks == self.docker {
            return false;
        }
        self.docker = networks;
        self.merge_again()
    }

    /// Replaces the networks of command line and configuration file. Returns whether the known networks changed.
    pub fn set_configured(&mut self, networks: Vec<Network>) -> bool {
        self.configured = networks;
        self.merge_again()
    }

    fn merge_again(&mut self) -> bool {
        let before = std::mem::take(&mut self.known);
        self.merge();
        if before == self.known {
            return false;
        }
        self.version += 1;
        if self.left_out != 0 {
            tracing::warn!(
                "ignored {}: at most {NETWORKS} can be known",
                counted(self.left_out, "network")
            );
        }
        true
    }

    fn merge(&mut self) {
        let mut known = BTreeMap::<u32, Network>::new();
        for network in &self.docker {
            if network.vni > VNI_MAX || network.name.len() > NAME_MAX {
                continue;
            }
            // Docker gives a VNI to one network only. If it ever does not, the stricter one is kept.
            let stricter = known
                .get(&network.vni)
                .is_none_or(|other| network.required < other.required);
            if stricter {
                known.insert(network.vni, network.clone());
            }
        }
        for network in &self.configured {
            let mut network = network.clone();
            if let Some(reported) = known.get(&network.vni) {
                network.kind = reported.kind;
                if network.name.is_empty() {
                    network.name.clone_from(&reported.name);
                }
            }
            known.insert(network.vni, network);
        }
        self.left_out = known.len().saturating_sub(NETWORKS);
        if self.left_out != 0 {
            let mut order: Vec<_> = known
                .values()
                .map(|network| (network.source, network.required, network.vni))
                .collect();
            order.sort_unstable();
            for (_, _, vni) in order.drain(NETWORKS..) {
                known.remove(&vni);
            }
        }
        self.known = known;
    }

    /// The network with this VNI, if it is known.
    #[must_use]
    pub fn get(&self, vni: u32) -> Option<&Network> {
        self.known.get(&vni)
    }

    /// All networks, by VNI.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.known.values()
    }

    /// What cannot be detected in networks that must be encrypted; `None` if everything can.
    #[must_use]
    pub fn blind_spot(&self, attribution: &Attribution) -> Option<String> {
        let required = self.with(Requirement::Required).count();
        let why = match attribution {
            Attribution::Exact => return None,
            Attribution::None => "ESP is not attributed to networks",
            Attribution::Impossible(why) => why,
        };
        (required != 0).then(|| {
            format!(
                "in networks that must be encrypted ({required}), cleartext is detected, but not whether ESP replaces it: {why}"
            )
        })
    }

    /// The networks with this requirement.
    pub fn with(&self, required: Requirement) -> impl Iterator<Item = &Network> {
        self.iter()
            .filter(move |network| network.required == required)
    }

    /// A number that changes with every change of the networks.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::described_network::{NetworkKind, Source};

    fn network(vni: u32, name: &str, required: Requirement, source: Source) -> Network {
        Network {
            vni,
            name: name.to_owned(),
            required,
            source,
            kind: NetworkKind::Overlay,
        }
    }

    #[test]
    fn networks_of_docker_with_names_too_long_or_vnis_too_high_are_left_out() {
        let of = |vni, length| {
            let name = "n".repeat(length);
            network(vni, &name, Requirement::Optional, Source::Docker)
        };
        let mut networks = Networks::new(Vec::new());
        assert!(networks.set_docker(vec![
            of(1, NAME_MAX),
            of(2, NAME_MAX + 1),
            of(3, NAME_MAX + 2),
            of(VNI_MAX, 1),
            of(VNI_MAX + 1, 1),
        ]));
        let known: Vec<u32> = networks.known.keys().copied().collect();
        assert_eq!(known, [1, VNI_MAX]);
    }

    #[test]
    fn what_cannot_be_detected_is_said_where_encryption_is_required() {
        let of = |required| Networks::new(vec![network(4096, "", required, Source::Config)]);
        let required = of(Requirement::Required);
        let impossible = Attribution::Impossible("no BTF".to_owned());
        for attribution in [Attribution::None, impossible] {
            assert_eq!(of(Requirement::Optional).blind_spot(&attribution), None);
            let said = required.blind_spot(&attribution).unwrap();
            assert!(said.contains("must be encrypted (1)"), "{said}");
            assert!(
                said.ends_with("ESP is not attributed to networks") || said.ends_with("no BTF"),
                "{said}"
            );
        }
        assert_eq!(required.blind_spot(&Attribution::Exact), None);
    }

    #[test]
    fn the_file_wins_over_docker_which_fills_the_gaps() {
        let mut networks = Networks::new(vec![
            network(4096, "", Requirement::Required, Source::Config),
            network(4098, "mine", Requirement::Optional, Source::Config),
        ]);
        let ingress = Network {
            kind: NetworkKind::Ingress,
            ..network(4096, "ingress", Requirement::Optional, Source::Docker)
        };
        let changed = networks.set_docker(vec![
            ingress.clone(),
            network(4097, "app1", Requirement::Required, Source::Docker),
            network(4098, "theirs", Requirement::Required, Source::Docker),
            network(VNI_MAX + 1, "none", Requirement::Required, Source::Docker),
        ]);
        assert!(changed);
        let ingress = Network {
            required: Requirement::Required,
            source: Source::Config,
            ..ingress
        };
        assert_eq!(networks.get(4096), Some(&ingress));
        assert_eq!(networks.get(4097).unwrap().source, Source::Docker);
        let mine = networks.get(4098).unwrap();
        assert_eq!(
            (mine.name.as_str(), mine.required),
            ("mine", Requirement::Optional)
        );
        assert_eq!(networks.iter().count(), 3);
        assert_eq!(networks.with(Requirement::Required).count(), 2);
    }

    #[test]
    fn an_equal_list_changes_nothing() {
        let mut networks = Networks::new(vec![]);
        let list = vec![network(4097, "app1", Requirement::Required, Source::Docker)];
        assert!(networks.set_docker(list.clone()));
        let version = networks.version();
        assert!(!networks.set_docker(list));
        assert_eq!(networks.version(), version);
        assert!(networks.set_docker(vec![]));
        assert_ne!(networks.version(), version);
        assert_eq!(networks.get(4097), None);
    }

    #[test]
    fn a_flood_of_networks_is_bounded_and_keeps_what_matters() {
        let mut networks = Networks::new(vec![network(
            VNI_MAX,
            "mine",
            Requirement::Optional,
            Source::Config,
        )]);
        let many = (0..10_000).map(|vni| {
            let required = if vni >= 9_000 {
                Requirement::Required
            } else {
                Requirement::Optional
            };
            network(vni, "x", required, Source::Docker)
        });
        networks.set_docker(many.collect());
        assert_eq!(networks.iter().count(), NETWORKS);
        assert!(networks.get(VNI_MAX).is_some());
        assert_eq!(networks.with(Requirement::Required).count(), 1_000);
    }

    #[test]
    fn of_two_networks_of_one_vni_the_stricter_one_is_kept() {
        let of = |name, required| network(7, name, required, Source::Docker);
        let both = [
            of("plain", Requirement::Optional),
            of("strict", Requirement::Required),
        ];
        for list in [both.to_vec(), both.iter().rev().cloned().collect()] {
            let mut networks = Networks::default();
            networks.set_docker(list);
            assert_eq!(networks.get(7).unwrap().name, "strict");
        }
    }

    #[test]
    fn a_changed_configuration_is_a_change_and_the_same_one_is_not() {
        let list = |required| vec![network(7, "app", required, Source::Config)];
        let mut networks = Networks::new(list(Requirement::Optional));
        assert!(!networks.set_configured(list(Requirement::Optional)));
        assert!(networks.set_configured(list(Requirement::Required)));
        assert_eq!(networks.with(Requirement::Required).count(), 1);
        assert!(networks.set_configured(Vec::new()));
        assert_eq!(networks.iter().count(), 0);
    }
}
