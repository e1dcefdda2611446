//! Maps. The loader sets the sizes of those that grow with the host (`monitor/src/kernel/size.rs`).

use aya_ebpf::btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use aya_ebpf::macros::btf_map;
use monitor_common::key::{
    Bucket, Count, CounterKey, CpuState, EspCount, EspKey, EspNetworkKey, ExposureKey, FlowState,
    FragmentState, NETWORK_BUCKETS, PeerCount, PeerKey, REQUIRED_WORDS, ReasonKey,
};

use crate::walked::Walked;

/// Packets and bytes per interface, direction, encapsulation and VNI.
#[btf_map]
pub static COUNTERS: PerCpuHashMap<CounterKey, Count, 36864> = PerCpuHashMap::new();

/// Packets, bytes and sequence range per security association on the wire.
#[btf_map]
pub static ESP: PerCpuHashMap<EspKey, EspCount, 4096> = PerCpuHashMap::new();

/// Packets and bytes inside ESP per direction, VNI and remote node.
#[btf_map]
pub static ESP_NETWORKS: PerCpuHashMap<EspNetworkKey, Count, 16384> = PerCpuHashMap::new();

/// Packets not understood, per interface, direction and reason.
#[btf_map]
pub static REASONS: PerCpuHashMap<ReasonKey, u64, 4096> = PerCpuHashMap::new();

/// Flows without a verdict: samples taken, and packets and bytes until it comes.
#[btf_map]
pub static FLOWS: LruHashMap<u64, FlowState, 131072> = LruHashMap::new();

/// Verdicts on flows, as `Class`. Written by user space only.
#[btf_map]
pub static VERDICTS: LruHashMap<u64, u32, 131072> = LruHashMap::new();

/// Packets and bytes per direction, network, protocol and exposure.
#[btf_map]
pub static EXPOSURE: PerCpuHashMap<ExposureKey, Count, 32768> = PerCpuHashMap::new();

/// What the first fragments of packets were.
#[btf_map]
pub static FRAGMENTS: LruHashMap<u64, FragmentState, 8192> = LruHashMap::new();

/// Samples of each network, by its hash, and of the CPU, in the span of time that runs.
#[btf_map]
pub static BUCKETS: PerCpuArray<Bucket, { NETWORK_BUCKETS as usize + 1 }> = PerCpuArray::new();

/// Whether this host may decrypt packets: not 0 from when the kernel has loaded what it takes.
#[btf_map]
pub static IPSEC: Array<u32, 1> = Array::new();

/// Which networks must be encrypted: a bit for each VNI. Written by user space only.
#[btf_map]
pub static REQUIRED: Array<u64, { REQUIRED_WORDS as usize }> = Array::new();

/// Cleartext packets and bytes of those, per direction, VNI and other node.
#[btf_map]
pub static PEERS: HashMap<PeerKey, PeerCount, 16384> = HashMap::new();

/// The packet in hand.
#[btf_map]
pub static WALKED: PerCpuArray<Walked, 1> = PerCpuArray::new();

/// What each CPU keeps for itself.
#[btf_map]
pub static STATE: PerCpuArray<CpuState, 1> = PerCpuArray::new();

/// Samples on their way to user space.
#[btf_map]
pub static SAMPLES: RingBuf<[u8; 0], 1048576> = RingBuf::new();

/// Bytes of a frame that [`SCRATCH`] holds: all headers that the walk knows, at their longest.
pub const SCRATCH_LEN: usize = 320;

/// Where each CPU puts the headers of a frame that are not in its first buffer.
#[btf_map]
pub static SCRATCH: PerCpuArray<[u8; SCRATCH_LEN], 1> = PerCpuArray::new();
