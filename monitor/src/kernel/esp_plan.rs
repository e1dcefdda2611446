//! Attribution of ESP to networks: which functions of this kernel to trace, and where its structures have the members
//! that the programs read.
//!
//! The programs trace the functions that `monitor-ebpf` names. A function may be missing, or a structure may differ
//! from the known ones: then nothing is attached, and the reason is reported.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use monitor_common::xfrm_layout::{Memory, XfrmLayout};

use super::btf::{Btf, Reason};

/// The network namespace of this thread, in which interfaces are looked up.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// A program, and the kernel function that it traces.
pub(super) type Point = (&'static str, &'static str);

/// The only point for sent packets on Linux 5.14 and later.
const SENT: Point = ("overlay_esp_sent", "xfrm_replay_overflow");
/// Before that each kind of replay protection had its own function (`x->repl->overflow`), with these names if the
/// kernel can offload ESP to a device (`CONFIG_XFRM_OFFLOAD`)...
pub(super) const SENT_OFFLOAD: [Point; 3] = [
    ("overlay_esp_sent", "xfrm_replay_overflow_offload"),
    ("overlay_esp_sent_bmp", "xfrm_replay_overflow_offload_bmp"),
    ("overlay_esp_sent_esn", "xfrm_replay_overflow_offload_esn"),
];
/// ... and with these names if it cannot.
const SENT_PLAIN: [Point; 3] = [
    ("overlay_esp_sent", "xfrm_replay_overflow"),
    ("overlay_esp_sent_bmp", "xfrm_replay_overflow_bmp"),
    ("overlay_esp_sent_esn", "xfrm_replay_overflow_esn"),
];
/// The points for received packets.
pub(super) const RECEIVED: Point = ("overlay_esp_received", "xfrm4_transport_finish");
pub(super) const RECEIVED_V6: Point = ("overlay_esp_received_v6", "xfrm6_transport_finish");

/// The points between which single packets are timed, beside those for all packets.
pub(super) const CIPHER: [Point; 2] = [
    ("overlay_encrypted", "crypto_aead_encrypt"),
    ("overlay_decrypt", "crypto_aead_decrypt"),
];

/// Whether ESP packets are attributed to their networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Attribution {
    /// Every packet is.
    Exact,
    /// Not requested: ESP is counted by association only.
    #[default]
    None,
    /// Not possible on this kernel, and why, as a message.
    Impossible(String),
}

/// The offsets that the programs need, and the functions that they trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) layout: XfrmLayout,
    pub(super) memory: Memory,
    pub(super) points: Vec<Point>,
}

impl Plan {
    /// The plan for the running kernel and the namespace of this thread.
    ///
    /// # Errors
    /// Why ESP cannot be attributed here.
    pub(super) fn new() -> Result<Plan, Reason> {
        let btf = Btf::of_kernel()?;
        let points = points(&btf, Path::new("/proc/sys/net/ipv6").exists())?;
        let (memory, page_shift) = memory(&btf).unwrap_or_default();
        Ok(Plan {
            layout: layout(&btf, namespace()?, page_shift)?,
            memory,
            points,
        })
    }
}

/// The inode number of the network namespace.
fn namespace() -> Result<u32, Reason> {
    let failed = |error: &dyn std::fmt::Display| format!("{NAMESPACE} cannot be read: {error}");
    let inode = fs::metadata(NAMESPACE)
        .map_err(|error| failed(&error))?
        .st_ino();
    u32::try_from(inode).map_err(|error| failed(&error))
}

/// The addresses of `vmemmap_base` and `page_offset_base`, and log 2 of the size of `struct page`. `None` if they are
/// unknown (not x86_64, or hidden addresses): then a packet whose data begins in a page is not read, and counted as
/// "other".
fn memory(btf: &Btf) -> Option<(Memory, u32)> {
    if !cfg!(target_arch = "x86_64") {
        return None;
    }
    let size = btf.size_of("page").filter(|size| size.is_power_of_two())?;
    let mut memory = Memory::default();
    for line in BufReader::new(File::open("/proc/kallsyms").ok()?).lines() {
        let line = line.ok()?;
        let mut words = line.split_ascii_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        match words.nth(1)? {
            "vmemmap_base" => memory[0] = address,
            "page_offset_base" => memory[1] = address,
            _ => continue,
        }
        if !memory.contains(&0) {
            return Some((memory, size.trailing_zeros()));
        }
    }
    None
}

/// The functions to trace.
fn points(btf: &Btf, has_ipv6: bool) -> Result<Vec<Point>, Reason> {
    if !btf.has_function("xfrm_input") {
        return Err("the kernel has no IPsec (CONFIG_XFRM)".to_owned());
    }
    let mut points = if btf.has_member("xfrm_state", "repl_mode") {
        vec![SENT]
    } else if btf.has_function(SENT_OFFLOAD[0].1) {
        SENT_OFFLOAD.to_vec()
    } else {
        SENT_PLAIN.to_vec()
    };
    points.push(RECEIVED);
    if has_ipv6 {
        points.push(RECEIVED_V6);
    }
    match points
        .iter()
        .find(|(_, function)| !btf.has_function(function))
    {
        Some((_, function)) => Err(format!("the kernel has no function {function}")),
        None => Ok(points),
    }
}

