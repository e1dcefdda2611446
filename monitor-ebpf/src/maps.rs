//! The maps that more than one file uses. How many entries they have is in [`monitor_common::map_size`].

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::{Array, HashMap, LruHashMap, PerCpuArray, PerCpuHashMap, RingBuf};
use aya_ebpf::macros::btf_map;
use monitor_common::count::{Count, EspCarried, EspCount};
use monitor_common::cpu_state::{Bucket, CpuState};
use monitor_common::esp_slot::{self, EspSlot};
use monitor_common::esp_time::EspTimes;
use monitor_common::key::{
    CounterKey, EspKey, EspNetworkKey, ExposureKey, FlowState, FlowVerdict, FragmentState,
    PeerCount, PeerKey, ReasonKey, Returned, Room, Share,
};
use monitor_common::map_size;
use monitor_common::packet_time::PacketTimes;
use monitor_common::row_room::{RowMap, RowRoom};
use monitor_common::slot::{self, Line, SlotRow};

/// The agent maps the array into its memory.
const MMAPABLE: usize = BPF_F_MMAPABLE as usize;

/// Packets and bytes per interface, direction, encapsulation and VNI.
#[btf_map]
pub static COUNTERS: PerCpuHashMap<CounterKey, Count, { map_size::COUNTERS as usize }> =
    PerCpuHashMap::new();

/// Packets, bytes and sequence range per security association on the wire.
#[btf_map]
pub static ESP: PerCpuHashMap<EspKey, EspCount, { map_size::ESP as usize }> = PerCpuHashMap::new();

/// Packets, bytes inside ESP, and bytes that ESP added to them, per direction, VNI and remote node.
#[btf_map]
pub static ESP_NETWORKS: PerCpuHashMap<
    EspNetworkKey,
    EspCarried,
    { map_size::ESP_NETWORKS as usize },
> = PerCpuHashMap::new();

/// Packets not understood, per interface, direction and reason.
#[btf_map]
pub static REASONS: PerCpuHashMap<ReasonKey, u64, { map_size::REASONS as usize }> =
    PerCpuHashMap::new();

/// Flows without a verdict: samples taken, and packets and bytes until it comes. The kernel evicts none of them, because
/// the sender of the most packets would choose which.
#[btf_map]
pub static FLOWS: HashMap<u64, FlowState, { map_size::FLOWS as usize }> = HashMap::new();

/// Flows that each network has inserted into [`FLOWS`].
#[btf_map]
pub static SHARES: HashMap<u32, Share, { map_size::SHARES as usize }> = HashMap::new();

/// Flows of each network that the agent has removed, and its group. Written by user space only.
#[btf_map]
pub static RETURNED: HashMap<u32, Returned, { map_size::SHARES as usize }> = HashMap::new();

/// Flows that each group of networks has inserted into [`FLOWS`].
#[btf_map]
pub static MADE: Array<u64, 2> = Array::new();

/// How much of [`FLOWS`] each group may take. Written by user space only.
#[btf_map]
pub static ROOM: Array<Room, 2> = Array::new();

/// Rows that the programs have inserted into each [`RowMap`](monitor_common::row_room::RowMap).
#[btf_map]
pub static INSERTED: Array<u64, { RowMap::ALL.len() }> = Array::new();

/// How many rows they may have there. Written by user space only.
#[btf_map]
pub static ROWS_ROOM: Array<RowRoom, { RowMap::ALL.len() }> = Array::new();

/// Rows that user space is about to remove, by [`RowKey::leaving`](monitor_common::row_room::RowKey::leaving). Written by
/// user space only.
#[btf_map]
pub static LEAVING: HashMap<u64, u64, { map_size::LEAVING as usize }> = HashMap::new();

/// A flow that is being inserted.
#[btf_map]
pub static NEW_FLOW: PerCpuArray<FlowState, 1> = PerCpuArray::new();

/// Samples taken of flows, if exposure is not counted.
#[btf_map]
pub static SAMPLED: LruHashMap<u64, FlowState, { map_size::FLOWS as usize }> = LruHashMap::new();

/// Verdicts on flows. Written by user space only, except for the mark that a verdict is in use.
#[btf_map]
pub static VERDICTS: HashMap<u64, FlowVerdict, { map_size::VERDICTS as usize }> = HashMap::new();

/// Packets and bytes per direction, network, protocol and exposure.
#[btf_map]
pub static EXPOSURE: PerCpuHashMap<ExposureKey, Count, { map_size::EXPOSURE as usize }> =
    PerCpuHashMap::new();

/// Which slot a flow counts in. Written by user space; a program only takes ways out and marks them as used.
#[btf_map]
pub static SLOT_LINES: Array<Line, { slot::LINES as usize }, MMAPABLE> = Array::new();

/// What each CPU has counted in each slot, by direction. The loader sets its size, which grows with the CPUs.
#[btf_map]
pub static SLOT_ROWS: Array<SlotRow, { 2 * map_size::SLOTS as usize }, MMAPABLE> = Array::new();

/// What each CPU has counted of ESP associations that have a place, by direction. User space writes the keys. The loader
/// sets its size, which grows with the CPUs.
#[btf_map]
pub static ESP_SLOTS: Array<EspSlot, { 2 * esp_slot::PLACES as usize }, MMAPABLE> = Array::new();

/// Packets and samples of encryptions and decryptions, by direction and size, and the packet in hand.
#[btf_map]
pub static ESP_TIMES: PerCpuArray<EspTimes, 1> = PerCpuArray::new();

/// Times of single packets in ESP, by direction and size.
#[btf_map]
pub static PACKET_TIMES: PerCpuArray<PacketTimes, 1> = PerCpuArray::new();

/// What the first fragments of packets were.
#[btf_map]
pub static FRAGMENTS: LruHashMap<u64, FragmentState, { map_size::FRAGMENTS as usize }> =
    LruHashMap::new();

/// Samples of each network, by its hash, and of the CPU, in the span of time that runs.
#[btf_map]
pub static BUCKETS: PerCpuArray<
    Bucket,
    { map_size::buckets(map_size::DESCRIBED_BUCKETS) as usize },
> = PerCpuArray::new();

/// Whether this host may decrypt packets: not 0 from when the kernel has loaded what it takes.
#[btf_map]
pub static IPSEC: Array<u32, 1> = Array::new();

/// Which networks must be encrypted: a bit for each VNI. Written by user space only.
#[btf_map]
pub static REQUIRED: Array<u64, { map_size::REQUIRED_WORDS as usize }> = Array::new();

/// Cleartext packets and bytes of those, per direction, VNI and other node.
#[btf_map]
pub static PEERS: HashMap<PeerKey, PeerCount, { map_size::PEERS as usize }> = HashMap::new();

/// What each CPU keeps for itself.
#[btf_map]
pub static STATE: PerCpuArray<CpuState, 1> = PerCpuArray::new();

/// Samples on their way to user space.
#[btf_map]
pub static SAMPLES: RingBuf<[u8; 0], { map_size::SAMPLES_BYTES as usize }> = RingBuf::new();
