//! Decodes the answers of Docker's daemon. The daemon may be an unknown version, or another program: each field is
//! validated, and everything is bounded in size.

use std::collections::{BTreeMap, BTreeSet};

use monitor_common::wire::VNI_MAX;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::host::described_network::{NAME_MAX, Network, NetworkKind, Requirement, Source};

/// Most networks taken from an answer; the kernel's counters have room for as many VNIs.
pub const NETWORKS_MAX: usize = 16_384;

/// An element of `GET /networks`, with the fields that are used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    #[serde(default)]
    name: String,
    #[serde(default)]
    driver: String,
    #[serde(default)]
    ingress: bool,
    options: Option<Options>,
}

/// The options of the overlay driver.
#[derive(Default, Deserialize)]
struct Options {
    /// Network identifiers, one for each subnet: `4097` or `4097,4098`.
    #[serde(rename = "com.docker.network.driver.overlay.vxlanid_list", default)]
    vnis: Option<String>,
    /// Docker encrypts if the option is present, whatever its value: `encrypted=false` encrypts too.
    #[serde(default, deserialize_with = "is_present")]
    encrypted: bool,
}

fn is_present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value)?;
    Ok(true)
}

/// The overlay networks of a daemon whose VNIs this node knows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Sorted by VNI, each VNI once.
    pub(crate) networks: Vec<Network>,
    /// Number of VNIs that are invalid, or beyond [`NETWORKS_MAX`].
    pub(crate) refused: usize,
}

/// Decodes the body of `GET /networks`.
///
/// # Errors
/// What is wrong with the body, without its content.
pub(super) fn networks(body: &[u8]) -> Result<Listed, String> {
    let entries: Vec<Entry> = serde_json::from_slice(body).map_err(|error| describe(&error))?;
    let mut networks = BTreeMap::<u32, Network>::new();
    let mut refused = 0;
    for entry in entries {
        if entry.driver != "overlay" {
            continue;
        }
        let options = entry.options.unwrap_or_default();
        // A Swarm network without a container on this node has no VNI here.
        let Some(vnis) = options.vnis.filter(|vnis| !vnis.is_empty()) else {
            continue;
        };
        let required = if options.encrypted {
            Requirement::Required
        } else {
            Requirement::Optional
        };
        let kind = if entry.ingress {
            NetworkKind::Ingress
        } else {
            NetworkKind::Overlay
        };
        for vni in vnis.split(',') {
            let vni = vni.trim().parse::<u32>().ok().filter(|vni| *vni <= VNI_MAX);
            let Some(vni) =
                vni.filter(|vni| networks.len() < NETWORKS_MAX || networks.contains_key(vni))
            else {
                refused += 1;
                continue;
            };
            let network = Network {
                vni,
                name: cut(&entry.name),
                required,
                source: Source::Docker,
                kind,
            };
            // Docker uses each VNI once. If two networks share one, the stricter requirement counts.
            let known = networks.entry(vni).or_insert_with(|| network.clone());
            if required == Requirement::Required && known.required != required {
                *known = network;
            }
        }
    }
    Ok(Listed {
        networks: networks.into_values().collect(),
        refused,
    })
}

/// An element of `GET /containers/json`, with the fields that are used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    network_settings: Option<Attached>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    #[serde(default)]
    networks: BTreeMap<String, IgnoredAny>,
}

/// The names of the networks that a container runs in, from the body of `GET /containers/json`.
///
/// # Errors
/// What is wrong with the body, without its content.
pub(super) fn networks_in_use(body: &[u8]) -> Result<BTreeSet<String>, String> {
    let containers: Vec<Container> =
        serde_json::from_slice(body).map_err(|error| describe(&error))?;
    let attached = containers.into_iter().filter_map(|at| at.network_settings);
    let names = attached.flat_map(|at| at.networks.into_keys());
    Ok(names.map(|name| cut(&name)).collect())
}

/// The fields of `GET /info` that are used.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    swarm: Option<Swarm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Swarm {
    /// Only managers know it.
    cluster: Option<Cluster>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    #[serde(default)]
    data_path_port: u16,
}

/// The UDP port of the Swarm's VXLAN, from the body of `GET /info`; `None` if the node does not know it.
///
/// # Errors
/// What is wrong with the body, without its content.
pub(super) fn data_path_port(body: &[u8]) -> Result<Option<u16>, String> {
    /// The default of `docker swarm init`; the daemon then answers 0.
    const DEFAULT: u16 = 4789;
    let info: Info = serde_json::from_slice(body).map_err(|error| describe(&error))?;
    let cluster = info.swarm.and_then(|swarm| swarm.cluster);
    Ok(cluster.map(|cluster| match cluster.data_path_port {
        0 => DEFAULT,
        port => port,
    }))
}

/// What is wrong, and where. The library's own message is not used: it can quote untrusted content.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it is cut off",
        serde_json::error::Category::Syntax => "it is not JSON",
        serde_json::error::Category::Data => "it is JSON of an unexpected form",
        serde_json::error::Category::Io => "it cannot be read",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// A name cut to [`NAME_MAX`] bytes.
fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The answer of Docker 20.10.24, shortened.
    const LIST: &str = r#"[
        {"Name":"app2","Id":"jygx","Scope":"swarm","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.0.2.0/24"}]},"Ingress":false,
         "Containers":null,"Options":{"com.docker.network.driver.overlay.vxlanid_list":"4098,4099"},"Labels":null},
        {"Name":"app1-network","Scope":"swarm","Driver":"overlay","Ingress":false,
         "Options":{"com.docker.network.driver.overlay.vxlanid_list":"4097","encrypted":""}},
        {"Name":"ingress","Scope":"swarm","Driver":"overlay","Ingress":true,
         "Options":{"com.docker.network.driver.overlay.vxlanid_list":"4096"}},
        {"Name":"elsewhere","Scope":"swarm","Driver":"overlay","Ingress":false,"Options":null},
        {"Name":"host","Scope":"local","Driver":"host","Ingress":false,"Options":{}}]"#;

    fn row(vni: u32, name: &str, required: Requirement, kind: NetworkKind) -> Network {
        Network {
            vni,
            name: name.to_owned(),
            required,
            source: Source::Docker,
            kind,
        }
    }

    #[test]
    fn overlay_networks_are_taken_with_their_vnis() {
        let listed = networks(LIST.as_bytes()).unwrap();
        assert_eq!(
            listed.networks,
            [
                row(4096, "ingress", Requirement::Optional, NetworkKind::Ingress),
                row(
                    4097,
                    "app1-network",
                    Requirement::Required,
                    NetworkKind::Overlay
                ),
                row(4098, "app2", Requirement::Optional, NetworkKind::Overlay),
                row(4099, "app2", Requirement::Optional, NetworkKind::Overlay),
            ]
        );
        assert_eq!(listed.refused, 0);
    }

    fn listed(options: &str) -> Listed {
        let body = format!(r#"[{{"Name":"x","Driver":"overlay","Options":{options}}}]"#);
        networks(body.as_bytes()).unwrap()
    }

    #[test]
    fn the_presence_of_encrypted_counts_and_not_its_value() {
        for value in [r#""""#, r#""false""#, "null", "false", "{}"] {
            let options = format!(
                r#"{{"com.docker.network.driver.overlay.vxlanid_list":"7","encrypted":{value}}}"#
            );
            let found = listed(&options).networks;
            assert_eq!(found[0].required, Requirement::Required, "{value}");
        }
    }

    #[test]
    fn invalid_vnis_are_refused_and_counted() {
        let options =
            r#"{"com.docker.network.driver.overlay.vxlanid_list":"16777215,16777216,-1,x,, 5"}"#;
        let found = listed(options);
        let vnis: Vec<u32> = found.networks.iter().map(|network| network.vni).collect();
        assert_eq!((vnis, found.refused), (vec![5, 16_777_215], 4));
    }

    #[test]
    fn the_encrypted_one_of_two_networks_with_one_vni_counts() {
        let option = r#""com.docker.network.driver.overlay.vxlanid_list":"7""#;
        let plain = format!(r#"{{"Name":"a","Driver":"overlay","Options":{{{option}}}}}"#);
        let secret =
            format!(r#"{{"Name":"b","Driver":"overlay","Options":{{{option},"encrypted":""}}}}"#);
        for body in [format!("[{plain},{secret}]"), format!("[{secret},{plain}]")] {
            let found = networks(body.as_bytes()).unwrap().networks;
            assert_eq!(
                found,
                [row(7, "b", Requirement::Required, NetworkKind::Overlay)]
            );
        }
    }

    #[test]
    fn names_and_networks_are_bounded() {
        let vnis: Vec<String> = (0..NETWORKS_MAX + 3).map(|vni| vni.to_string()).collect();
        let body = format!(
            r#"[{{"Name":"{}","Driver":"overlay","Options":{{"com.docker.network.driver.overlay.vxlanid_list":"{}"}}}}]"#,
            "ä".repeat(1000),
            vnis.join(",")
        );
        let found = networks(body.as_bytes()).unwrap();
        assert_eq!((found.networks.len(), found.refused), (NETWORKS_MAX, 3));
        assert_eq!(found.networks[0].name, "ä".repeat(NAME_MAX / 2));
    }

    #[test]
    fn errors_describe_the_answer_without_quoting_it() {
        for (body, says) in [
            ("", "cut off"),
            ("[{", "cut off"),
            ("\u{1b}[2J", "not JSON"),
            (r#"{"message":"\u001b[2J"}"#, "unexpected form"),
            (r#"[{"Name":7}]"#, "unexpected form"),
            ("[null]", "unexpected form"),
        ] {
            let error = networks(body.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{body:?}: {error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
    }

    #[test]
    fn networks_in_use_are_those_of_running_containers() {
        let body = r#"[{"Id":"a","NetworkSettings":{"Networks":{"app1-network":{"NetworkID":"x"},"ingress":null}}},
            {"Id":"b","NetworkSettings":null},{"NetworkSettings":{}}]"#;
        let names = networks_in_use(body.as_bytes()).unwrap();
        assert_eq!(Vec::from_iter(names), ["app1-network", "ingress"]);
        assert!(networks_in_use(b"{}").is_err() && networks_in_use(b"[]").unwrap().is_empty());
    }

    #[test]
    fn the_data_path_port_is_that_of_a_manager() {
        let port = |swarm: &str| data_path_port(format!(r#"{{"Swarm":{swarm}}}"#).as_bytes());
        assert_eq!(port(r#"{"Cluster":{"DataPathPort":7789}}"#), Ok(Some(7789)));
        assert_eq!(port(r#"{"Cluster":{"DataPathPort":0}}"#), Ok(Some(4789)));
        assert_eq!(port(r#"{"Cluster":null,"NodeID":""}"#), Ok(None));
        assert_eq!(data_path_port(b"{}"), Ok(None));
        assert!(port(r#"{"Cluster":{"DataPathPort":70000}}"#).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body: Vec<u8>, at in 0..LIST.len(), byte: u8) {
            let _ = networks(&body);
            let _ = data_path_port(&body);
            let _ = networks_in_use(&body);
            let mut damaged = LIST.as_bytes().to_vec();
            damaged[at] = byte;
            if let Ok(listed) = networks(&damaged) {
                prop_assert!(listed.networks.iter().all(|network| network.vni <= VNI_MAX));
            }
        }
    }
}
