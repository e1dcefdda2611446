//! Which packets are sampled, and how a sample is put into the ring.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::{
    BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_RING_SIZE,
};
use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns, bpf_ringbuf_query};
use monitor_common::config::SPAN_SHIFT;
use monitor_common::cpu_state::{Bucket, CpuState};
use monitor_common::direction::Direction;
use monitor_common::key::Group;
use monitor_common::map_size::{FIRST_BUCKET, UNKNOWN_PER_DESCRIBED};
use monitor_common::recent::{Recent, may_sample};
use monitor_common::sample::{SampleHeader, Trigger};

use crate::count;
use crate::ctx::Packet;
use crate::maps::{BUCKETS, RETURNED, SAMPLES, SHARES};
use crate::settings;
use crate::verifier::bounded;
use crate::walked::Walked;

/// Bytes in the ring at which the reader is woken. Below that it reads the ring every few milliseconds anyway: waking
/// it takes an interrupt, which costs more than many samples.
const WAKE_AT: u64 = 64 * 1024;

/// Whether this packet's turn has come: one in N, at random distances with mean N, so that regular traffic cannot stay
/// between the samples.
#[inline(always)]
pub fn is_due() -> bool {
    let every = settings::sample_every();
    if every < 2 {
        return every == 1;
    }
    let Some(state) = count::state() else {
        return false;
    };
    // SAFETY: this CPU's own slot.
    let state: &mut CpuState = unsafe { &mut *state };
    if state.countdown > 1 {
        state.countdown -= 1;
        return false;
    }
    let random = u64::from(bpf_random());
    // Uniform over 1 ..= 2N - 1.
    state.countdown = 1 + ((random * (2 * u64::from(every) - 1)) >> 32);
    true
}

#[inline(always)]
fn bpf_random() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_prandom_u32() }
}

/// Samples a packet whose turn has come.
#[inline(always)]
pub fn take<P: Packet>(packet: &P, direction: Direction) {
    let Some(walked) = Walked::slot() else { return };
    let group = match RETURNED.get_ptr_mut(walked.network_id) {
        // SAFETY: an element of the map, which the agent replaces whole.
        Some(returned) => Group::from_bit(unsafe { (*returned).group }),
        None => Group::Unknown,
    };
    if has_room(walked.network_id, group, true) {
        emit(packet, walked, direction, Trigger::Periodic);
    }
}

/// Samples a packet of a flow without a verdict; whether that succeeded. Near the cap the first sample of a flow and
/// direction has priority over further ones.
#[inline(always)]
pub fn flow_start<P: Packet>(
    packet: &P,
    walked: &Walked,
    direction: Direction,
    group: Group,
    is_first: bool,
) -> bool {
    has_room(walked.network_id, group, is_first)
        && emit(packet, walked, direction, Trigger::FlowStart)
}

/// Networks of [`Group::Unknown`] leave one part in this many of a CPU's samples, and of the ring, to the others.
const RESERVED: u64 = 8;
/// Log 2 of the bytes of the ring that one sample counts as when its room is shared.
const ENTRY_SHIFT: u32 = 9;

/// Whether the CPU and the network are below their caps; counts a sample if so.
#[inline(always)]
fn has_room(network: u32, group: Group, is_first: bool) -> bool {
    let caps = settings::caps();
    if caps == (u32::MAX, u32::MAX) {
        return true;
    }
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    if share(network, group, is_first, now, caps).is_some() {
        return true;
    }
    if let Some(state) = count::state() {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).capped += 1 };
    }
    false
}

/// Takes one sample of a network's share of what this CPU, its group, and the ring have left; `None` if it has none.
#[inline(always)]
fn share(
    network: u32,
    group: Group,
    is_first: bool,
    now: u64,
    (cap_cpu, cap_network): (u32, u32),
) -> Option<()> {
    let span = (now >> SPAN_SHIFT) as u32;
    let mut taken = 0;
    for each in Group::ALL {
        // SAFETY: this CPU's own slot; so below.
        taken += unsafe { (*of_span(each as u32, 0, span)?).taken };
    }
    // Looked up once more, not taken out of an array: the verifier loses a pointer that is read at a variable place of
    // the stack.
    let of_group = of_span(group as u32, 0, span)?;
    let bucket = bucket_of(network, group, span)?;
    let (cap_cpu, cap_network) = if is_first {
        (u64::from(cap_cpu), u64::from(cap_network))
    } else {
        (u64::from(cap_cpu / 2), u64::from(cap_network / 2))
    };
    // SAFETY: helpers that read the ring's own numbers.
    let (ring, waiting) = unsafe {
        let ring = (&raw const SAMPLES).cast_mut().cast();
        (
            bpf_ringbuf_query(ring, u64::from(BPF_RB_RING_SIZE)),
            bpf_ringbuf_query(ring, u64::from(BPF_RB_AVAIL_DATA)),
        )
    };
    // SAFETY: this CPU's own slot.
    let of_network = unsafe { (*bucket).taken };
    // Without a row, as where exposure is not counted, a network leaves what it has had in this span.
    let row = SHARES.get_ptr_mut(network);
    let recent = match row {
        // SAFETY: an aligned word of the map, written whole. Of two samples that two CPUs add at once one may be lost,
        // which is harmless.
        Some(row) => Recent(unsafe { read_volatile(&raw const (*row).samples) }),
        None => Recent(0),
    };
    let lately = recent.at(now);
    let (group_cap, group_ring) = match group {
        Group::Unknown => (cap_cpu - cap_cpu / RESERVED, ring - ring / RESERVED),
        Group::Described => (cap_cpu, ring),
    };
    let left_of_cpu = cap_cpu.saturating_sub(taken);
    // SAFETY: this CPU's own slot.
    let left_of_group = group_cap.saturating_sub(unsafe { (*of_group).taken });
    let left_of_ring = group_ring.saturating_sub(waiting) >> ENTRY_SHIFT;
    let rooms = [
        (cap_cpu, left_of_cpu),
        (group_cap, left_of_group),
        (group_ring >> ENTRY_SHIFT, left_of_ring),
    ];
    let mut has_room = of_network < cap_network;
    for (whole, left) in rooms {
        has_room &= may_sample(of_network, lately, whole, left);
    }
    if !has_room {
        return None;
    }
    // SAFETY: this CPU's own slots, and the row of above.
    unsafe {
        (*of_group).taken += 1;
        (*bucket).taken += 1;
        if let Some(row) = row {
            write_volatile(&raw mut (*row).samples, recent.add(now).0);
        }
    }
    Some(())
}

