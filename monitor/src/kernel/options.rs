//! The options with which the programs are loaded.

use monitor_common::config::HostFlows;

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
    /// Whether encryptions and decryptions of these packets are timed, if the kernel supports it.
    pub esp_timing: bool,
    /// Whether single packets are timed then and now, if the kernel supports it; with `esp_timing` only.
    pub esp_packet_timing: bool,
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
            esp_timing: false,
            esp_packet_timing: false,
            caps: Caps::NONE,
            policy: false,
        }
    }
}
