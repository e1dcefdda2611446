//! The configuration file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use monitor_common::config::{SNAP_MAX, SNAP_MIN};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use crate::base::failure::Failure;
use crate::base::file_value;
use crate::command::cli::{forget_after, window};
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
    #[serde(default, deserialize_with = "file_value::names")]
    pub(super) interfaces: Vec<String>,
    #[serde(default, deserialize_with = "file_value::some_word")]
    pub(super) hook: Option<HookChoice>,
    #[serde(default, deserialize_with = "host_flows")]
    pub(super) host_flows: Option<String>,
    #[serde(default, deserialize_with = "file_value::ports")]
    pub(super) vxlan_ports: Vec<u16>,
    #[serde(default, deserialize_with = "file_value::ports")]
    pub(super) vxlan_gpe_ports: Vec<u16>,
    #[serde(default, deserialize_with = "file_value::ports")]
    pub(super) geneve_ports: Vec<u16>,
    #[serde(default, deserialize_with = "file_value::ports")]
    pub(super) esp_udp_ports: Vec<u16>,
    #[serde(default, deserialize_with = "file_value::ports")]
    pub(super) wireguard_ports: Vec<u16>,
    #[serde(default, deserialize_with = "file_value::switch")]
    pub(super) exposure: Option<bool>,
    #[serde(default, deserialize_with = "file_value::number::<_, 1, { u32::MAX }>")]
    pub(super) samples_per_second: Option<u32>,
    #[serde(default, deserialize_with = "file_value::number::<_, 1, { u32::MAX }>")]
    pub(super) network_samples_per_second: Option<u32>,
    #[serde(default, deserialize_with = "file_value::number::<_, 0, { u32::MAX }>")]
    pub(super) sample_every: Option<u32>,
    #[serde(default, deserialize_with = "file_value::number::<_, 0, { u32::MAX }>")]
    pub(super) flow_samples: Option<u32>,
    #[serde(
        default,
        deserialize_with = "file_value::number::<_, SNAP_MIN, SNAP_MAX>"
    )]
    pub(super) snap: Option<u32>,
    /// Whether encryptions are timed.
    #[serde(default, deserialize_with = "file_value::switch")]
    pub(super) esp_timing: Option<bool>,
    /// Whether single packets are timed in ESP.
    #[serde(default, deserialize_with = "file_value::switch")]
    pub(super) esp_packet_timing: Option<bool>,
    /// Silence after which what is not described is forgotten.
    pub(super) forget_after: Option<ForgetAfter>,
    #[serde(default, deserialize_with = "file_value::number::<_, 0, { u32::MAX }>")]
    pub(super) unknown_networks: Option<u32>,
    #[serde(default, deserialize_with = "listen")]
    pub(super) listen: Option<String>,
    #[serde(default, deserialize_with = "web_config")]
    pub(super) web_config: Option<String>,
    /// Whether `/` shows what the agent sees.
    #[serde(default, deserialize_with = "file_value::switch")]
    pub(super) page: Option<bool>,
    #[serde(default, deserialize_with = "file_value::hosts")]
    pub(super) hosts: Vec<String>,
    #[serde(default, deserialize_with = "docker")]
    pub(super) docker: Option<String>,
    /// Window of the state of a network.
    pub(super) window: Option<Window>,
    #[serde(
        default,
        rename = "network",
        deserialize_with = "network_config::networks"
    )]
    pub(super) networks: Vec<Network>,
}

/// A window as the flag takes it, or a number of seconds.
#[derive(Debug)]
pub(super) struct Window(pub(super) Duration);

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Window, D::Error> {
        let text = Text {
            expected: "a duration such as \"60s\" or \"5m\", or a number of seconds, 1 to 86400",
            read: window,
        };
        value.deserialize_any(text).map(Window)
    }
}

fn host_flows<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    file_value::text(value, "\"off\", \"all\", or \"ports=80,443\"")
}

