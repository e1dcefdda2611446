//! ESP by network: the kernel's XFRM path, where a packet is still, or is again, UDP with VXLAN inside.
//!
//! Both points are where the counters of the security association (`xfrm_state.curlft`) count the packet,
//! and no packet passes one of them twice, crypto in the background included:
//!
//! - sent: the end of `xfrm_replay_overflow`, if it found no overflow. `xfrm_output_one` calls it for each segment,
//!   after all checks that drop a packet, with `data` at the transport header, and adds to the counters right after
//!   (net/xfrm/xfrm_output.c).
//! - received: `xfrm4_transport_finish` and its IPv6 twin. `xfrm_input` adds to the counters when a packet is decrypted
//!   and no replay, and hands one of transport mode on to these, with `data` at the transport header
//!   (net/xfrm/xfrm_input.c). One of tunnel mode never comes here.
//!
//! Nothing here trusts what it reads: each read is by a helper that may fail, and then nothing is counted.

use core::ptr::read_volatile;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use monitor_common::key::{Count, EspNetworkKey};
use monitor_common::label::Direction;
use monitor_common::service::Service;
use monitor_common::wire::{esp, udp, vxlan};
use monitor_common::xfrm::{Memory, XfrmLayout};

use crate::count::{self, may_insert};
use crate::maps::ESP_NETWORKS;
use crate::settings;
use crate::weight::Weight;

/// Written by the loader, like `CONFIG`.
#[unsafe(no_mangle)]
static XFRM: XfrmLayout = XfrmLayout::UNSET;

/// Written by the loader, like `CONFIG`.
#[unsafe(no_mangle)]
static MEMORY: Memory = [0; 2];

macro_rules! at {
    ($field:ident) => {
        // SAFETY: a field of a static, always valid.
        unsafe { read_volatile(&raw const XFRM.$field) } as usize
    };
}

/// `XFRM_MODE_TRANSPORT` (`include/uapi/linux/xfrm.h`).
const TRANSPORT: u8 = 0;
/// `SADB_EALG_NULL` and `SADB_X_EALG_NULL_AES_GMAC` (`include/uapi/linux/pfkeyv2.h`): ESP that hides nothing.
const NULL_CIPHERS: [u8; 2] = [11, 23];
/// `AF_INET` and `AF_INET6`.
const INET: u16 = 2;
const INET6: u16 = 10;
/// `XFRM_MAX_DEPTH` (`include/net/xfrm.h`).
const DEPTH: usize = 6;
/// What is read of a packet: UDP header and VXLAN header, two words.
const HEADERS: usize = udp::LEN + vxlan::LEN;

/// Log 2 of the size of a page (x86_64).
const PAGE_SHIFT: u32 = 12;

/// Addresses of structures of the kernel.
type Pointer = usize;

#[inline(always)]
fn read<T: Copy>(structure: Pointer, offset: usize) -> Option<T> {
    // SAFETY: the helper fails where nothing can be read.
    unsafe { bpf_probe_read_kernel((structure + offset) as *const T) }.ok()
}

#[inline(always)]
fn read_or_0<T: Copy + Default>(structure: Pointer, offset: usize) -> T {
    read(structure, offset).unwrap_or_default()
}

/// A packet that a security association has just counted as sent.
#[inline(always)]
pub fn sent(state: Pointer, skb: Pointer) {
    let _ = count_sent(state, skb);
}

/// A packet that was just decrypted, by security associations that have counted it as received.
#[inline(always)]
pub fn received(skb: Pointer) {
    let _ = count_received(skb);
}

#[inline(always)]
fn count_sent(state: Pointer, skb: Pointer) -> Option<()> {
    if !hides(state)? {
        return None;
    }
    // The next header field in front of the payload: that is what "MAC header" means there.
    let head: Pointer = read(skb, at!(skb_head))?;
    let mac: u16 = read(skb, at!(skb_mac_header))?;
    if read::<u8>(head, usize::from(mac))? != udp::PROTOCOL {
        return None;
    }
    let vni = inside(skb, head)?;
    let peer = match read::<u16>(state, at!(state_family))? {
        INET => v4(read(state, at!(state_destination))?),
        INET6 => v6(read(state, at!(state_destination))?),
        _ => return None,
    };
    count(Direction::Tx, vni, peer, weight(skb, head)?);
    Some(())
}

