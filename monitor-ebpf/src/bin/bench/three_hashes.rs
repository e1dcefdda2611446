//! Counting a packet by its VNI and by the verdict on its flow, as a plain design does it: three look-ups in hash maps, of the
//! sizes and kinds that such maps have. With many flows and networks they wait for memory, and no constant number of
//! look-ups says how long: so the same packets are counted in this way beside each measurement.

use aya_ebpf::bindings::{TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::btf_maps::{HashMap, PerCpuHashMap};
use aya_ebpf::macros::{btf_map, classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use monitor_common::address::Addresses;
use monitor_common::count::{Count, Total};
use monitor_common::key::flow_hash;
use monitor_common::wire::{eth, tcp, vxlan};

use crate::vary::VARIED;

/// By VNI.
#[btf_map]
static BY_VNI: PerCpuHashMap<u64, Count, 36_864> = PerCpuHashMap::new();

/// The class of a flow.
#[btf_map]
static CLASSES: HashMap<u64, u64, 131_072> = HashMap::new();

/// By VNI and class.
#[btf_map]
static BY_CLASS: PerCpuHashMap<u64, Count, 65_536> = PerCpuHashMap::new();

/// Seed of the hash of a flow.
const SEED: [u64; 4] = [
    0x9e37_79b9_7f4a_7c15,
    0xd1b5_4a32_d192_ed03,
    0x8cb9_2ba7_2f3d_8dd7,
    0xaef1_7502_b3da_e8a1,
];

/// Nothing counted. Not on the stack.
static NOTHING: Count = Count::ZERO;

/// At XDP.
#[xdp]
pub fn hashes_xdp(ctx: XdpContext) -> u32 {
    count(ctx.data(), ctx.data_end());
    xdp_action::XDP_PASS
}

/// As [`hashes_xdp`], with frags.
#[xdp(frags)]
pub fn hashes_xdp_frags(ctx: XdpContext) -> u32 {
    count(ctx.data(), ctx.data_end());
    xdp_action::XDP_PASS
}

/// As [`hashes_xdp`], at TC.
#[classifier]
pub fn hashes_tc(ctx: TcContext) -> i32 {
    count(ctx.data(), ctx.data_end());
    TC_ACT_UNSPEC
}

#[inline(always)]
fn count(start: usize, end: usize) {
    let Some(varied) = VARIED.get(0) else { return };
    let (vni_at, flow_at) = (varied.vni_at, varied.flow_at);
    // What any such program has to look at: both network layers, the port, and whether the VNI is valid.
    let outer = half(start, end, 12);
    let port = half(start, end, vni_at - 10);
    let flags = half(start, end, vni_at - 4);
    let inner = half(start, end, vni_at + 16);
    if !is_ip(outer) || !is_ip(inner) || port != vxlan::PORT || flags >> 8 & 8 == 0 {
        return;
    }
    // From the last four bytes of the inner source address to those of the destination address, and to the ports.
    let address_len = if inner == eth::IPV4 { 4 } else { 16 };
    let vni = word(start, end, vni_at);
    let source = word(start, end, flow_at);
    let destination = word(start, end, flow_at + address_len);
    let ports = word(start, end, flow_at + address_len + 4);
    let one = Count {
        packets: 1,
        bytes: (end - start) as u64,
    };
    let vni = vni >> 8;
    add(&BY_VNI, u64::from(vni), one);
    let addresses = Addresses::v4(source, destination);
    let ports = ((ports >> 16) as u16, ports as u16);
    let (flow, _) = flow_hash(&SEED, vni, tcp::PROTOCOL, &addresses, ports);
    let class = match CLASSES.get_ptr(flow) {
        // SAFETY: an element of the map.
        Some(class) => unsafe { *class },
        None => {
            let _ = CLASSES.insert(flow, &7, 0);
            return;
        }
    };
    add(&BY_CLASS, u64::from(vni) << 16 | class, one);
}

#[inline(always)]
const fn is_ip(ethertype: u16) -> bool {
    ethertype == eth::IPV4 || ethertype == eth::IPV6
}

#[inline(always)]
fn add<const N: usize>(map: &PerCpuHashMap<u64, Count, N>, key: u64, one: Count) {
    match map.get_ptr_mut(key) {
        // SAFETY: this CPU's own slot.
        Some(count) => unsafe { (*count).add(one) },
        None => {
            let _ = map.insert(key, &NOTHING, 0);
        }
    }
}

/// Two bytes of the packet; 0 where it has none.
#[inline(always)]
fn half(start: usize, end: usize, at: u32) -> u16 {
    let place = start + (at & 0xff) as usize;
    if place + size_of::<u16>() > end {
        return 0;
    }
    // SAFETY: within the packet, as was just checked.
    u16::from_be(unsafe { (place as *const u16).read_unaligned() })
}

/// Four bytes of the packet; 0 where it has none.
#[inline(always)]
fn word(start: usize, end: usize, at: u32) -> u32 {
    let place = start + (at & 0xff) as usize;
    if place + size_of::<u32>() > end {
        return 0;
    }
    // SAFETY: within the packet, as was just checked.
    u32::from_be(unsafe { (place as *const u32).read_unaligned() })
}
