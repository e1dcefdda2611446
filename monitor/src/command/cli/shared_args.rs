//! Arguments that several commands take.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::base::failure::Failure;
use crate::host::docker::DockerSocket;
use crate::kernel::attach::HookChoice;
use crate::traffic::filter::{AddressRange, Filter, ProtocolName, Since};
use monitor_classify::Exposure;
use monitor_common::config::{SNAP_MAX, SNAP_MIN};
use monitor_common::wire::VNI_MAX;

/// What to watch, and how.
#[derive(Debug, Default, Args)]
pub struct WatchArgs {
    /// Interface that carries the traffic between nodes: a name, a glob such as 'eth*', or default (that of the
    /// default route); can be repeated
    #[arg(
        short,
        long = "interface",
        value_name = "NAME",
        help_heading = "What to watch"
    )]
    pub interfaces: Vec<String>,
    /// Also watch traffic outside any overlay, such as published ports: off, all, or ports=80,443 [default: off for run, all for the other commands]
    #[arg(long, value_name = "WHICH", help_heading = "What to watch")]
    pub host_flows: Option<String>,
    /// UDP ports of VXLAN: 4789 for Docker and Calico, 8472 for Flannel, K3s and Cilium [default: 4789]
    #[arg(
        long,
        value_name = "PORT",
        value_delimiter = ',',
        value_parser = port,
        allow_negative_numbers = true,
        help_heading = "What to watch"
    )]
    pub vxlan_port: Vec<u16>,
    /// Hook where packets are seen [default: auto]
    #[arg(long, value_enum, help_heading = "How to watch")]
    pub hook: Option<HookChoice>,
    /// Sample one packet in N, at random distances; 1 samples every packet, 0 none
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, help_heading = "How to watch")]
    pub sample_every: Option<u32>,
    /// Sample the first N packets with payload of each inner flow and direction; 0 disables it
    #[arg(long, value_name = "N", value_parser = number, allow_negative_numbers = true, help_heading = "How to watch")]
    pub flow_samples: Option<u32>,
    /// Bytes to capture of each sampled frame, 128 to 1536
    #[arg(long, value_name = "BYTES", value_parser = snap, allow_negative_numbers = true, help_heading = "How to watch")]
    pub snap: Option<u32>,
    /// Configuration file [default: /etc/overlay-monitor/config.toml, if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Requirements of networks, and what is counted of them.
#[derive(Debug, Default, Args)]
pub struct PolicyArgs {
    /// VNI of a network that must be encrypted; overrides the configuration file, can be repeated
    #[arg(
        long,
        value_name = "VNI",
        value_delimiter = ',',
        value_parser = vni,
        allow_negative_numbers = true,
        help_heading = "Requirements"
    )]
    pub require: Vec<u32>,
    /// Window of the state of a network, such as 60s or 5m; a violation ends after this time without a packet
    /// [default: 60s]
    #[arg(
        long,
        value_name = "TIME",
        value_parser = window,
        allow_negative_numbers = true,
        help_heading = "Requirements"
    )]
    pub window: Option<Duration>,
    /// Count packets by what is readable of their flow; needs flow samples [default: true]
    #[arg(long, value_name = "BOOL", help_heading = "How to watch")]
    pub exposure: Option<bool>,
}

/// What to show.
#[derive(Clone, Debug, Default, Args)]
pub struct FilterArgs {
    /// Only this network; this and the next four can be repeated, or list several values with commas
    #[arg(long, value_name = "VNI", value_delimiter = ',', help_heading = FILTERS,
          value_parser = vni, allow_negative_numbers = true)]
    pub vni: Vec<u32>,
    /// Only from or to this address, or range such as 10.42.0.0/16: of either end, or of either node
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', help_heading = FILTERS)]
    pub host: Vec<AddressRange>,
    /// Only from or to this port of either end; inside an overlay, of the inner packet
    #[arg(long, value_name = "PORT", value_delimiter = ',', help_heading = FILTERS,
          value_parser = port, allow_negative_numbers = true)]
    pub port: Vec<u16>,
    /// Only this protocol, such as http, redis or tls, or this transport: tcp, udp, icmp, sctp, esp
    #[arg(long, value_name = "NAME", value_delimiter = ',', help_heading = FILTERS)]
    pub protocol: Vec<ProtocolName>,
    /// Only what is plaintext, encrypted or unknown
    #[arg(long, value_name = "EXPOSURE", value_delimiter = ',', help_heading = FILTERS,
          value_parser = exposure)]
    pub exposure: Vec<Exposure>,
    /// Only what shows credentials
    #[arg(long, help_heading = FILTERS)]
    pub credentials: bool,
    /// Only from this time on: 2026-11-27T09:27:15, with Z for UTC, or 5m for the last five minutes
    #[arg(long, value_name = "TIME", help_heading = FILTERS)]
    pub since: Option<Since>,
}

