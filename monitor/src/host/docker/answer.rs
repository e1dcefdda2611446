//! What Docker's daemon answers, and the networks in it. The daemon may be another version than any that we know, or
//! another program: an answer is taken only where it makes sense, and everything in it is bounded.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::host::network::{Kind, NAME_MAX, Network, Requirement, Source, VNI_MAX};

/// Networks that are taken of an answer at most: as many VNIs as the kernel's counters have room for.
pub const NETWORKS_MAX: usize = 16_384;

/// An element of `GET /networks`, without what nobody here reads.
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
    /// Its presence counts, so that `encrypted=false` encrypts too.
    #[serde(default, deserialize_with = "is_present")]
    encrypted: bool,
}

fn is_present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value)?;
    Ok(true)
}

/// The overlay networks of a daemon, as far as this node knows their VNIs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// By VNI, each once.
    pub(crate) networks: Vec<Network>,
    /// Networks whose VNIs are none, or that found no room.
    pub(crate) refused: usize,
}

/// Reads the body of `GET /networks`.
///
/// # Errors
/// What is wrong with it, without its content.
pub(super) fn networks(body: &[u8]) -> Result<Listed, String> {
    let entries: Vec<Entry> = serde_json::from_slice(body).map_err(|error| blame(&error))?;
    let mut networks = BTreeMap::<u32, Network>::new();
    let mut refused = 0;
    for entry in entries {
        if entry.driver != "overlay" {
            continue;
        }
        let options = entry.options.unwrap_or_default();
        // A network of the Swarm that no container of this node is in has none here.
        let Some(vnis) = options.vnis.filter(|vnis| !vnis.is_empty()) else {
            continue;
        };
        let required = if options.encrypted {
            Requirement::Required
        } else {
            Requirement::Optional
        };
        let kind = if entry.ingress {
            Kind::Ingress
        } else {
            Kind::Overlay
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
            // Docker gives each VNI once. If it does not, the stricter one counts.
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

/// What we read of `GET /info`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    swarm: Option<Swarm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Swarm {
    /// Only a manager knows it.
    cluster: Option<Cluster>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    #[serde(default)]
    data_path_port: u16,
}

/// The UDP port of the Swarm's VXLAN, of the body of `GET /info`; `None` where the node does not know it.
///
/// # Errors
/// What is wrong with the body, without its content.
pub(super) fn data_path_port(body: &[u8]) -> Result<Option<u16>, String> {
    /// What `docker swarm init` takes, which answers 0 then.
    const DEFAULT: u16 = 4789;
    let info: Info = serde_json::from_slice(body).map_err(|error| blame(&error))?;
    let cluster = info.swarm.and_then(|swarm| swarm.cluster);
    Ok(cluster.map(|cluster| match cluster.data_path_port {
        0 => DEFAULT,
        port => port,
    }))
}

/// Where an answer stops to make sense. The library's own words can quote what a stranger wrote.
fn blame(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Data => "it is JSON of another form",
        serde_json::error::Category::Io => "it cannot be read",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

fn cut(name: &str) -> String {
    name[..name.floor_char_boundary(NAME_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of Docker 20.10.24, shortened.
    const LIST: &str = r#"[
        {"Name":"app2","Id":"jygx","Scope":"swarm","Driver":"overlay","IPAM":{"Config":[{"Subnet":"10.0.2.0/24"}]},"Ingress":false,
         "Containers":null,"Options":{"com.docker.network.driver.overlay.vxlanid_list":"4098,4099"},"Labels":null},
        {"Name":"app1-network","Scope":"swarm","Driver":"overlay","Ingress":false,
         "Options":{"com.docker.network.driver.overlay.vxlanid_list":"4097","encrypted":""}},
        {"Name":"ingress","Scope":"swarm","Driver":"overlay","Ingress":true,
         "Options":{"com.docker.network.driver.overlay.vxlanid_list":"4096"}},
        {"Name":"elsewhere","Scope":"swarm","Driver":"overlay","Ingress":false,"Options":null},
        {"Name":"host","Scope":"local","Driver":"host","Ingress":false,"Options":{}}]"#;

    fn row(vni: u32, name: &str, required: Requirement, kind: Kind) -> Network {
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
                row(4096, "ingress", Requirement::Optional, Kind::Ingress),
                row(4097, "app1-network", Requirement::Required, Kind::Overlay),
                row(4098, "app2", Requirement::Optional, Kind::Overlay),
                row(4099, "app2", Requirement::Optional, Kind::Overlay),
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
    fn what_is_no_vni_is_refused_and_counted() {
        let options =
            r#"{"com.docker.network.driver.overlay.vxlanid_list":"16777215,16777216,-1,x,, 5"}"#;
        let found = listed(options);
        let vnis: Vec<u32> = found.networks.iter().map(|network| network.vni).collect();
        assert_eq!((vnis, found.refused), (vec![5, 16_777_215], 4));
    }

    #[test]
    fn of_two_networks_with_one_vni_the_encrypted_one_counts() {
        let option = r#""com.docker.network.driver.overlay.vxlanid_list":"7""#;
        let plain = format!(r#"{{"Name":"a","Driver":"overlay","Options":{{{option}}}}}"#);
        let secret =
            format!(r#"{{"Name":"b","Driver":"overlay","Options":{{{option},"encrypted":""}}}}"#);
        for body in [format!("[{plain},{secret}]"), format!("[{secret},{plain}]")] {
            let found = networks(body.as_bytes()).unwrap().networks;
            assert_eq!(found, [row(7, "b", Requirement::Required, Kind::Overlay)]);
        }
    }

    #[test]
    fn there_is_an_end_to_names_and_networks() {
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
    fn nonsense_is_blamed_without_being_quoted() {
        for (body, says) in [
            ("", "ends too early"),
            ("[{", "ends too early"),
            ("\u{1b}[2J", "no JSON"),
            (r#"{"message":"\u001b[2J"}"#, "another form"),
            (r#"[{"Name":7}]"#, "another form"),
            ("[null]", "another form"),
        ] {
            let error = networks(body.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{body:?}: {error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
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
        fn no_bytes_make_it_stumble(body: Vec<u8>, at in 0..LIST.len(), byte: u8) {
            let _ = networks(&body);
            let _ = data_path_port(&body);
            let mut damaged = LIST.as_bytes().to_vec();
            damaged[at] = byte;
            if let Ok(listed) = networks(&damaged) {
                prop_assert!(listed.networks.iter().all(|network| network.vni <= VNI_MAX));
            }
        }
    }
}