#[inline(always)]
fn count_received(skb: Pointer) -> Option<()> {
    let state = association(skb)?;
    if read::<u8>(skb, at!(skb_protocol))? != udp::PROTOCOL {
        return None;
    }
    let head: Pointer = read(skb, at!(skb_head))?;
    let vni = inside(skb, head)?;
    let header: u16 = read(skb, at!(skb_network_header))?;
    let header = head + usize::from(header);
    // Source address: RFC 791, 3.1 and RFC 8200, 3.
    let peer = match read::<u16>(state, at!(state_family))? {
        INET => v4(read(header, 12)?),
        INET6 => v6(read(header, 8)?),
        _ => return None,
    };
    count(Direction::Rx, vni, peer, weight(skb, head)?);
    Some(())
}

/// The association that has hidden a received packet; `None` if there is none that does.
#[inline(always)]
fn association(skb: Pointer) -> Option<Pointer> {
    let active: u8 = read(skb, at!(skb_active_extensions))?;
    if active & (1 << at!(sec_path_id)) == 0 {
        return None;
    }
    let extensions: Pointer = read(skb, at!(skb_extensions))?;
    let path: u8 = read(extensions, at!(ext_sec_path))?;
    let path = extensions + usize::from(path) * 8;
    let len: u8 = read(path, at!(sec_path_len))?;
    let mut i = 0;
    while i < DEPTH {
        if i >= usize::from(len) {
            return None;
        }
        let state: Pointer = read(path, at!(sec_path_states) + i * size_of::<Pointer>())?;
        if hides(state)? {
            return Some(state);
        }
        i += 1;
    }
    None
}

/// Whether an association is ESP of transport mode with a cipher, in the namespace that is watched.
#[inline(always)]
fn hides(state: Pointer) -> Option<bool> {
    if read::<u8>(state, at!(state_protocol))? != esp::PROTOCOL
        || read::<u8>(state, at!(state_mode))? != TRANSPORT
    {
        return Some(false);
    }
    let cipher: u8 = read(state, at!(state_cipher))?;
    if cipher == NULL_CIPHERS[0] || cipher == NULL_CIPHERS[1] {
        return Some(false);
    }
    let net: Pointer = read(state, at!(state_net))?;
    let inode: u32 = read(net, at!(net_inode))?;
    Some(inode as usize == at!(namespace))
}

/// No VNI, but that nobody can tell: the bytes are where we cannot read. A number beside the others, since the
/// verifier refuses to see a variant's missing payload put aside.
const UNREAD: u32 = vxlan::VNI_MAX + 1;

/// The VNI, or [`UNREAD`], of a packet whose transport header, UDP, is at `data`; `None` if it is no VXLAN.
#[inline(always)]
fn inside(skb: Pointer, head: Pointer) -> Option<u32> {
    let len: u32 = read(skb, at!(skb_len))?;
    if (len as usize) < HEADERS {
        return None;
    }
    let beyond: u32 = read(skb, at!(skb_data_len))?;
    let here = len.checked_sub(beyond)? as usize;
    let place: Pointer = if here >= HEADERS {
        read(skb, at!(skb_data))?
    } else if here == 0 {
        // Drivers that hand over pages leave IPsec to pull no more than its own header.
        first_fragment(skb, head)
    } else {
        0
    };
    if place == 0 {
        return Some(UNREAD);
    }
    // As words: the verifier wants them read from the stack as they were put there.
    let Some(headers) = read::<[u64; 2]>(place, 0) else {
        return Some(UNREAD);
    };
    let port = (u64::from_be(headers[0]) >> 32) as u16;
    if !matches!(settings::service(port), Service::Vxlan) {
        return None;
    }
    let vxlan = vxlan::Vxlan(headers[1].to_ne_bytes());
    vxlan.has_vni().then(|| vxlan.vni())
}

