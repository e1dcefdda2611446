//! Maps. Their sizes are upper bounds for a host of 64 CPUs; the loader scales them.

use aya_ebpf::btf_maps::{LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use aya_ebpf::macros::btf_map;
use monitor_common::key::{Count, CounterKey, CpuState, EspCount, EspKey, FlowState, ReasonKey};

/// Packets and bytes per interface, direction, encapsulation and VNI.
#[btf_map]
pub static COUNTERS: PerCpuHashMap<CounterKey, Count, 36864> = PerCpuHashMap::new();

/// Packets, bytes and sequence range per security association on the wire.
#[btf_map]
pub static ESP: PerCpuHashMap<EspKey, EspCount, 4096> = PerCpuHashMap::new();

/// Packets not understood, per interface, direction and reason.
#[btf_map]
pub static REASONS: PerCpuHashMap<ReasonKey, u64, 4096> = PerCpuHashMap::new();

/// Payload packets of each flow that were sampled.
#[btf_map]
pub static FLOWS: LruHashMap<u64, FlowState, 131072> = LruHashMap::new();

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
