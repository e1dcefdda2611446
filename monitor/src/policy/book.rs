//! The networks that are known now: what somebody asked for, and what Docker tells.

use std::collections::BTreeMap;

use super::{Network, Requirement};
use crate::host::network::{NAME_MAX, VNI_MAX};
use crate::kernel::NETWORKS;

/// The networks that are known now, one for each VNI.
///
/// What the command line and the configuration file ask for goes before what Docker tells; what they do not say,
/// a name and what the network is for, is taken from Docker. At most [`NETWORKS`] are known, those that must be
/// encrypted first: rows are made for each in maps of a fixed size.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    asked: Vec<Network>,
    docker: Vec<Network>,
    known: BTreeMap<u32, Network>,
    left_out: usize,
    version: u64,
}

impl Networks {
    /// The networks of command line and configuration file, each VNI once.
    #[must_use]
    pub fn new(asked: Vec<Network>) -> Networks {
        let mut networks = Networks {
            asked,
            ..Networks::default()
        };
        networks.merge();
        networks
    }

    /// Replaces what Docker tells. Whether anything is different now.
    pub fn set_docker(&mut self, networks: Vec<Network>) -> bool {
        if networks == self.docker {
            return false;
        }
        self.docker = networks;
        let before = std::mem::take(&mut self.known);
        self.merge();
        if before == self.known {
            return false;
        }
        self.version += 1;
        if self.left_out != 0 {
            tracing::warn!(
                "{} networks of Docker are not watched by name: at most {NETWORKS} can be known",
                self.left_out
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
            // Docker never has a VNI twice. If it does: the stricter one, so that nothing is missed.
            let stricter = known
                .get(&network.vni)
                .is_none_or(|other| network.required < other.required);
            if stricter {
                known.insert(network.vni, network.clone());
            }
        }
        for network in &self.asked {
            let mut network = network.clone();
            if let Some(told) = known.get(&network.vni) {
                network.kind = told.kind;
                if network.name.is_empty() {
                    network.name.clone_from(&told.name);
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

    /// The network of a VNI, if it is known.
    #[must_use]
    pub fn get(&self, vni: u32) -> Option<&Network> {
        self.known.get(&vni)
    }

    /// All of them, by VNI.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.known.values()
    }

    /// Those with this requirement.
    pub fn with(&self, required: Requirement) -> impl Iterator<Item = &Network> {
        self.iter()
            .filter(move |network| network.required == required)
    }

    /// A number that changes whenever the networks do.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Source};
    use super::*;

    fn network(vni: u32, name: &str, required: Requirement, source: Source) -> Network {
        Network {
            vni,
            name: name.to_owned(),
            required,
            source,
            kind: Kind::Overlay,
        }
    }

    #[test]
    fn the_file_wins_over_docker_which_fills_the_gaps() {
        let mut networks = Networks::new(vec![
            network(4096, "", Requirement::Required, Source::Config),
            network(4098, "mine", Requirement::Optional, Source::Config),
        ]);
        let ingress = Network {
            kind: Kind::Ingress,
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
    fn a_list_that_says_the_same_changes_nothing() {
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
}
