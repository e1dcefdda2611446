//! Options of the benchmark between two machines.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use monitor_lab::{Error, Via};

use crate::cli::bench::encryption::way::Way;

/// Port of the control connection.
const PORT: u16 = 9470;
/// Beyond what Docker, Flannel and Calico use.
const VNI: u32 = 12_648_430;
const SPI: u32 = 0x0be7_c000;
/// The nodes' addresses are in the range for benchmarks between devices (RFC 2544).
const RANGE: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
/// Blocks of 32 addresses in it.
const BLOCKS: u16 = 4096;
const PREFIX: u8 = 27;

/// Options of its own.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::bench::encryption) struct PairOptions {
    /// Measure between two machines: wait for the other one, which has the clients
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, default_missing_value = "0.0.0.0:9470",
        conflicts_with_all = ["to", "milliseconds", "offloads", "ways", "quick"])]
    listen: Option<SocketAddr>,
    /// Measure between two machines: connect to the one that listens. The token is read from the variable
    /// OVERLAY_LAB_TOKEN, or from standard input
    #[arg(long, value_name = "HOST[:PORT]")]
    to: Option<String>,
    /// The card between the machines [default: the one of the control connection]
    #[arg(long, value_name = "NAME")]
    pub(super) card: Option<String>,
    /// What is put on this machine's card
    #[arg(long, value_enum, default_value = "macvlan")]
    pub(super) via: Via,
    /// VNI of the overlay (listener)
    #[arg(long, default_value_t = VNI, value_parser = clap::value_parser!(u32).range(1..1 << 24))]
    pub(super) vni: u32,
    /// First of ten SPIs (listener)
    #[arg(long, default_value_t = SPI, value_parser = clap::value_parser!(u32).range(256..0xffff_fff0))]
    pub(super) spi: u32,
    /// First of 18 addresses of the nodes, with the length of the prefix: the listener has every second one [default:
    /// random ones in 198.18.0.0/15] (listener)
    #[arg(long, value_name = "ADDR/LENGTH", value_parser = addresses)]
    addresses: Option<(Ipv4Addr, u8)>,
    /// Minutes in which the other machine must connect (listener)
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    wait: u64,
    /// Minutes after which no further round begins [default: 15, with --quick 3]; between two machines, after which both end,
    /// whatever happens [default: 25, with --quick 8]
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=120))]
    limit: Option<u64>,
}

/// What this machine does.
pub(in crate::cli::bench::encryption) enum Part<'a> {
    Listen(SocketAddr),
    Connect(&'a str),
}

impl PairOptions {
    /// `None`: both ends are here.
    pub(in crate::cli::bench::encryption) fn part(&self) -> anyhow::Result<Option<Part<'_>>> {
        let part = match (self.listen, &self.to) {
            (Some(address), _) => Part::Listen(address),
            (None, Some(host)) => Part::Connect(host),
            (None, None) => return Ok(None),
        };
        if !rustix::process::geteuid().is_root() {
            return Err(Error::NotRoot.into());
        }
        Ok(Some(part))
    }

    pub(super) fn wait(&self) -> Duration {
        Duration::from_secs(60 * self.wait)
    }

    /// When both end.
    pub(super) fn limit(&self, quick: bool) -> Duration {
        let default = if quick { 8 } else { 25 };
        self.limit_or(default)
    }

    /// The limit that is given, or else so many minutes.
    pub(in crate::cli::bench::encryption) fn limit_or(&self, minutes: u64) -> Duration {
        Duration::from_secs(60 * self.limit.unwrap_or(minutes))
    }

    /// First address, and length of the prefix.
    pub(super) fn addresses(&self) -> anyhow::Result<(Ipv4Addr, u8)> {
        if let Some(given) = self.addresses {
            return Ok(given);
        }
        let mut random = [0; 2];
        rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())
            .context("cannot draw addresses")?;
        let block = u32::from(u16::from_be_bytes(random) % BLOCKS);
        Ok((Ipv4Addr::from(u32::from(RANGE) + 32 * block + 1), PREFIX))
    }
}

/// `HOST` or `HOST:PORT`, with a port.
pub(super) fn with_port(host: &str) -> String {
    let has_port = match host.rsplit_once(':') {
        // More than one colon is an address of IPv6, unless it is in brackets.
        Some((before, _)) => !before.contains(':') || before.ends_with(']'),
        None => false,
    };
    if has_port {
        host.to_owned()
    } else if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{PORT}")
    } else {
        format!("{host}:{PORT}")
    }
}

fn addresses(text: &str) -> Result<(Ipv4Addr, u8), String> {
    let parsed = || {
        let (first, length) = text.split_once('/')?;
        let (first, length): (Ipv4Addr, u8) = (first.parse().ok()?, length.parse().ok()?);
        let mask = match length {
            1..=27 => u32::MAX << (32 - length),
            _ => return None,
        };
        let last = u32::from(first).checked_add(2 * u32::try_from(Way::ALL.len()).ok()? - 1)?;
        (u32::from(first) & mask == last & mask).then_some((first, length))
    };
    parsed().ok_or_else(|| "give an address of IPv4 and a length of 1 to 27, as 10.9.0.1/24; 18 addresses from there on must be in the subnet".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gets_a_port() {
        let given = [
            "a",
            "a:1",
            "192.0.2.1",
            "2001:db8::1",
            "[2001:db8::1]",
            "[2001:db8::1]:2",
        ];
        let all = [
            "a:9470",
            "a:1",
            "192.0.2.1:9470",
            "[2001:db8::1]:9470",
            "[2001:db8::1]:9470",
            "[2001:db8::1]:2",
        ];
        assert_eq!(given.map(with_port), all);
    }

    #[test]
    fn addresses_are_in_one_subnet() {
        assert_eq!(addresses("10.9.0.1/24").unwrap().1, 24);
        for wrong in [
            "10.9.0.250/24",
            "10.9.0.1",
            "10.9.0.1/28",
            "10.9.0.1/0",
            "x/24",
            "255.255.255.254/1",
        ] {
            assert!(addresses(wrong).is_err(), "{wrong}");
        }
    }
}
