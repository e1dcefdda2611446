//! The settings of this load, as constants that the verifier knows.

use core::ptr::read_volatile;

use monitor_common::config::{Config, HOST_PORTS, HostFlows};
use monitor_common::encapsulation::UdpPort;
use monitor_common::udp_port;

use crate::maps::IPSEC;
use crate::verifier::opaque;

/// Written by the loader before the object is loaded. It is in `.rodata`, which is frozen, so the verifier knows each
/// value and removes the code of what is switched off.
#[unsafe(no_mangle)]
static CONFIG: Config = Config::UNSET;

/// What each UDP port stands for; written by the loader like [`CONFIG`].
#[unsafe(no_mangle)]
static PORTS: [u8; udp_port::PORTS] = [UdpPort::None as u8; udp_port::PORTS];

/// One field. Volatile: the compiler must not fold the value of the object file, and the packet path must not copy the
/// whole struct.
macro_rules! setting {
    ($($place:tt)+) => {
        // SAFETY: a field of a static, always valid.
        unsafe { read_volatile(&raw const CONFIG.$($place)+) }
    };
}

/// One packet in this many is sampled; 0 none.
#[inline(always)]
pub fn sample_every() -> u32 {
    setting!(sample_every)
}

/// First payload packets to sample of each flow and direction; 0 none.
#[inline(always)]
pub fn flow_samples() -> u32 {
    setting!(flow_samples)
}

/// Whether the inside of an overlay packet is needed at all.
#[inline(always)]
pub fn looks_inside() -> bool {
    flow_samples() != 0 || sample_every() != 0 || exposure_on()
}

/// Bytes of a frame to keep.
#[inline(always)]
pub fn snap() -> u32 {
    setting!(snap)
}

/// Seed of the flow hash.
#[inline(always)]
pub fn seed() -> [u64; 4] {
    [
        setting!(seed[0]),
        setting!(seed[1]),
        setting!(seed[2]),
        setting!(seed[3]),
    ]
}

/// What a UDP port stands for.
#[inline(always)]
pub fn udp_port(port: u16) -> UdpPort {
    // Bounded again for verifiers before Linux 6.3, which know nothing of a number whose bytes were swapped.
    let port = opaque(port as usize) & (udp_port::PORTS - 1);
    // SAFETY: inside the table, which has a byte for every port.
    let index = unsafe { read_volatile((&raw const PORTS).cast::<u8>().add(port)) };
    UdpPort::from_index(index)
}

/// Whether packets are counted by the verdict on their flow.
#[inline(always)]
pub fn exposure_on() -> bool {
    setting!(exposure) != 0
}

/// Whether a packet may be one that this host's IPsec has decrypted: the kernel has IPsec, and has loaded a
/// transformation to decrypt with. Asking for each packet is a call, which costs as much as a look-up.
#[inline(always)]
pub fn ipsec() -> bool {
    if setting!(ipsec) == 0 {
        return false;
    }
    match IPSEC.get_ptr_mut(0) {
        // SAFETY: an aligned word of the map.
        Some(in_use) => unsafe { read_volatile(in_use) != 0 },
        None => false,
    }
}

/// Whether networks may have to be encrypted.
#[inline(always)]
pub fn policy_on() -> bool {
    setting!(policy) != 0
}

/// Samples in a span that a CPU takes at most: of all networks, and of one network.
#[inline(always)]
pub fn caps() -> (u32, u32) {
    (setting!(cap_cpu), setting!(cap_network))
}

/// Entries that `FLOWS` has room for.
#[inline(always)]
pub fn flows() -> u64 {
    u64::from(setting!(flows))
}

/// Slots of each CPU and direction; 0 if nothing is counted in slots.
#[inline(always)]
pub fn slots() -> u32 {
    setting!(slots)
}

/// Places of ESP associations of each CPU and direction: a power of two.
#[inline(always)]
pub fn esp_places() -> u32 {
    setting!(esp_places)
}

/// Whether encryptions and decryptions are timed.
#[inline(always)]
pub fn esp_timing() -> bool {
    setting!(esp_timing) != 0
}

/// Elements of `BUCKETS` for described networks: a power of two.
#[inline(always)]
pub fn described_buckets() -> u32 {
    setting!(described_buckets)
}

/// Whether packets outside any overlay are walked.
#[inline(always)]
pub fn host_flows_on() -> bool {
    setting!(host_flows) != HostFlows::Off as u32
}

/// Whether only some ports of them are.
#[inline(always)]
pub fn host_flows_by_port() -> bool {
    setting!(host_flows) == HostFlows::Ports as u32
}

/// Whether a packet between these ports, outside any overlay, is to be counted and sampled.
#[inline(always)]
pub fn watches_ports(source: u16, destination: u16) -> bool {
    if setting!(host_flows) == HostFlows::All as u32 {
        return true;
    }
    let mut found = false;
    let mut i = 0;
    while i < HOST_PORTS {
        let port = setting!(host_ports.0[i]);
        found |= port == source || port == destination;
        i += 1;
    }
    found
}
