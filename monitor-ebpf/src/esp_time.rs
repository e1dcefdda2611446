//! The time of encryptions and decryptions, from samples of what each CPU does.
//!
//! The agent opens an event for each CPU, which runs [`sample`] at a fixed period: so the cost does not grow with the packets.
//! Whether the CPU encrypts or decrypts follows from its stack: an address in ESP, followed by one in IPsec, which called it.
//! IPsec calls four functions of ESP (`struct xfrm_type`), so the address belongs to the last of them that starts before it.
//! Their addresses come from the association of the packet in hand: no table of symbols is read.
//!
//! [`sent`] and [`received`] run with each packet, on the CPU that encrypts it next or has just decrypted it
//! (`xfrm_output_one` and `xfrm_input`). No sample is in ESP while they run, so plain additions are exact.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::EbpfContext;
use aya_ebpf::btf_maps::PerCpuArray;
use aya_ebpf::helpers::generated::bpf_get_stack;
use aya_ebpf::macros::btf_map;
use aya_ebpf::programs::PerfEventContext;
use monitor_common::direction::Direction;
use monitor_common::esp_time::{self, EspTimes, FAMILIES, FRAMES, PLACES};

use crate::kernel_struct::{ProtocolType, Request, SkBuff, State};
use crate::maps::ESP_TIMES;
use crate::{packet_time, settings};

/// What a sample looks at.
#[btf_map]
static LOOK: PerCpuArray<Look, 1> = PerCpuArray::new();

/// An element of [`LOOK`]. All of it is in a map: the verifier assumes nothing about what it reads there, and so follows each
/// step once, not for every combination of what the steps before it have found.
#[repr(C)]
struct Look {
    /// The return addresses of the stack, the innermost first.
    stack: [u64; FRAMES],
    /// Where each of ESP's functions starts, and how long it may be: output and input of IPv4, then of IPv6.
    functions: [[u64; 2]; LOOKED_FOR],
}

/// Functions of ESP that are looked for on a stack.
const LOOKED_FOR: usize = 2 * FAMILIES;
const _: () = assert!(size_of::<Look>() == esp_time::LOOK_BYTES);

/// Most bytes of the text of IPsec on either side of [`EspTimes::core`]: it has 60 KiB in all.
const CORE: u64 = 256 << 10;
/// Most bytes of a function of ESP, which is about 1 KiB.
const FUNCTION: u64 = 16 << 10;

/// What [`sent`] and [`received`] take: the place of the packet, and the family of its association; 0 if it is none of an
/// overlay. One number, since the verifier refuses to see a variant without payload spilled.
#[derive(Clone, Copy)]
pub struct Note(u64);

impl Note {
    /// No packet of an overlay.
    pub const NONE: Note = Note(0);

    /// A packet of this size, of an association of `AF_INET6` or of `AF_INET`.
    #[inline(always)]
    pub fn new(direction: Direction, bytes: u64, is_v6: bool) -> Note {
        let place = esp_time::place(direction, bytes) as u64;
        Note((place + 1) << 1 | u64::from(is_v6))
    }

    #[inline(always)]
    fn place_plus_1(self) -> u64 {
        self.0 >> 1
    }

    #[inline(always)]
    fn is_v6(self) -> bool {
        self.0 & 1 != 0
    }
}

/// Notes the packet that is encrypted next on this CPU.
#[inline(always)]
pub fn sent(state: State, packet: SkBuff, note: Note) {
    let Some(times) = times() else { return };
    // SAFETY: this CPU's own element.
    let times = unsafe { &mut *times };
    times.sending = note.place_plus_1();
    times.encryption.begun = 0;
    if note.place_plus_1() != 0 {
        learn(times, state, note.is_v6());
        count(times, note.place_plus_1(), 0);
        packet_time::begin_sent(times, packet, note.place_plus_1());
    }
}

/// Gives the samples and the time of the packet that this CPU has just decrypted to its size.
#[inline(always)]
pub fn received(state: State, packet: SkBuff, note: Note, is_resumed: bool) {
    let Some(times) = times() else { return };
    // SAFETY: this CPU's own element.
    let times = unsafe { &mut *times };
    let samples = times.receiving;
    times.receiving = 0;
    learn(times, state, note.is_v6());
    count(times, note.place_plus_1(), samples);
    packet_time::end_received(times, packet, note.place_plus_1(), is_resumed);
}

/// Forgets the samples and the time of a packet that turned out to be none of an overlay.
#[inline(always)]
pub fn received_other() {
    if let Some(times) = times() {
        // SAFETY: this CPU's own element.
        let times = unsafe { &mut *times };
        times.receiving = 0;
        times.decryption.packet = 0;
    }
}

/// A call of a cipher that encrypts has returned.
#[inline(always)]
pub fn encrypted(request: Request, result: i32) {
    if let Some(times) = times() {
        // SAFETY: this CPU's own element.
        packet_time::end_sent(unsafe { &mut *times }, request, result);
    }
}