const FILTERS: &str = "What to show (all that are given must hold)";

impl From<FilterArgs> for Filter {
    fn from(args: FilterArgs) -> Filter {
        Filter {
            vnis: args.vni,
            hosts: args.host,
            ports: args.port,
            protocols: args.protocol,
            exposures: args.exposure,
            credentials: args.credentials,
            since: args.since.map(|Since(time)| time),
            without: Vec::new(),
        }
    }
}

fn exposure(text: &str) -> Result<Exposure, String> {
    let named = Exposure::ALL.iter().find(|at| at.name() == text);
    named
        .copied()
        .ok_or_else(|| "give plaintext, encrypted or unknown".to_owned())
}

/// A UDP or TCP port.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    let valid = text.parse().ok().filter(|port| *port != 0);
    valid.ok_or_else(|| "give a port, 1 to 65535".to_owned())
}

/// A VXLAN Network Identifier.
fn vni(text: &str) -> Result<u32, String> {
    let valid = text.parse().ok().filter(|vni| *vni <= VNI_MAX);
    valid.ok_or_else(|| format!("give a VNI, 0 to {VNI_MAX} (24 bits)"))
}

/// A number of packets.
fn number(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| format!("give a number, 0 to {}", u32::MAX))
}

/// Bytes of a frame.
fn snap(text: &str) -> Result<u32, String> {
    let valid = text.parse().ok();
    valid
        .filter(|bytes| (SNAP_MIN..=SNAP_MAX).contains(bytes))
        .ok_or_else(|| format!("give {SNAP_MIN} to {SNAP_MAX} bytes"))
}

/// Lines or packets to stop after.
pub(crate) fn lines(text: &str) -> Result<u64, String> {
    let valid = text.parse().ok().filter(|lines| *lines != 0);
    valid.ok_or_else(|| "give a number, 1 or more".to_owned())
}

/// The window of the state of a network.
pub(crate) fn window(text: &str) -> Result<Duration, String> {
    const RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);
    within(duration(text)?, RANGE, "give a duration from 1s to 24h")
}

/// Silence after which what is not described is forgotten. States are updated every 5 s, and read a row before it leaves.
pub(crate) fn forget_after(text: &str) -> Result<Duration, String> {
    const RANGE: RangeInclusive<Duration> =
        Duration::from_secs(10)..=Duration::from_secs(30 * 86_400);
    within(
        duration(text)?,
        RANGE,
        "give a duration from 10s to 720h (30 days)",
    )
}

/// How long an audit watches.
pub(crate) fn audit_duration(text: &str) -> Result<Duration, String> {
    const RANGE: RangeInclusive<Duration> =
        Duration::from_secs(1)..=Duration::from_secs(7 * 86_400);
    within(
        duration(text)?,
        RANGE,
        "give a duration from 1s to 168h (7 days)",
    )
}

/// A duration in this range, else `says`.
fn within(
    duration: Duration,
    range: RangeInclusive<Duration>,
    says: &str,
) -> Result<Duration, String> {
    let valid = range.contains(&duration);
    valid.then_some(duration).ok_or_else(|| says.to_owned())
}

/// A duration: `60s`, `5m`, `1h 30m`, or a number of seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "give a duration such as 60s, 5m or 1h30m".to_owned();
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| bad())?;
    Duration::try_from(parsed).map_err(|_| bad())
}

/// A label and its value.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    let is_name = |name: &str| {
        let mut characters = name.chars();
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        characters.next().is_some_and(is_first)
            && characters.all(|c| is_first(c) || c.is_ascii_digit())
    };
    let pair = text.split_once('=').filter(|(name, _)| is_name(name));
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "give LABEL=VALUE, such as cluster=west".to_owned())
}

/// Where Docker is.
#[derive(Debug, Default, Args)]
pub struct DockerArgs {
    /// Unix socket of Docker, which reports the networks and which of them must be encrypted; auto uses
    /// /var/run/docker.sock once it exists, off uses none [default: auto]
    #[arg(long, value_name = "SOCKET", help_heading = "What to watch")]
    pub docker: Option<String>,
}

impl DockerArgs {
    /// Where Docker is. The flag overrides the configuration file, which overrides the environment.
    ///
    /// # Errors
    /// A usage failure that lists the values of the flag.
    pub fn place(&self, file: Option<&DockerSocket>) -> Result<DockerSocket, Failure> {
        let environment = std::env::var("DOCKER_HOST").ok();
        DockerSocket::choose(self.docker.as_deref(), file, environment.as_deref())
            .map_err(Failure::usage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_several_forms() {
        for (text, seconds) in [("60s", 60), ("5m", 300), ("1h30m", 5400), ("60", 60)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        for bad in [
            "",
            "s",
            "-5s",
            "5 parsecs",
            "1 month",
            "99999999999999999999",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
