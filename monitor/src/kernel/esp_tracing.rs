//! ESP by network: whether this kernel shows what is inside, where, and the programs that look.
//!
//! The programs are for the functions that `monitor-ebpf/src/xfrm.rs` names. Each can be missing, and the
//! structures can be others than those that are known: then nothing is attached, and the reason is said.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::linux::fs::MetadataExt;
use std::path::Path;

use aya::Btf as KernelBtf;
use aya::programs::{FEntry, FExit, Program, ProgramError};
use monitor_common::xfrm::{Memory, XfrmLayout};

use super::btf::{Btf, Reason};
use super::{Kernel, errors};
use crate::base::procfs::read;

/// The network namespace of the thread that asks, which is the one that interfaces are looked up in.
const NAMESPACE: &str = "/proc/thread-self/ns/net";

/// Other programs were loaded, so it is this kind.
const REFUSED: &str = "the kernel does not permit tracing programs (fentry, fexit): without CAP_PERFMON, under lockdown, or at all";

/// A program, and the kernel's function that it watches.
type Point = (&'static str, &'static str);

/// The first and only point for what is sent: Linux 5.14 and later.
const SENT: Point = ("overlay_esp_sent", "xfrm_replay_overflow");
/// Before that each kind of replay protection had its own function (`x->repl->overflow`), under these names
/// where the kernel can offload ESP to a device (`CONFIG_XFRM_OFFLOAD`)...
const SENT_OFFLOAD: [Point; 3] = [
    ("overlay_esp_sent", "xfrm_replay_overflow_offload"),
    ("overlay_esp_sent_bmp", "xfrm_replay_overflow_offload_bmp"),
    ("overlay_esp_sent_esn", "xfrm_replay_overflow_offload_esn"),
];
/// ... and these where it cannot.
const SENT_PLAIN: [Point; 3] = [
    ("overlay_esp_sent", "xfrm_replay_overflow"),
    ("overlay_esp_sent_bmp", "xfrm_replay_overflow_bmp"),
    ("overlay_esp_sent_esn", "xfrm_replay_overflow_esn"),
];
const RECEIVED: Point = ("overlay_esp_received", "xfrm4_transport_finish");
const RECEIVED_V6: Point = ("overlay_esp_received_v6", "xfrm6_transport_finish");

/// Whether the packets of ESP are attributed to their networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Attribution {
    /// They are, each one.
    Exact,
    /// They are not: ESP is counted by association and peer only.
    #[default]
    None,
    /// They cannot be on this kernel, and why.
    Impossible(String),
}

/// What the programs need to know, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) layout: XfrmLayout,
    pub(super) memory: Memory,
    points: Vec<Point>,
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

fn namespace() -> Result<u32, Reason> {
    let failed = |error: &dyn std::fmt::Display| format!("{NAMESPACE} cannot be read: {error}");
    let inode = fs::metadata(NAMESPACE)
        .map_err(|error| failed(&error))?
        .st_ino();
    u32::try_from(inode).map_err(|error| failed(&error))
}

/// Where the kernel says where its pages are, and log 2 of the size of `struct page`. `None` where that is not known
/// (other machines than x86_64, addresses withheld): then a packet that begins in a page is not read, and "other".
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
        Some((_, function)) => Err(format!("the kernel has no function {function} to watch")),
        None => Ok(points),
    }
}

fn layout(btf: &Btf, namespace: u32, page_shift: u32) -> Result<XfrmLayout, Reason> {
    let at = |structure: &str, path: &str, size: u32| {
        let member = btf.member(structure, path)?;
        if member.size == size {
            Ok(member.offset)
        } else {
            Err(format!(
                "{path} of the kernel's struct {structure} has {} bytes, and {size} are known",
                member.size
            ))
        }
    };
    let start =
        |structure: &str, path: &str| Ok::<u32, Reason>(btf.member(structure, path)?.offset);
    // Of a number whose width differs from kernel to kernel, and whose value fits into a byte.
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

impl Kernel {
    /// Begins to attribute ESP to networks, in the network namespace in which this was made. It ends when this is dropped.
    ///
    /// Never an error: where it cannot be, nothing is attached, and the reason is told.
    pub fn attribute_esp(&mut self) -> Attribution {
        match self.attach_to_xfrm() {
            Ok(()) => Attribution::Exact,
            Err(reason) => {
                self.detach_from_xfrm();
                Attribution::Impossible(reason)
            }
        }
    }

    fn attach_to_xfrm(&mut self) -> Result<(), Reason> {
        let points = self.xfrm.as_ref().map_err(Clone::clone)?.points.clone();
        let btf = KernelBtf::from_sys_fs()
            .map_err(|error| format!("the kernel's BTF cannot be read: {error}"))?;
        for (name, function) in points {
            let program = self
                .program_mut(name)
                .map_err(|failure| failure.to_string())?;
            let said = |error: ProgramError| {
                let is_locked = read("/sys/kernel/security/lockdown").contains("[confidentiality]");
                let why = if is_locked || errors::io_cause(&error) == Some(libc::EPERM) {
                    REFUSED.to_owned()
                } else {
                    errors::program(name, error).to_string()
                };
                format!("{function} cannot be watched: {why}")
            };
            match program {
                Program::FExit(program) => {
                    loaded(program.load(function, &btf)).map_err(said)?;
                    program.attach().map_err(said)?;
                }
                Program::FEntry(program) => {
                    loaded(program.load(function, &btf)).map_err(said)?;
                    program.attach().map_err(said)?;
                }
                _ => {
                    return Err(format!(
                        "program {name} of the object has an unexpected type"
                    ));
                }
            }
        }
        Ok(())
    }

    /// Takes away what was attached before something failed: half of the picture is none.
    fn detach_from_xfrm(&mut self) {
        let all = SENT_OFFLOAD.iter().chain([&RECEIVED, &RECEIVED_V6]);
        for (name, _) in all {
            let unloaded = match self.program_mut(name) {
                Ok(Program::FExit(program)) => FExit::unload(program),
                Ok(Program::FEntry(program)) => FEntry::unload(program),
                Ok(_) | Err(_) => continue,
            };
            // Not loaded: not attached either.
            drop(unloaded);
        }
    }
}

fn loaded(result: Result<(), ProgramError>) -> Result<(), ProgramError> {
    match result {
        Err(ProgramError::AlreadyLoaded) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_is_understood() {
        let plan = Plan::new().unwrap();
        assert!(plan.points.contains(&SENT) || plan.points.starts_with(&SENT_OFFLOAD));
        assert!(plan.layout.skb_data != plan.layout.skb_head);
        assert_ne!(plan.layout.namespace, 0);
    }
}
