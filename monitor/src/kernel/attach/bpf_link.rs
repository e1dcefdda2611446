//! BPF links of TCX and XDP, by the system call itself.
//!
//! aya is not used because it falls back to netlink when the link is refused, which replaces a program that another
//! process has attached.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use monitor_common::direction::Direction;

use super::hook::Hook;
use crate::kernel::bpf::{self, Command};

/// `BPF_XDP`, an attach type.
const ATTACH_XDP: u32 = 37;
/// `BPF_TCX_INGRESS`, an attach type.
const ATTACH_TCX_INGRESS: u32 = 46;
/// `BPF_TCX_EGRESS`, an attach type.
const ATTACH_TCX_EGRESS: u32 = 47;
/// `BPF_F_BEFORE`: without a reference program, before all others.
const FLAG_BEFORE: u32 = 1 << 3;
/// `XDP_FLAGS_SKB_MODE` (`include/uapi/linux/if_link.h`).
const FLAG_GENERIC: u32 = 1 << 1;
/// `XDP_FLAGS_DRV_MODE`.
const FLAG_NATIVE: u32 = 1 << 2;

/// The used part of `union bpf_attr` for `BPF_LINK_CREATE`; the kernel takes the rest as 0.
#[repr(C)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches a program to TC through a link, before all others there.
pub(super) fn tcx(
    program: BorrowedFd<'_>,
    ifindex: u32,
    direction: Direction,
) -> io::Result<OwnedFd> {
    create(program, ifindex, attach_type(direction), FLAG_BEFORE)
}

const fn attach_type(direction: Direction) -> u32 {
    match direction {
        Direction::Rx => ATTACH_TCX_INGRESS,
        Direction::Tx => ATTACH_TCX_EGRESS,
    }
}

/// The state of a link.
pub(super) struct Info {
    /// Id of its program.
    pub(super) program: u32,
    /// Index of the interface; 0 once that is removed or the link was detached.
    pub(super) ifindex: u32,
}

/// Reads the state of a link.
pub(super) fn info(link: BorrowedFd<'_>) -> io::Result<Info> {
    /// `struct bpf_link_info` for links of XDP and TCX: both have the interface at this offset.
    #[repr(C, align(8))]
    #[derive(Default)]
    struct LinkInfo {
        link_type: u32,
        id: u32,
        program: u32,
        padding: u32,
        ifindex: u32,
        attach_type: u32,
    }
    #[repr(C)]
    struct Attr {
        fd: u32,
        length: u32,
        info: u64,
    }
    let mut info = LinkInfo::default();
    let mut attr = Attr {
        fd: link.as_raw_fd().cast_unsigned(),
        length: size_of::<LinkInfo>() as u32,
        info: (&raw mut info).addr() as u64,
    };
    // SAFETY: the kernel reads the attributes, and writes at most `length` bytes of `info`, which outlives the call.
    unsafe { bpf::call(Command::ObjectInfo, &mut attr)? };
    Ok(Info {
        program: info.program,
        ifindex: info.ifindex,
    })
}

/// Ids of the TCX programs of an interface, in the order in which they run.
pub(super) fn tcx_programs(ifindex: u32, direction: Direction) -> io::Result<Vec<u32>> {
    /// Most programs of a hook (`BPF_MPROG_MAX` of `include/linux/bpf_mprog.h`).
    const MAX: usize = 64;
    /// The part of `union bpf_attr` for `BPF_PROG_QUERY`.
    #[repr(C)]
    #[derive(Default)]
    struct Query {
        ifindex: u32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        programs: u64,
        count: u32,
        padding: u32,
        program_attach_flags: u64,
        links: u64,
        link_attach_flags: u64,
        revision: u64,
    }
    let mut ids = [0u32; MAX];
    let mut attr = Query {
        ifindex,
        attach_type: attach_type(direction),
        programs: ids.as_mut_ptr().addr() as u64,
        count: MAX as u32,
        ..Query::default()
    };
    // SAFETY: the kernel writes at most `count` ids, and into the attributes; both outlive the call.
    match unsafe { bpf::call(Command::ProgramQuery, &mut attr) } {
        Ok(_) => {}
        // No program was ever attached there.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    Ok(ids.get(..attr.count as usize).unwrap_or(&ids).to_vec())
}

/// Attaches an XDP program. Closing the descriptor detaches it.
pub(super) fn xdp(program: BorrowedFd<'_>, ifindex: u32, hook: Hook) -> io::Result<OwnedFd> {
    let flags = match hook {
        Hook::XdpGeneric => FLAG_GENERIC,
        Hook::Xdp | Hook::Tcx | Hook::Clsact => FLAG_NATIVE,
    };
    create(program, ifindex, ATTACH_XDP, flags)
}

/// Puts another program in the place of a link's: each packet is seen by one of the two.
pub(super) fn update(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    /// The part of `union bpf_attr` for `BPF_LINK_UPDATE`.
    #[repr(C)]
    struct LinkUpdate {
        link: u32,
        program: u32,
        flags: u32,
        old_program: u32,
    }
    let mut attr = LinkUpdate {
        link: link.as_raw_fd().cast_unsigned(),
        program: program.as_raw_fd().cast_unsigned(),
        flags: 0,
        old_program: 0,
    };
    // SAFETY: the attributes have no pointer.
    unsafe { bpf::call(Command::LinkUpdate, &mut attr) }.map(drop)
}

/// Detaches the program of a link, also if another process has the link open.
pub(super) fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct LinkDetach {
        link: u32,
    }
    let mut attr = LinkDetach {
        link: link.as_raw_fd().cast_unsigned(),
    };
    // SAFETY: the attributes have no pointer.
    unsafe { bpf::call(Command::LinkDetach, &mut attr) }.map(drop)
}

/// Whether the kernel has TCX: for an impossible interface index it then answers that there is no such interface,
/// otherwise that the attach type is invalid.
pub(super) fn has_tcx(program: impl AsFd) -> bool {
    matches!(
        create(program.as_fd(), NO_INTERFACE, ATTACH_TCX_INGRESS, 0),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV)
    )
}

/// Whether this process may create links: any answer but a refusal comes from the attachment itself.
pub(in super::super) fn may_attach(program: impl AsFd) -> bool {
    !matches!(
        create(program.as_fd(), NO_INTERFACE, ATTACH_TCX_INGRESS, 0),
        Err(error) if error.raw_os_error() == Some(libc::EPERM)
    )
}

/// No interface has this index.
const NO_INTERFACE: u32 = i32::MAX as u32;

fn create(
    program: BorrowedFd<'_>,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let mut attr = LinkCreate {
        program: program.as_raw_fd().cast_unsigned(),
        ifindex,
        attach_type,
        flags,
    };
    // SAFETY: the attributes have no pointer, and the command returns a descriptor.
    unsafe { bpf::call_for_fd(Command::LinkCreate, &mut attr) }
}
