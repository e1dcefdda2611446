//! Which packets are sampled, and how a sample gets into the ring.

use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns, bpf_ringbuf_query};
use monitor_common::config::SPAN_SHIFT;
use monitor_common::key::{Bucket, CpuState, NETWORK_BUCKETS};
use monitor_common::label::Direction;
use monitor_common::sample::{Cause, SampleHeader};

use crate::count;
use crate::ctx::{Packet, bounded};
use crate::maps::{BUCKETS, SAMPLES};
use crate::settings;
use crate::walked::Walked;

/// Wake the reader early when so many bytes wait for it. Otherwise it comes by itself, every few
/// milliseconds: waking it takes an interrupt, and costs more than many samples do.
const WAKE_AT: u64 = 64 * 1024;

/// Whether this packet's turn has come: one in N, at random distances with mean N, so that no
/// regular traffic can hide between the samples.
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
    if has_room(walked.network_id, true) {
        emit(packet, walked, direction, Cause::Periodic);
    }
}

/// Samples a packet of a flow without a verdict; whether that worked. The first sample of a flow and
/// direction goes before further ones, where there is not room for all.
#[inline(always)]
pub fn flow_start<P: Packet>(
    packet: &P,
    walked: &Walked,
    direction: Direction,
    is_first: bool,
) -> bool {
    has_room(walked.network_id, is_first) && emit(packet, walked, direction, Cause::FlowStart)
}

/// Whether CPU and network have not had their share of samples yet; takes one of it if so.
///
/// Networks share buckets by a seeded hash: nobody outside can tell which, or make more of them.
#[inline(always)]
fn has_room(network: u32, is_first: bool) -> bool {
    let (cap_cpu, cap_network) = settings::caps();
    if cap_cpu == u32::MAX && cap_network == u32::MAX {
        return true;
    }
    // SAFETY: a helper without arguments.
    let span = unsafe { bpf_ktime_get_ns() } >> SPAN_SHIFT;
    let hash =
        (u64::from(network) ^ settings::seed()[0]).wrapping_mul(settings::seed()[1] | 1) >> 32;
    let index = hash as u32 & (NETWORK_BUCKETS - 1);
    let (Some(cpu), Some(network)) = (
        BUCKETS.get_ptr_mut(NETWORK_BUCKETS),
        BUCKETS.get_ptr_mut(index),
    ) else {
        return false;
    };
    // SAFETY: this CPU's own slots.
    let (cpu, network) = unsafe { (&mut *cpu, &mut *network) };
    if is_below(cpu, span, cap_cpu, is_first) && is_below(network, span, cap_network, is_first) {
        cpu.taken += 1;
        network.taken += 1;
        return true;
    }
    if let Some(state) = count::state() {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).capped += 1 };
    }
    false
}

#[inline(always)]
fn is_below(bucket: &mut Bucket, span: u64, cap: u32, is_first: bool) -> bool {
    if bucket.span != span {
        bucket.span = span;
        bucket.taken = 0;
    }
    let cap = if is_first { cap } else { cap / 2 };
    bucket.taken < u64::from(cap)
}

/// A ring record with room for `N` bytes of the frame.
#[repr(C)]
struct Record<const N: usize> {
    header: SampleHeader,
    frame: [u8; N],
}

/// Puts the first bytes of the packet into the ring.
///
/// The kernel reserves constant sizes only, so there are four of them; the settings choose one, and
/// the verifier removes the others.
#[inline(never)]
fn emit<P: Packet>(packet: &P, walked: &Walked, direction: Direction, cause: Cause) -> bool {
    let snap = settings::snap();
    if snap <= 128 {
        emit_record::<P, 128>(packet, walked, direction, cause)
    } else if snap <= 256 {
        emit_record::<P, 256>(packet, walked, direction, cause)
    } else if snap <= 512 {
        emit_record::<P, 512>(packet, walked, direction, cause)
    } else {
        emit_record::<P, 1536>(packet, walked, direction, cause)
    }
}

#[inline(always)]
fn emit_record<P: Packet, const N: usize>(
    packet: &P,
    walked: &Walked,
    direction: Direction,
    cause: Cause,
) -> bool {
    let Some(state) = count::state() else {
        return false;
    };
    let Some(mut entry) = SAMPLES.reserve_untyped::<Record<N>>(0) else {
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
    // Said again in the terms of this record, for the verifier.
    let captured = bounded::<N>(captured as usize) as u32;
    let record: *mut Record<N> = entry.as_mut_ptr();
    // SAFETY: the ring has reserved a whole record; every header byte is written, and `captured`
    // tells the reader how much of the rest is.
    unsafe {
        let copied = packet.copy((&raw mut (*record).frame).cast(), captured);
        (*record).header = SampleHeader {
            time_ns: bpf_ktime_get_ns(),
            flow: walked.flow,
            ifindex: packet.ifindex(),
            frame_len,
            captured: if copied { captured } else { 0 },
            direction: direction as u8,
            cause: cause as u8,
            reason: walked.reason as u8,
            link: walked.frame_link as u8,
        };
        let waiting = bpf_ringbuf_query(
            (&raw const SAMPLES).cast_mut().cast(),
            u64::from(BPF_RB_AVAIL_DATA),
        );
        // Only on the way up: a reader that is behind is awake already, and must not be woken again
        // by every sample.
        let crossed = waiting.wrapping_sub(WAKE_AT) < size_of::<Record<N>>() as u64;
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
