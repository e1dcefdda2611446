//! What the programs are loaded with.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use anyhow::anyhow;
use monitor_common::config::{Config, HOST_PORTS, HostFlows, Ports};

use crate::base::failure::Failure;
use crate::base::udp_ports::Services;

/// What the programs are loaded with; constant while they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Sample one packet in this many; 1 is every packet, 0 none.
    pub sample_every: u32,
    /// First payload packets to sample of each inner flow and direction; 0 none.
    pub flow_samples: u32,
    /// Bytes to keep of each sampled frame.
    pub snap: u32,
    /// Whether traffic outside any overlay is watched too.
    pub host_flows: HostFlows,
    /// The ports for [`HostFlows::Ports`]; else ignored.
    pub host_ports: Vec<u16>,
    /// UDP ports of VXLAN and the other encapsulations.
    pub services: Services,
    /// Size of the sample ring in bytes: a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Whether packets are counted by what can be read of their flow.
    pub exposure: bool,
    /// Whether packets in ESP are attributed to their networks, where the kernel can.
    pub esp_networks: bool,
    /// How many samples are taken at most.
    pub caps: Caps,
    /// Whether cleartext of networks that must be encrypted is counted by node.
    pub policy: bool,
}

/// Samples that each CPU takes at most in a second. [`u32::MAX`]: no cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of all networks.
    pub cpu: u32,
    /// Of one network.
    pub network: u32,
}

impl Caps {
    /// No caps.
    pub const NONE: Caps = Caps {
        cpu: u32::MAX,
        network: u32::MAX,
    };
    /// Enough for 20,000 new flows a second in one network on one CPU, with room for as much in the
    /// others.
    pub const DEFAULT: Caps = Caps {
        cpu: 60_000,
        network: 30_000,
    };
}

/// A cap for the span of time that the programs count over.
fn in_span(per_second: u32) -> u32 {
    if per_second == u32::MAX {
        return u32::MAX;
    }
    let span_ns = 1u64 << monitor_common::config::SPAN_SHIFT;
    let in_span = u64::from(per_second) * span_ns / 1_000_000_000;
    u32::try_from(in_span).unwrap_or(u32::MAX).max(1)
}

impl Default for LoadOptions {
    fn default() -> LoadOptions {
        LoadOptions {
            sample_every: 1000,
            flow_samples: 3,
            snap: 256,
            host_flows: HostFlows::Off,
            host_ports: Vec::new(),
            services: Services::default(),
            ring_bytes: 1 << 20,
            exposure: false,
            esp_networks: false,
            caps: Caps::NONE,
            policy: false,
        }
    }
}

impl LoadOptions {
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let host_ports = if self.host_flows == HostFlows::Ports {
            Ports::new(&self.host_ports).ok_or_else(|| {
                Failure::usage(anyhow!(
                    "host ports {:?}: give 1 to {HOST_PORTS} ports, none of them 0",
                    self.host_ports,
                ))
            })?
        } else {
            Config::UNSET.host_ports
        };
        Ok(Config {
            seed: random_words(),
            sample_every: self.sample_every,
            flow_samples: self.flow_samples,
            snap: self.snap,
            host_flows: self.host_flows as u32,
            exposure: u32::from(self.exposure),
            ipsec: u32::from(knows_ipsec()),
            cap_cpu: in_span(self.caps.cpu),
            cap_network: in_span(self.caps.network),
            policy: u32::from(self.policy),
            reserved: 0,
            host_ports,
        })
    }
}

/// Whether this kernel has XFRM (`CONFIG_XFRM`): else it has not the helper that tells of it either.
fn knows_ipsec() -> bool {
    Path::new("/proc/sys/net/core/xfrm_acq_expires").exists()
}

/// Words that nobody outside can guess. `RandomState` is keyed by the operating system's randomness.
fn random_words() -> [u64; 4] {
    std::array::from_fn(|n| RandomState::new().hash_one(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_never_rounded_to_nothing() {
        assert_eq!(in_span(1), 1);
        assert_eq!(in_span(u32::MAX), u32::MAX);
        assert_eq!(in_span(15_000), 1006);
    }
}