/// A cipher is called to decrypt.
#[inline(always)]
pub fn decrypt(request: Request) {
    if let Some(times) = times() {
        // SAFETY: this CPU's own element.
        packet_time::begin_received(unsafe { &mut *times }, request);
    }
}

/// This CPU's element; `None` if nothing is timed.
#[inline(always)]
fn times() -> Option<*mut EspTimes> {
    if settings::esp_timing() {
        ESP_TIMES.get_ptr_mut(0)
    } else {
        None
    }
}

#[inline(always)]
fn count(times: &mut EspTimes, place_plus_1: u64, samples: u64) {
    let place = place_plus_1.wrapping_sub(1) as usize;
    if place < PLACES {
        times.packets[place] += 1;
        times.samples[place] += samples;
    }
}

/// Reads the addresses of ESP from an association in use, once after each sample: a module may be loaded again elsewhere.
#[inline(always)]
fn learn(times: &mut EspTimes, state: State, is_v6: bool) {
    let family = usize::from(is_v6);
    if times.fresh[family] != 0 {
        return;
    }
    times.types[family] = state.protocol_type().unwrap_or_default();
    times.core = state.timer_function().unwrap_or_default();
    times.fresh[family] = 1;
}

/// Looks up where ESP's output and input of a family are, into two elements of [`Look::functions`].
#[inline(always)]
fn locate(functions: *mut [u64; 2], address: u64) {
    let protocol = ProtocolType(address as usize);
    let (mut output, mut input, mut init, mut destructor) = (0, 0, 0, 0);
    if address != 0 {
        output = protocol.output().unwrap_or_default();
        input = protocol.input().unwrap_or_default();
        init = protocol.init().unwrap_or_default();
        destructor = protocol.destructor().unwrap_or_default();
    }
    // SAFETY: two elements of the map.
    unsafe {
        write_volatile(functions, function(output, input, init, destructor));
        write_volatile(functions.add(1), function(input, output, init, destructor));
    }
}

/// Where a function starts, and how long it is at most: it ends where another one of the four starts.
#[inline(always)]
fn function(start: u64, a: u64, b: u64, c: u64) -> [u64; 2] {
    // 0, the distance of a function that is missing in ESP and shares its place, becomes the largest number.
    let distance = |other: u64| other.wrapping_sub(start).wrapping_sub(1);
    let nearest = distance(a).min(distance(b)).min(distance(c));
    // An address that could not be read is 0.
    let len = if start == 0 {
        0
    } else {
        nearest.min(FUNCTION - 1) + 1
    };
    [start, len]
}

/// Whether an address is in one of ESP's functions, an element of [`Look::functions`].
#[inline(always)]
fn is_in(function: *const [u64; 2], address: u64) -> bool {
    // SAFETY: an element of the map.
    let [start, len] = unsafe { read_volatile(function) };
    address.wrapping_sub(start) < len
}

/// Counts a sample if this CPU encrypts or decrypts a packet of an overlay.
#[inline(always)]
pub fn sample(ctx: &PerfEventContext) {
    let Some(times) = times() else { return };
    // SAFETY: this CPU's own element.
    let times = unsafe { &mut *times };
    let core = times.core;
    if core == 0 {
        // No packet was seen on this CPU.
        return;
    }
    let Some(look) = LOOK.get_ptr_mut(0) else {
        return;
    };
    // SAFETY: elements of the map.
    let (v4, v6, stack) = unsafe {
        let functions = (&raw mut (*look).functions).cast::<[u64; 2]>();
        (
            functions,
            functions.add(2),
            (&raw mut (*look).stack).cast::<u64>(),
        )
    };
    locate(v4, times.types[0]);
    locate(v6, times.types[1]);
    // SAFETY: words of this CPU's own element. Volatile, or else the two become a call.
    unsafe {
        write_volatile(&raw mut times.fresh[0], 0);
        write_volatile(&raw mut times.fresh[1], 0);
    }
    // SAFETY: the helper writes at most as many bytes as the array has.
    let len = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            stack.cast(),
            size_of::<[u64; FRAMES]>() as u32,
            0,
        )
    };
    let frames = if len > 0 { len as u64 / 8 } else { 0 };
    let mut frame = 0;
    while frame + 1 < FRAMES {
        if frame as u64 + 1 >= frames {
            return;
        }
        // SAFETY: elements of the array.
        let (address, caller) = unsafe {
            (
                read_volatile(stack.add(frame)),
                read_volatile(stack.add(frame + 1)),
            )
        };
        if caller.wrapping_sub(core).wrapping_add(CORE) < 2 * CORE {
            if is_in(v4, address) || is_in(v6, address) {
                return add_sample(times);
            }
            // SAFETY: elements of the map.
            let (v4, v6) = unsafe { (v4.add(1), v6.add(1)) };
            if is_in(v4, address) || is_in(v6, address) {
                times.receiving += 1;
                return;
            }
        }
        frame += 1;
    }
}

/// A sample of the packet that is being encrypted.
#[inline(always)]
fn add_sample(times: &mut EspTimes) {
    let place = times.sending.wrapping_sub(1) as usize;
    if place < PLACES {
        times.samples[place] += 1;
    }
}