/// The offsets of the members that the programs read.
fn layout(btf: &Btf, namespace: u32, page_shift: u32) -> Result<XfrmLayout, Reason> {
    let at = |structure: &str, path: &str, size: u32| {
        let member = btf.member(structure, path)?;
        if member.size == size {
            Ok(member.offset)
        } else {
            Err(format!(
                "member {path} of the kernel's struct {structure} has {} bytes instead of {size}",
                member.size
            ))
        }
    };
    let start =
        |structure: &str, path: &str| Ok::<u32, Reason>(btf.member(structure, path)?.offset);
    // The lowest byte of a number whose width differs between kernels, and whose value fits into a byte.
    let low = |structure: &str, path: &str| {
        let member = btf.member(structure, path)?;
        let last = member.size.saturating_sub(1);
        let to_lowest = if cfg!(target_endian = "big") { last } else { 0 };
        Ok::<u32, Reason>(member.offset + to_lowest)
    };
    let id = btf
        .enumerator("SKB_EXT_SEC_PATH")
        .filter(|id| *id < 8)
        .ok_or("the kernel's socket buffers have no security path (SKB_EXT_SEC_PATH)")?;
    // `struct bio_vec` before Linux 6.9.
    let [frag, page, offset, len] = if btf.has_member("skb_frag", "netmem") {
        ["skb_frag", "netmem", "offset", "len"]
    } else {
        ["bio_vec", "bv_page", "bv_offset", "bv_len"]
    };
    let frags = start("skb_shared_info", "frags")?;
    // What only the bytes that ESP adds depend on. A kernel whose structures differ counts all else.
    let added = || {
        Ok::<_, Reason>([
            at("xfrm_state", "props.header_len", 4)?,
            at("xfrm_state", "props.trailer_len", 4)?,
            at("xfrm_state", "data", 8)?,
            at("crypto_aead", "authsize", 4)?,
        ])
    };
    let [
        state_header_len,
        state_trailer_len,
        state_data,
        aead_check_len,
    ] = added().unwrap_or_default();
    // What only the time of encryptions depends on.
    let timed = || {
        Ok::<_, Reason>([
            at("xfrm_state", "type", 8)?,
            at("xfrm_state", "mtimer.function", 8)?,
            at("xfrm_type", "output", 8)?,
            at("xfrm_type", "input", 8)?,
            at("xfrm_type", "init_state", 8)?,
            at("xfrm_type", "destructor", 8)?,
        ])
    };
    let [
        state_type,
        state_timer_function,
        type_output,
        type_input,
        type_init,
        type_destructor,
    ] = timed().unwrap_or_default();
    let request_data = at("aead_request", "base.data", 8).unwrap_or_default();
    Ok(XfrmLayout {
        namespace,
        skb_head: at("sk_buff", "head", 8)?,
        skb_data: at("sk_buff", "data", 8)?,
        skb_len: at("sk_buff", "len", 4)?,
        skb_data_len: at("sk_buff", "data_len", 4)?,
        skb_end: at("sk_buff", "end", 4)?,
        skb_mac_header: at("sk_buff", "mac_header", 2)?,
        skb_network_header: at("sk_buff", "network_header", 2)?,
        skb_protocol: start("sk_buff", "cb")? + at("xfrm_mode_skb_cb", "protocol", 1)?,
        skb_extensions: at("sk_buff", "extensions", 8)?,
        skb_active_extensions: at("sk_buff", "active_extensions", 1)?,
        sec_path_id: id,
        ext_sec_path: start("skb_ext", "offset")? + id,
        sec_path_len: low("sec_path", "len")?,
        sec_path_states: start("sec_path", "xvec")?,
        state_net: at("xfrm_state", "xs_net.net", 8)?,
        state_protocol: at("xfrm_state", "id.proto", 1)?,
        state_destination: at("xfrm_state", "id.daddr", 16)?,
        state_mode: at("xfrm_state", "props.mode", 1)?,
        state_family: at("xfrm_state", "props.family", 2)?,
        state_cipher: at("xfrm_state", "props.ealgo", 1)?,
        state_header_len,
        state_trailer_len,
        state_data,
        aead_check_len,
        state_type,
        state_timer_function,
        type_output,
        type_input,
        type_init,
        type_destructor,
        request_data,
        net_inode: at("net", "ns.inum", 4)?,
        shared_gso_size: at("skb_shared_info", "gso_size", 2)?,
        shared_gso_segs: at("skb_shared_info", "gso_segs", 2)?,
        shared_frag_count: at("skb_shared_info", "nr_frags", 1)?,
        frag_page: frags + at(frag, page, 8)?,
        frag_offset: frags + at(frag, offset, 4)?,
        frag_len: frags + at(frag, len, 4)?,
        page_shift,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_is_supported() {
        let plan = Plan::new().unwrap();
        assert!(plan.points.contains(&SENT) || plan.points.starts_with(&SENT_OFFLOAD));
        assert!(plan.layout.skb_data != plan.layout.skb_head);
        assert_ne!(plan.layout.namespace, 0);
        assert_ne!(plan.layout.state_data, 0);
        assert_ne!(plan.layout.state_type, 0);
        assert_ne!(plan.layout.request_data, 0);
    }
}
