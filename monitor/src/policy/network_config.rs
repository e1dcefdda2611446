//! The section `[[network]]` of the configuration file.

use std::collections::BTreeSet;
use std::fmt;

use monitor_common::map_size::NETWORKS;
use monitor_common::wire::VNI_MAX;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::host::described_network::{NAME_MAX, Network, NetworkKind, Requirement, Source};

/// One `[[network]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    vni: Vni,
    #[serde(default)]
    name: String,
    #[serde(default = "optional")]
    encrypted: Requirement,
}

/// A network that only has a name.
fn optional() -> Requirement {
    Requirement::Optional
}

/// A VNI as it is written in the file.
#[derive(Clone, Copy, Debug)]
struct Vni(u32);

impl<'de> Deserialize<'de> for Vni {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Vni, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Vni;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a VNI, 0 to {VNI_MAX} (24 bits)")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Vni, E> {
                let vni = u32::try_from(number).ok().filter(|vni| *vni <= VNI_MAX);
                vni.map(Vni)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))
            }
        }
        deserializer.deserialize_i64(Number)
    }
}

/// All `[[network]]` of a file, validated.
///
/// # Errors
/// Names the fault: a bad or repeated VNI, a name that is too long, too many networks.
pub fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    struct List;
    impl<'de> Visitor<'de> for List {
        type Value = Vec<Network>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("networks, each as [[network]] with vni, name and encrypted")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<Network>, A::Error> {
            let mut seen = BTreeSet::new();
            let mut all = Vec::new();
            while let Some(entry) = entries.next_element::<Entry>()? {
                let Vni(vni) = entry.vni;
                if !seen.insert(vni) {
                    return Err(A::Error::custom(format_args!(
                        "VNI {vni} is in two [[network]]: keep one of them"
                    )));
                }
                if entry.name.len() > NAME_MAX {
                    return Err(A::Error::custom(format_args!(
                        "the name of VNI {vni} is longer than {NAME_MAX} bytes: give a shorter one"
                    )));
                }
                if all.len() == NETWORKS {
                    return Err(A::Error::custom(format_args!(
                        "more than {NETWORKS} [[network]]: remove some"
                    )));
                }
                all.push(Network {
                    vni,
                    name: entry.name,
                    required: entry.encrypted,
                    source: Source::Config,
                    kind: NetworkKind::Overlay,
                });
            }
            Ok(all)
        }
    }
    deserializer.deserialize_seq(List)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        #[serde(default, deserialize_with = "networks")]
        network: Vec<Network>,
    }

    fn parse(text: &str) -> Result<Vec<Network>, String> {
        toml::from_str::<File>(text)
            .map(|file| file.network)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn networks_are_read_with_their_requirement() {
        let found = parse(
            "[[network]]\nvni = 4096\nname = 'app1-network'\nencrypted = 'required'\n\
             [[network]]\nvni = 0xffffff\nencrypted = 'forbidden'\n",
        )
        .unwrap();
        assert_eq!(found[0].vni, 4096);
        assert_eq!(found[0].name, "app1-network");
        assert_eq!(found[0].required, Requirement::Required);
        assert_eq!((found[1].vni, found[1].name.as_str()), (VNI_MAX, ""));
        assert_eq!(found[1].required, Requirement::Forbidden);
        assert_eq!(parse("").unwrap(), []);
        let named = parse("[[network]]\nvni = 7\nname = 'shop'").unwrap();
        assert_eq!(named[0].required, Requirement::Optional);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let twice = "[[network]]\nvni = 7\nencrypted = 'required'\n".repeat(2);
        let long = format!(
            "[[network]]\nvni = 7\nencrypted = 'required'\nname = '{}'",
            "x".repeat(256)
        );
        let many: String = (0..=NETWORKS)
            .map(|vni| format!("[[network]]\nvni = {vni}\nencrypted = 'optional'\n"))
            .collect();
        for (text, says) in [
            (twice.as_str(), "VNI 7 is in two"),
            (&long, "longer than 255 bytes"),
            (&many, "more than 4096"),
            (
                "[[network]]\nvni = 16777216\nencrypted = 'required'",
                "0 to 16777215",
            ),
            (
                "[[network]]\nvni = -1\nencrypted = 'required'",
                "0 to 16777215",
            ),
            ("[[network]]\nvni = 'app1'\nencrypted = 'required'", "a VNI"),
            ("[[network]]\nvni = 7\nencrypted = true", "encrypted"),
            (
                "[[network]]\nvni = 7\nencrypted = 'yes'",
                "`required`, `optional`",
            ),
            ("[[network]]\nencrypted = 'required'", "missing field `vni`"),
            (
                "[[network]]\nvni = 7\nencrypted = 'required'\nencrpyted = 1",
                "encrpyted",
            ),
            ("network = 7", "[[network]]"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text:.80}: {error}");
        }
    }
}
