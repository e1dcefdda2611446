//! How long ESP takes for single packets of overlays.
//!
//! While the agent times packets, one in eight is, and only then the programs on the calls of the cipher are attached. The time of
//! a sent packet begins in `esp_time::sent`, where its association counts it, and ends where the call of the cipher returns
//! (`crypto_aead_encrypt`). That of a received one begins where the cipher is called (`crypto_aead_decrypt`; crypto/aead.c), and
//! ends in `esp_time::received`, where IPsec hands it on. The request of a call has the packet: so a call of anyone else, such as
//! TLS in the kernel or an encrypted disk, is not counted.
//!
//! A cipher may be made of others, which are called in the same way with the same packet: the innermost call counts.
//!
//! A packet whose call has returned before the cipher was done is encrypted or decrypted in another thread or by a device. The call
//! returns `-EINPROGRESS` for a sent one. A received one is recognised by the argument `async` of `xfrm4_transport_finish`, if that runs
//! on the same CPU, while another task is current or after the cipher was called for the next packet.

use core::ptr::read_volatile;

use aya_ebpf::helpers::{bpf_get_current_task, bpf_get_prandom_u32, bpf_ktime_get_ns};
use monitor_common::direction::Direction;
use monitor_common::esp_time::{Decryption, Encryption, EspTimes, PLACES};
use monitor_common::packet_time::{self, BUCKETS, PacketTimes};

use crate::kernel_struct::{Request, SkBuff};
use crate::maps::PACKET_TIMES;
use crate::verifier::opaque;

/// `EINPROGRESS` (`include/uapi/asm-generic/errno.h`).
const IN_PROGRESS: i32 = -115;
/// No call takes so long, in nanoseconds: the time began with another packet at the same address.
const TOO_LONG: u64 = 1_000_000_000;

/// Not 0 while packets are timed. Written by user space only; in a section of its own, because user space writes the whole section.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".data.packets")]
static PACKETS: u32 = 0;

/// Whether packets are timed.
#[inline(always)]
fn is_on() -> bool {
    // SAFETY: a static, always valid. Volatile, because user space changes it.
    unsafe { read_volatile(&raw const PACKETS) != 0 }
}

/// A packet of an overlay is about to be encrypted on this CPU; times it if it is its turn.
#[inline(always)]
pub fn begin_sent(times: &mut EspTimes, packet: SkBuff, place_plus_1: u64) {
    // A packet has a security path on its way out if a device or the queue's end encrypts it (`xfrm_offload`).
    if is_on() && is_next(&mut times.until_sent) && packet.sec_path().is_none() {
        times.encryption = Encryption {
            packet: packet.0 as u64,
            place_plus_1,
            begun: now(),
        };
    }
}

/// A call of a cipher that encrypts has returned.
#[inline(always)]
pub fn end_sent(times: &mut EspTimes, request: Request, result: i32) {
    // A copy: a soft interrupt may encrypt another packet meanwhile.
    let encryption = times.encryption;
    if encryption.begun == 0 || request.packet() != Some(encryption.packet) {
        return;
    }
    let time = now().wrapping_sub(encryption.begun);
    times.encryption.begun = 0;
    match result {
        0 => add(encryption.place_plus_1, time),
        IN_PROGRESS => add_asynchronous(Direction::Tx),
        _ => {}
    }
}

/// A cipher is called to decrypt; times the packet if it is its turn.
#[inline(always)]
pub fn begin_received(times: &mut EspTimes, request: Request) {
    if times.decryption.packet != 0 {
        // It was dropped, or is decrypted elsewhere; or this is a call within the call.
        times.left = times.decryption.packet;
        times.decryption.packet = 0;
    }
    // The call within, or the buffer of a packet that was dropped has a new one.
    if times.left != 0 && request.packet() == Some(times.left) {
        times.left = 0;
    }
    if !is_next(&mut times.until_received) {
        return;
    }
    if let Some(packet) = request.packet() {
        times.decryption = Decryption {
            packet,
            begun: now(),
            // SAFETY: the helper takes nothing.
            task: unsafe { bpf_get_current_task() },
        };
    }
}

/// IPsec hands on a packet of an overlay, of this index by direction and size, plus 1. `is_resumed` is the argument `async` of the
/// function that does so: not 0 for a packet that was decrypted elsewhere, and for all that GRO has decrypted.
#[inline(always)]
pub fn end_received(times: &mut EspTimes, packet: SkBuff, place_plus_1: u64, is_resumed: bool) {
    if !is_on() {
        // What is left of the last time has nothing to do with this packet.
        return;
    }
    let packet = packet.0 as u64;
    let decryption = times.decryption;
    if !is_resumed {
        // IPsec decrypts one packet after the other: any other one was dropped.
        times.decryption.packet = 0;
        if decryption.packet == packet {
            add(place_plus_1, now().wrapping_sub(decryption.begun));
        }
        return;
    }
    if times.left == packet {
        times.left = 0;
        add_asynchronous(Direction::Rx);
    } else if decryption.packet == packet {
        times.decryption.packet = 0;
        // SAFETY: the helper takes nothing.
        if unsafe { bpf_get_current_task() } != decryption.task {
            add_asynchronous(Direction::Rx);
        }
    }
}

/// Counts down to the next packet that is timed.
#[inline(always)]
fn is_next(until: &mut u64) -> bool {
    if *until != 0 {
        *until -= 1;
        return false;
    }
    // SAFETY: the helper takes nothing.
    *until = packet_time::until_next(unsafe { bpf_get_prandom_u32() });
    true
}

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_ktime_get_ns() }
}

#[inline(always)]
fn counts() -> Option<&'static mut PacketTimes> {
    // SAFETY: this CPU's own element.
    PACKET_TIMES
        .get_ptr_mut(0)
        .map(|counts| unsafe { &mut *counts })
}

#[inline(always)]
fn add(place_plus_1: u64, time: u64) {
    let place = place_plus_1.wrapping_sub(1) as usize;
    if place >= PLACES || time > TOO_LONG {
        return;
    }
    let index = place * BUCKETS + packet_time::bucket(time);
    let Some(counts) = counts() else { return };
    // Each is compared where it is used.
    let buckets = counts.buckets.as_flattened_mut();
    if let Some(packets) = buckets.get_mut(opaque(index)) {
        *packets += 1;
    }
    if let Some(sum) = counts.nanoseconds.get_mut(opaque(place)) {
        *sum += time;
    }
}

#[inline(always)]
fn add_asynchronous(direction: Direction) {
    if let Some(counts) = counts() {
        counts.asynchronous[direction as usize] += 1;
    }
}