/// Where the first fragment of a packet is, if it holds what we want to read; else 0.
#[inline(never)]
fn first_fragment(skb: Pointer, head: Pointer) -> Pointer {
    let shift = at!(page_shift);
    if shift == 0 {
        return 0;
    }
    let shared = head + read_or_0::<u32>(skb, at!(skb_end)) as usize;
    let count: u8 = read_or_0(shared, at!(shared_frag_count));
    let len: u32 = read_or_0(shared, at!(frag_len));
    let page: Pointer = read_or_0(shared, at!(frag_page));
    // Bit 0: memory of a device, which has no page.
    if count == 0 || (len as usize) < HEADERS || page & 1 != 0 {
        return 0;
    }
    let offset: u32 = read_or_0(shared, at!(frag_offset));
    // SAFETY: elements of a static, always valid.
    let (pages, memory) = unsafe {
        (
            read_volatile(&raw const MEMORY[0]),
            read_volatile(&raw const MEMORY[1]),
        )
    };
    let pages: Pointer = read_or_0(pages as usize, 0);
    let memory: Pointer = read_or_0(memory as usize, 0);
    if pages == 0 || memory == 0 || page < pages {
        return 0;
    }
    memory + (((page - pages) >> (shift & 63)) << PAGE_SHIFT) + offset as usize
}

/// Packets of the wire, and bytes of what ESP carries, as the association counts them: from the transport
/// header on. Here a packet is a super-packet only if it is no tunnel's of the kernel, and ESP is offloaded.
#[inline(always)]
fn weight(skb: Pointer, head: Pointer) -> Option<Weight> {
    let len: u32 = read(skb, at!(skb_len))?;
    let end: u32 = read(skb, at!(skb_end))?;
    let shared = head + end as usize;
    let size: u16 = read(shared, at!(shared_gso_size))?;
    let mut weight = Weight {
        packets: 1,
        bytes: u64::from(len),
    };
    if size != 0 {
        let count: u16 = read(shared, at!(shared_gso_segs))?;
        weight.packets = u64::from(count);
        if weight.packets == 0 {
            let payload = u64::from(len).saturating_sub(udp::LEN as u64);
            weight.packets = payload.div_ceil(u64::from(size)).max(1);
        }
        weight.bytes += (weight.packets - 1) * udp::LEN as u64;
    }
    Some(weight)
}

/// As in `walk::Addresses`: IPv4 is IPv4-mapped.
#[inline(always)]
fn v4(address: u32) -> [u64; 2] {
    [0, 0xffff_0000_0000 | u64::from(u32::from_be(address))]
}

#[inline(always)]
fn v6(address: [u64; 2]) -> [u64; 2] {
    [u64::from_be(address[0]), u64::from_be(address[1])]
}

/// Counts under the network and the node; where there is no room, under the network, else as "other". What nobody
/// can tell is "other" too.
///
/// Plain additions are exact: the kernel has softirqs off at both points, so that nothing else of ours
/// runs there on this CPU meanwhile.
#[inline(always)]
fn count(direction: Direction, vni: u32, peer: [u64; 2], weight: Weight) {
    let key = if vni == UNREAD {
        EspNetworkKey::other(direction)
    } else {
        EspNetworkKey::new(direction, vni, peer)
    };
    match ESP_NETWORKS.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot; see above.
        Some(row) => unsafe { count::add(row, weight) },
        None => first(&key, vni, weight),
    }
}

#[inline(never)]
fn first(key: &EspNetworkKey, vni: u32, weight: Weight) {
    let Some(state) = count::state() else { return };
    // SAFETY: this CPU's own slot; so below.
    if may_insert(unsafe { (*state).esp_networks_overflow }) {
        let empty = Count {
            packets: 0,
            bytes: 0,
        };
        let _ = ESP_NETWORKS.insert(key, empty, u64::from(BPF_NOEXIST));
        if let Some(row) = ESP_NETWORKS.get_ptr_mut(key) {
            // SAFETY: see above.
            return unsafe { count::add(row, weight) };
        }
    }
    let direction = key.direction();
    let row = ESP_NETWORKS
        .get_ptr_mut(EspNetworkKey::of_network(direction, vni))
        .or_else(|| ESP_NETWORKS.get_ptr_mut(EspNetworkKey::other(direction)));
    if let Some(row) = row {
        // SAFETY: see above.
        unsafe { count::add(row, weight) };
    }
    // SAFETY: see above.
    unsafe { (*state).esp_networks_overflow += weight.packets };
}