fn listen<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    file_value::text(value, "an address and a port, such as \"127.0.0.1:9469\"")
}

fn web_config<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    file_value::text(value, "the path of a web configuration file")
}

fn docker<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    file_value::text(
        value,
        "\"auto\", \"off\", or the path of Docker's Unix socket",
    )
}

/// Silence as the flag takes it, or a number of seconds.
#[derive(Debug)]
pub(super) struct ForgetAfter(pub(super) Duration);

impl<'de> Deserialize<'de> for ForgetAfter {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<ForgetAfter, D::Error> {
        let text = Text {
            expected: "a duration such as \"1h\", or a number of seconds, 10 to 2592000",
            read: forget_after,
        };
        value.deserialize_any(text).map(ForgetAfter)
    }
}

/// Reads a duration as a flag does.
#[derive(Clone, Copy)]
struct Text {
    expected: &'static str,
    read: fn(&str) -> Result<Duration, String>,
}

impl Visitor<'_> for Text {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
        self.visit_str(&seconds.to_string())
            .map_err(|_: E| E::invalid_value(Unexpected::Signed(seconds), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        (self.read)(text).map_err(E::custom)
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

    #[test]
    fn the_window_takes_what_the_flag_takes_and_a_number_of_seconds() {
        for (text, seconds) in [("'5m'", 300), ("'60s'", 60), ("'90'", 90), ("300", 300)] {
            let file: File = toml::from_str(&format!("window = {text}")).unwrap();
            assert_eq!(
                file.window.unwrap().0,
                Duration::from_secs(seconds),
                "{text}"
            );
        }
    }

    #[test]
    fn the_error_of_a_value_lists_what_is_allowed() {
        for (text, says) in [
            ("snap = 5", "a number, 128 to 1536"),
            ("snap = 'much'", "a number, 128 to 1536"),
            ("sample_every = -1", "a number, 0 to 4294967295"),
            ("samples_per_second = 0", "a number, 1 to 4294967295"),
            ("vxlan_ports = [0]", "a number, 1 to 65535"),
            ("geneve_ports = [65536]", "a number, 1 to 65535"),
            ("vxlan_ports = 4789", "a list of UDP ports, such as [4789]"),
            ("interfaces = 'eth0'", "a list of names, such as [\"eth0\"]"),
            (
                "hook = 1",
                "expected one of `auto`, `tc`, `xdp`, `xdp-generic`",
            ),
            (
                "hook = 'tcx'",
                "expected one of `auto`, `tc`, `xdp`, `xdp-generic`",
            ),
            ("window = 0", "1 to 86400"),
            ("window = -1", "1 to 86400"),
            (
                "window = '2 parsecs'",
                "give a duration such as 60s, 5m or 1h30m",
            ),
            ("window = '25h'", "give a duration from 1s to 24h"),
            ("window = true", "a duration such as"),
            ("forget_after = 9", "10 to 2592000"),
            ("forget_after = '721h'", "from 10s to 720h (30 days)"),
            ("host_flows = 80", "\"off\", \"all\", or \"ports=80,443\""),
            ("exposure = 'yes'", "true or false"),
            ("exposure = 1", "true or false"),
            ("listen = 9469", "such as \"127.0.0.1:9469\""),
            ("esp_timing = 'no'", "true or false"),
            ("esp_packet_timing = 1", "true or false"),
            ("page = 'no'", "true or false"),
            ("hosts = 'node1'", "a list of host names, such as"),
            ("hosts = ['node1:9469']", "a list of host names, such as"),
            ("hosts = ['http://node1']", "a list of host names, such as"),
            ("hosts = ['*.example.com']", "a list of host names, such as"),
            ("docker = true", "\"auto\", \"off\", or the path"),
        ] {
            let error = toml::from_str::<File>(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
            assert!(error.contains("line 1"), "{text}: {error}");
        }
    }
}
