//! Which packets are sampled, and how a sample gets into the ring.

use aya_ebpf::bindings::{BPF_ANY, BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::{bpf_get_prandom_u32, bpf_ktime_get_ns, bpf_ringbuf_query};
use monitor_common::key::{CpuState, FlowState};
use monitor_common::label::Direction;
use monitor_common::sample::{Cause, NO_REASON, SampleHeader};

use crate::count;
use crate::ctx::{Packet, bounded};
use crate::maps::{FLOWS, SAMPLES};
use crate::settings;

/// Wake the reader early when so many bytes wait for it. Otherwise it comes by itself, every few
/// milliseconds: waking it takes an interrupt, and costs more than many samples do.
const WAKE_AT: u64 = 64 * 1024;

/// What is known of a packet when it is sampled.
#[derive(Clone, Copy)]
pub struct About {
    /// Key of the flow, 0 if there is none.
    pub flow: u64,
    /// Interface index.
    pub ifindex: u32,
    /// Which way it crosses it.
    pub direction: Direction,
    /// A `Reason`, or `NO_REASON`.
    pub reason: u8,
}

impl About {
    /// A packet without a flow.
    #[inline(always)]
    pub fn packet(ifindex: u32, direction: Direction) -> About {
        About {
            flow: 0,
            ifindex,
            direction,
            reason: NO_REASON,
        }
    }
}

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

/// Whether this payload packet is among the first of its flow and direction; notes it if so.
#[inline(always)]
pub fn is_flow_start(flow: u64, forward: bool) -> bool {
    let wanted = settings::flow_samples();
    match FLOWS.get_ptr_mut(&flow) {
        Some(state) => {
            // Two CPUs may both see the last free place: one sample more, no harm.
            // SAFETY: a slot of the map; a torn or lost update moves a sample count by one.
            let taken = unsafe {
                if forward {
                    &mut (*state).forward
                } else {
                    &mut (*state).reverse
                }
            };
            if *taken >= wanted {
                return false;
            }
            *taken += 1;
            true
        }
        None => first_of_flow(flow, forward),
    }
}

#[inline(never)]
fn first_of_flow(flow: u64, forward: bool) -> bool {
    let state = FlowState {
        forward: u32::from(forward),
        reverse: u32::from(!forward),
    };
    let _ = FLOWS.insert(&flow, state, u64::from(BPF_ANY));
    true
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
pub fn emit<P: Packet>(packet: &P, about: About, cause: Cause) {
    let snap = settings::snap();
    if snap <= 128 {
        emit_record::<P, 128>(packet, about, cause);
    } else if snap <= 256 {
        emit_record::<P, 256>(packet, about, cause);
    } else if snap <= 512 {
        emit_record::<P, 512>(packet, about, cause);
    } else {
        emit_record::<P, 1536>(packet, about, cause);
    }
}

#[inline(always)]
fn emit_record<P: Packet, const N: usize>(packet: &P, about: About, cause: Cause) {
    let Some(state) = count::state() else { return };
    let Some(mut entry) = SAMPLES.reserve_untyped::<Record<N>>(0) else {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).ring_full += 1 };
        return;
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
            flow: about.flow,
            ifindex: about.ifindex,
            frame_len,
            captured: if copied { captured } else { 0 },
            direction: about.direction as u8,
            cause: cause as u8,
            reason: about.reason,
            reserved: 0,
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
}
