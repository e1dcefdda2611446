//! ESP by network, on the kernel's XFRM path, where a packet is not yet encrypted, or is decrypted again: UDP with VXLAN
//! inside.
//!
//! Both points are where the counters of the security association (`xfrm_state.curlft`) count the packet. No packet
//! passes one of them twice, even with crypto in the background:
//!
//! - sent: the exit of `xfrm_replay_overflow`, if it found no overflow. `xfrm_output_one` calls it for each segment,
//!   after all checks that drop a packet, with `data` at the transport header, and adds to the counters right after
//!   (net/xfrm/xfrm_output.c).
//! - received: `xfrm4_transport_finish` and `xfrm6_transport_finish`. `xfrm_input` adds to the counters when a packet is
//!   decrypted and is not a replay, and passes one of transport mode on to these, with `data` at the transport header
//!   (net/xfrm/xfrm_input.c). A packet of tunnel mode never comes here.

use aya_ebpf::bindings::BPF_NOEXIST;
use monitor_common::address::{self, Address};
use monitor_common::count::{EspCarried, Total};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::UdpPort;
use monitor_common::key::{EspNetworkKey, NetworkId};
use monitor_common::row_room::{RowKey, RowMap};
use monitor_common::wire::{VNI_MAX, esp, ipv4, ipv6, udp, vxlan};

use crate::count;
use crate::esp_time::{self, Note};
use crate::kernel_struct::{Head, SkBuff, State, read};
use crate::maps::ESP_NETWORKS;
use crate::{rows, settings};

/// `XFRM_MODE_TRANSPORT` (`include/uapi/linux/xfrm.h`).
const TRANSPORT: u8 = 0;
/// `SADB_EALG_NULL` and `SADB_X_EALG_NULL_AES_GMAC` (`include/uapi/linux/pfkeyv2.h`): ESP that encrypts nothing.
const NULL_CIPHERS: [u8; 2] = [11, 23];
/// `AF_INET` and `AF_INET6`.
const INET: u16 = 2;
const INET6: u16 = 10;
/// `XFRM_MAX_DEPTH` (`include/net/xfrm.h`).
const DEPTH: u8 = 6;
/// Bytes that are read of a packet: UDP header and VXLAN header, two words.
const HEADERS: usize = udp::LEN + vxlan::LEN;

/// Counts a packet that a security association has just counted as sent.
#[inline(always)]
pub fn sent(state: State, skb: SkBuff) {
    let note = count_sent(state, skb).unwrap_or(Note::NONE);
    // Also a packet that is none of an overlay: the one before it is not being encrypted any more.
    esp_time::sent(state, skb, note);
}

/// Counts a packet that was just decrypted, by security associations that have counted it as received. `is_resumed`: see
/// `packet_time`.
#[inline(always)]
pub fn received(skb: SkBuff, is_resumed: bool) {
    if count_received(skb, is_resumed).is_none() {
        esp_time::received_other();
    }
}

/// What was counted; `None` if nothing was.
#[inline(always)]
fn count_sent(state: State, skb: SkBuff) -> Option<Note> {
    if !encrypts(state)? {
        return None;
    }
    // `mac_header` is the place of the next-header field in front of the payload there.
    let head = skb.head()?;
    if read::<u8>(head.at(skb.mac_header()?))? != udp::PROTOCOL {
        return None;
    }
    let vni = vni_inside(skb, head)?;
    let family = state.family()?;
    let peer = match family {
        INET => v4(state.destination_v4()?),
        INET6 => v6(state.destination_v6()?),
        _ => return None,
    };
    let carried = carried(state, skb, head)?;
    count(Direction::Tx, vni, peer, carried);
    Some(note(Direction::Tx, family, carried))
}

/// A packet to be timed. A super-packet is not: a device encrypts it.
#[inline(always)]
fn note(direction: Direction, family: u16, carried: EspCarried) -> Note {
    if carried.packets == 1 {
        Note::new(direction, carried.bytes, family == INET6)
    } else {
        Note::NONE
    }
}

/// `None` if nothing was counted.
#[inline(always)]
fn count_received(skb: SkBuff, is_resumed: bool) -> Option<()> {
    let state = association(skb)?;
    if skb.protocol()? != udp::PROTOCOL {
        return None;
    }
    let head = skb.head()?;
    let vni = vni_inside(skb, head)?;
    let header = head.at(skb.network_header()?);
    let family = state.family()?;
    let peer = match family {
        INET => v4(read(header + ipv4::SOURCE)?),
        INET6 => v6(read(header + ipv6::SOURCE)?),
        _ => return None,
    };
    let carried = carried(state, skb, head)?;
    count(Direction::Rx, vni, peer, carried);
    esp_time::received(state, skb, note(Direction::Rx, family, carried), is_resumed);
    Some(())
}

/// The association that a received packet was encrypted under; `None` if it was encrypted under none.
#[inline(always)]
fn association(skb: SkBuff) -> Option<State> {
    let path = skb.sec_path()?;
    let len = path.len()?;
    let mut i = 0;
    while i < DEPTH {
        if i >= len {
            return None;
        }
        let state = path.state(usize::from(i))?;
        if encrypts(state)? {
            return Some(state);
        }
        i += 1;
    }
    None
}

/// Whether an association is ESP of transport mode with a cipher, in the namespace that is watched.
#[inline(always)]
fn encrypts(state: State) -> Option<bool> {
    if state.protocol()? != esp::PROTOCOL || state.mode()? != TRANSPORT {
        return Some(false);
    }
    let cipher = state.cipher()?;
    if cipher == NULL_CIPHERS[0] || cipher == NULL_CIPHERS[1] {
        return Some(false);
    }
    state.net()?.is_watched()
}