/// The bucket in which a network's samples are counted in this span: by a seeded hash, so that a sender cannot predict it.
/// If another network has that bucket a second one is tried, and if that is taken too they share it.
#[inline(always)]
fn bucket_of(network: u32, group: Group, span: u32) -> Option<*mut Bucket> {
    let hash =
        (u64::from(network) ^ settings::seed()[0]).wrapping_mul(settings::seed()[1] | 1) >> 32;
    let described = settings::described_buckets();
    let (first, mask) = match group {
        Group::Described => (FIRST_BUCKET, described - 1),
        Group::Unknown => (
            FIRST_BUCKET + described,
            UNKNOWN_PER_DESCRIBED * described - 1,
        ),
    };
    let bucket = of_span(first + (hash as u32 & mask), network, span)?;
    // SAFETY: this CPU's own slot.
    if unsafe { (*bucket).network } == network {
        return Some(bucket);
    }
    of_span(first + ((hash >> 16) as u32 & mask), network, span)
}

/// A bucket; emptied for this network if it was last used in another span.
#[inline(always)]
fn of_span(index: u32, network: u32, span: u32) -> Option<*mut Bucket> {
    let bucket = BUCKETS.get_ptr_mut(index)?;
    // SAFETY: this CPU's own slot.
    unsafe {
        if (*bucket).span != span {
            *bucket = Bucket {
                span,
                network,
                taken: 0,
            };
        }
    }
    Some(bucket)
}

/// An entry of the ring with room for `N` bytes of the frame.
#[repr(C)]
struct Entry<const N: usize> {
    header: SampleHeader,
    frame: [u8; N],
}

/// Puts the first bytes of the packet into the ring; whether that succeeded.
///
/// The kernel reserves constant sizes only, so there are four; the settings choose one, and the verifier removes the
/// others.
#[inline(never)]
fn emit<P: Packet>(packet: &P, walked: &Walked, direction: Direction, trigger: Trigger) -> bool {
    let snap = settings::snap();
    if snap <= 128 {
        emit_entry::<P, 128>(packet, walked, direction, trigger)
    } else if snap <= 256 {
        emit_entry::<P, 256>(packet, walked, direction, trigger)
    } else if snap <= 512 {
        emit_entry::<P, 512>(packet, walked, direction, trigger)
    } else {
        emit_entry::<P, 1536>(packet, walked, direction, trigger)
    }
}

#[inline(always)]
fn emit_entry<P: Packet, const N: usize>(
    packet: &P,
    walked: &Walked,
    direction: Direction,
    trigger: Trigger,
) -> bool {
    let Some(state) = count::state() else {
        return false;
    };
    let Some(mut entry) = SAMPLES.reserve_untyped::<Entry<N>>(0) else {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).ring_full += 1 };
        return false;
    };
    let frame_len = packet.frame_len() as u32;
    let captured = if frame_len < settings::snap() {
        frame_len
    } else {
        settings::snap()
    };
    // Bounded again by the size of this entry, for the verifier.
    let captured = bounded::<N>(captured as usize) as u32;
    let ring_entry: *mut Entry<N> = entry.as_mut_ptr();
    // SAFETY: the ring has reserved a whole entry. Every byte of the header is written, and `captured` says how many of
    // the rest are.
    unsafe {
        let copied = packet.copy((&raw mut (*ring_entry).frame).cast(), captured);
        (*ring_entry).header = SampleHeader {
            time_ns: bpf_ktime_get_ns(),
            flow: walked.flow,
            ifindex: packet.ifindex(),
            frame_len,
            captured: if copied { captured } else { 0 },
            direction: direction as u8,
            trigger: trigger as u8,
            reason: walked.reason as u8,
            link: walked.frame_link as u8,
        };
        let waiting = bpf_ringbuf_query(
            (&raw const SAMPLES).cast_mut().cast(),
            u64::from(BPF_RB_AVAIL_DATA),
        );
        // Only when the mark is crossed: a reader that lags is awake already, and must not be woken again by every
        // sample.
        let crossed = waiting.wrapping_sub(WAKE_AT) < size_of::<Entry<N>>() as u64;
        let flags = if crossed {
            BPF_RB_FORCE_WAKEUP
        } else {
            BPF_RB_NO_WAKEUP
        };
        (*state).sent += 1;
        entry.submit(u64::from(flags));
    }
    true
}
