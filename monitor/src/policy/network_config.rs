//! The section `[[network]]` of the configuration file.

use std::collections::BTreeSet;
use std::fmt;

use monitor_common::map_size::NETWORKS;
use monitor_common::wire::VNI_MAX;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::base::file_value;
use crate::host::described_network::{NAME_MAX, Network, NetworkKind, Requirement, Source};

/// One `[[network]]`, whose VNI no earlier one has. The error of a value points at it.
struct Entry<'s> {
    /// VNIs of the earlier ones.
    seen: &'s mut BTreeSet<u32>,
}

/// The keys of a `[[network]]`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Key {
    Vni,
    Name,
    Encrypted,
}

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = Network;

    fn deserialize<D: Deserializer<'de>>(self, table: D) -> Result<Network, D::Error> {
        table.deserialize_struct("network", &["vni", "name", "encrypted"], self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = Network;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[[network]] with vni, name and encrypted")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Network, A::Error> {
        let (mut vni, mut name, mut required) = (None, String::new(), Requirement::Optional);
        while let Some(key) = table.next_key()? {
            match key {
                Key::Vni => {
                    vni = Some(table.next_value_seed(Vni {
                        seen: &mut *self.seen,
                    })?)
                }
                Key::Name => Name(name) = table.next_value()?,
                Key::Encrypted => Encrypted(required) = table.next_value()?,
            }
        }
        Ok(Network {
            vni: vni.ok_or_else(|| A::Error::missing_field("vni"))?,
            name,
            required,
            source: Source::Config,
            kind: NetworkKind::Overlay,
        })
    }
}

/// A VNI that is in no earlier `[[network]]`.
struct Vni<'s> {
    seen: &'s mut BTreeSet<u32>,
}

impl<'de> DeserializeSeed<'de> for Vni<'_> {
    type Value = u32;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<u32, D::Error> {
        value.deserialize_i64(self)
    }
}

impl Visitor<'_> for Vni<'_> {
    type Value = u32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a VNI, 0 to {VNI_MAX} (24 bits)")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u32, E> {
        let valid = u32::try_from(number).ok().filter(|vni| *vni <= VNI_MAX);
        let vni = valid.ok_or_else(|| E::invalid_value(de::Unexpected::Signed(number), &self))?;
        if self.seen.insert(vni) {
            Ok(vni)
        } else {
            Err(E::custom(format_args!(
                "VNI {vni} is in an earlier [[network]] too: keep one of them"
            )))
        }
    }
}

/// A name of a network.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Name, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a name of at most {NAME_MAX} bytes")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                match name.len() {
                    0..=NAME_MAX => Ok(Name(name.to_owned())),
                    length => Err(E::custom(format_args!(
                        "the name is longer than {NAME_MAX} bytes ({length}): give a shorter one"
                    ))),
                }
            }
        }
        value.deserialize_any(Text)
    }
}

/// The value of `encrypted`.
#[derive(Deserialize)]
struct Encrypted(#[serde(deserialize_with = "file_value::word")] Requirement);

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
            while let Some(network) = entries.next_element_seed(Entry { seen: &mut seen })? {
                if all.len() == NETWORKS {
                    return Err(A::Error::custom(format_args!(
                        "more than {NETWORKS} [[network]]: remove some"
                    )));
                }
                all.push(network);
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
    fn a_repeated_vni_is_shown_where_it_is_repeated() {
        let text = "[[network]]\nvni = 7\nname = 'a'\n[[network]]\nvni = 8\n[[network]]\nname = 'b'\nvni = 7\n";
        let error = parse(text).unwrap_err();
        assert!(error.contains("line 8, column 7"), "{error}");
        let long = format!("[[network]]\nvni = 7\nname = '{}'", "x".repeat(256));
        let error = parse(&long).unwrap_err();
        assert!(error.contains("line 3, column 8"), "{error}");
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
            (twice.as_str(), "VNI 7 is in an earlier [[network]] too"),
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
            (
                "[[network]]\nvni = 7\nencrypted = true",
                "unknown variant `true`, expected one of `required`, `optional`, `forbidden`",
            ),
            (
                "[[network]]\nvni = 7\nname = 3",
                "a name of at most 255 bytes",
            ),
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