/// In place of a VNI: the packet has bytes that could not be read. A number and not a variant, because the verifier
/// refuses to see a variant without payload spilled.
const UNREAD: u32 = VNI_MAX + 1;

/// The VNI, or [`UNREAD`], of a packet whose transport header, UDP, is at `data`; `None` if it is not VXLAN.
#[inline(always)]
fn vni_inside(skb: SkBuff, head: Head) -> Option<u32> {
    let len = skb.len()?;
    if (len as usize) < HEADERS {
        return None;
    }
    let linear = len.checked_sub(skb.data_len()?)? as usize;
    let place = if linear >= HEADERS {
        skb.data()?
    } else if linear == 0 {
        // With a driver that passes pages IPsec pulls nothing but its own header into the linear part.
        let end = skb.end().unwrap_or_default();
        head.shared_info(end).first_piece(HEADERS as u32)
    } else {
        0
    };
    if place == 0 {
        return Some(UNREAD);
    }
    // As words: the verifier demands that they are read from the stack in the size in which they were written.
    let Some(headers) = read::<[u64; 2]>(place) else {
        return Some(UNREAD);
    };
    let port = (u64::from_be(headers[0]) >> 32) as u16;
    if !matches!(settings::udp_port(port), UdpPort::Vxlan) {
        return None;
    }
    let vxlan = vxlan::Vxlan(headers[1].to_ne_bytes());
    vxlan.has_vni().then(|| vxlan.vni())
}

/// Packets of the wire, and bytes of what ESP carries, as the association counts them: from the transport header on;
/// and the bytes that the association adds to them.
/// A packet is a super-packet here only if it is not from a tunnel device, and ESP is offloaded.
#[inline(always)]
fn carried(state: State, skb: SkBuff, head: Head) -> Option<EspCarried> {
    let len = skb.len()?;
    let shared = head.shared_info(skb.end()?);
    let size = shared.gso_size()?;
    let mut carried = EspCarried {
        packets: 1,
        bytes: u64::from(len),
        overhead: 0,
    };
    if size != 0 {
        carried.packets = u64::from(shared.gso_segs()?);
        if carried.packets == 0 {
            let payload = u64::from(len).saturating_sub(udp::LEN as u64);
            carried.packets = payload.div_ceil(u64::from(size)).max(1);
        }
        carried.bytes += (carried.packets - 1) * udp::LEN as u64;
    }
    if let Some(transform) = state.transform() {
        let segment = u64::from(size) + udp::LEN as u64;
        carried.overhead = transform.added_to_all(carried.packets, segment, carried.bytes);
    }
    Some(carried)
}

/// An IPv4 address that stands in big-endian order in the kernel.
#[inline(always)]
fn v4(address: u32) -> Address {
    address::v4(u32::from_be(address))
}

/// An IPv6 address that stands in big-endian order in the kernel.
#[inline(always)]
fn v6(address: [u64; 2]) -> Address {
    [u64::from_be(address[0]), u64::from_be(address[1])]
}

/// A row in which nothing is counted; a static as [`count::NO_COUNT`] is.
static NO_CARRIED: EspCarried = EspCarried::ZERO;

/// Adds to a row.
///
/// # Safety
///
/// `row` must be this CPU's slot of a map.
#[inline(always)]
unsafe fn add(row: *mut EspCarried, carried: EspCarried) {
    // SAFETY: a slot of the map, by contract of the caller.
    unsafe { (*row).add(carried) };
}

/// Counts packets under their network and node; if there is no room, under the network alone, else as "other".
/// [`UNREAD`] is "other" too.
///
/// Plain additions are exact: the kernel has softirqs off at both points, so no other program of ours runs there on
/// this CPU meanwhile.
#[inline(always)]
fn count(direction: Direction, vni: u32, peer: Address, carried: EspCarried) {
    let key = if vni == UNREAD {
        EspNetworkKey::other(direction)
    } else {
        EspNetworkKey::new(direction, vni, peer)
    };
    match ESP_NETWORKS.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot; see above.
        Some(row) if !rows::is_leaving(|| key.leaving()) => unsafe { add(row, carried) },
        Some(_) | None => first(&key, vni, carried),
    }
}

#[inline(never)]
fn first(key: &EspNetworkKey, vni: u32, carried: EspCarried) {
    let Some(state) = count::state() else { return };
    let is_leaving = rows::is_leaving(|| key.leaving());
    if !is_leaving && rows::has_room(RowMap::EspNetworks, || rows::group(NetworkId::vni(vni))) {
        if ESP_NETWORKS
            .insert(key, &NO_CARRIED, u64::from(BPF_NOEXIST))
            .is_ok()
        {
            rows::inserted(RowMap::EspNetworks);
        }
        if let Some(row) = ESP_NETWORKS.get_ptr_mut(key) {
            // SAFETY: see above.
            return unsafe { add(row, carried) };
        }
    }
    let direction = key.direction();
    let row = ESP_NETWORKS
        .get_ptr_mut(EspNetworkKey::of_network(direction, vni))
        .or_else(|| ESP_NETWORKS.get_ptr_mut(EspNetworkKey::other(direction)));
    if let Some(row) = row {
        // SAFETY: see above.
        unsafe { add(row, carried) };
    }
    if !is_leaving {
        // SAFETY: this CPU's own slot.
        unsafe { (*state).esp_networks_overflow += carried.packets };
    }
}
