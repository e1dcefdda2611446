//! The options with which the programs are loaded.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use anyhow::anyhow;
use monitor_common::config::{Config, HOST_PORTS, HostFlows, Ports};

use super::size::MapSizes;
use crate::base::failure::Failure;
use crate::base::udp_ports::UdpPorts;

/// The options of the programs; constant after loading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Sample one packet in this many; 1 is every packet, 0 is none.
    pub sample_every: u32,
    /// Number of first payload packets to sample of each inner flow and direction; 0 is none.
    pub flow_samples: u32,
    /// Number of bytes to keep of each sampled frame.
    pub snap: u32,
    /// Whether traffic outside any overlay is counted too.
    pub host_flows: HostFlows,
    /// The ports for [`HostFlows::Ports`]; otherwise ignored.
    pub host_ports: Vec<u16>,
    /// UDP ports of VXLAN and the other encapsulations.
    pub udp_ports: UdpPorts,
    /// Size of the sample ring in bytes: a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Whether packets are counted by the verdict on their flow.
    pub exposure: bool,
    /// Whether packets in ESP are attributed to their networks, if the kernel supports it.
    pub esp_networks: bool,
    /// The caps on samples.
    pub caps: Caps,
    /// Whether cleartext of networks that must be encrypted is counted by node.
    pub policy: bool,
}

/// Most samples that each CPU takes per second; [`u32::MAX`] is no cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of all networks together.
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
    /// Enough for 20,000 new flows per second in one network on one CPU, and as many in the others.
    pub const DEFAULT: Caps = Caps {
        cpu: 60_000,
        network: 30_000,
    };
}

/// A cap converted to the span of time over which the programs count.
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
            udp_ports: UdpPorts::default(),
            ring_bytes: 1 << 20,
            exposure: false,
            esp_networks: false,
            caps: Caps::NONE,
            policy: false,
        }
    }
}

impl LoadOptions {
    /// The value of the programs' `CONFIG` global. `sizes` are those of the maps.
    ///
    /// # Errors
    /// A usage failure for invalid host ports.
    pub(super) fn config(&self, sizes: &MapSizes) -> Result<Config, Failure> {
        let host_ports = if self.host_flows == HostFlows::Ports {
            Ports::new(&self.host_ports).ok_or_else(|| {
                Failure::usage(anyhow!(
                    "host ports {:?} are invalid; give 1 to {HOST_PORTS} ports, none of them 0",
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
            ipsec: u32::from(has_ipsec()),
            cap_cpu: in_span(self.caps.cpu),
            cap_network: in_span(self.caps.network),
            policy: u32::from(self.policy),
            flows: sizes.flows,
            slots: sizes.slots,
            esp_places: sizes.esp_places,
            described_buckets: sizes.described_buckets,
            unused: 0,
            host_ports,
        })
    }
}

/// Whether this kernel has IPsec (`CONFIG_XFRM`). Without it `bpf_skb_get_xfrm_state` does not exist.
fn has_ipsec() -> bool {
    Path::new("/proc/sys/net/core/xfrm_acq_expires").exists()
}

/// Unpredictable words: `RandomState` is keyed by the operating system's randomness.
fn random_words() -> [u64; 4] {
    std::array::from_fn(|n| RandomState::new().hash_one(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_never_rounded_to_zero() {
        assert_eq!(in_span(1), 1);
        assert_eq!(in_span(u32::MAX), u32::MAX);
        assert_eq!(in_span(15_000), 1006);
    }
}
