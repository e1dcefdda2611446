//! The configuration file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use crate::base::failure::Failure;
use crate::command::cli::duration;
use crate::kernel::attach::HookChoice;
use crate::policy::{Network, network_config};

/// The default path.
pub const CONFIG_FILE: &str = "/etc/overlay-monitor/config.toml";
/// Size limit in bytes.
const CONFIG_MAX: u64 = 1 << 20;

/// The configuration file. Unknown keys are errors, so that a misspelt one is not silently ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) interfaces: Vec<String>,
    pub(super) hook: Option<HookChoice>,
    pub(super) host_flows: Option<String>,
    #[serde(default, deserialize_with = "ports")]
    pub(super) vxlan_ports: Vec<u16>,
    #[serde(default, deserialize_with = "ports")]
    pub(super) vxlan_gpe_ports: Vec<u16>,
    #[serde(default, deserialize_with = "ports")]
    pub(super) geneve_ports: Vec<u16>,
    #[serde(default, deserialize_with = "ports")]
    pub(super) esp_udp_ports: Vec<u16>,
    #[serde(default, deserialize_with = "ports")]
    pub(super) wireguard_ports: Vec<u16>,
    pub(super) exposure: Option<bool>,
    pub(super) samples_per_second: Option<u32>,
    pub(super) network_samples_per_second: Option<u32>,
    pub(super) sample_every: Option<u32>,
    pub(super) flow_samples: Option<u32>,
    pub(super) snap: Option<u32>,
    /// Silence after which what is not described is forgotten.
    pub(super) forget_after: Option<Time>,
    pub(super) unknown_networks: Option<u32>,
    pub(super) listen: Option<String>,
    pub(super) docker: Option<String>,
    /// Window of the state of a network.
    pub(super) window: Option<Time>,
    #[serde(
        default,
        rename = "network",
        deserialize_with = "network_config::networks"
    )]
    pub(super) networks: Vec<Network>,
}

/// A list of ports. An empty one is an error: it looks as if it switched the service off, and no list does.
fn ports<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<u16>, D::Error> {
    let ports = Vec::<u16>::deserialize(list)?;
    match ports.is_empty() {
        true => Err(D::Error::custom(
            "an empty list of ports; give at least one, or remove the key for the usual ones",
        )),
        false => Ok(ports),
    }
}

/// A duration as the flag takes it, or a number of seconds.
#[derive(Debug)]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"60s\" or \"5m\", or a number of seconds")
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Time, E> {
                let time = u64::try_from(seconds).map(Duration::from_secs);
                time.map(Time)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(seconds), &self))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                let time = duration(text).map(Time);
                time.map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl File {
    pub(super) fn read(path: Option<&Path>) -> Result<File, Failure> {
        let (path, must_exist) = match path {
            Some(path) => (path.to_owned(), true),
            None => (PathBuf::from(CONFIG_FILE), false),
        };
        match File::parse(&path) {
            Ok(file) => Ok(file),
            Err(error) if !must_exist && is_missing(&error) => Ok(File::default()),
            Err(error) => Err(Failure::usage(
                error.context(format!("configuration file {}", path.display())),
            )),
        }
    }

    fn parse(path: &Path) -> anyhow::Result<File> {
        let meta = std::fs::metadata(path)?;
        if meta.is_dir() {
            bail!("it is a directory: name the file in it");
        }
        if !meta.is_file() {
            bail!("it is a device, socket or pipe: name a regular file");
        }
        if meta.len() > CONFIG_MAX {
            bail!(
                "it has {} bytes, and at most {CONFIG_MAX} are read",
                meta.len()
            );
        }
        let text = std::fs::read_to_string(path)?;
        toml::from_str(&text).context("not a valid configuration")
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let error = toml::from_str::<File>("interface = 'eth0'")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("interface") && error.contains("interfaces"),
            "{error}"
        );
        toml::from_str::<File>("interfaces = ['eth0']\nhook = 'xdp-generic'\nhost_flows = 'all'")
            .unwrap();
    }
}
