//! BPF links, by the system call itself.
//!
//! Not by aya: where the link is refused it falls back to attaching by netlink, and that replaces a
//! program that somebody else has put there.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::Hook;

/// `BPF_LINK_CREATE` (`include/uapi/linux/bpf.h`).
const LINK_CREATE: libc::c_long = 28;
/// `BPF_XDP`, an attach type.
const ATTACH_XDP: u32 = 37;
/// `BPF_TCX_INGRESS`, an attach type.
const ATTACH_TCX_INGRESS: u32 = 46;
/// `XDP_FLAGS_SKB_MODE` (`include/uapi/linux/if_link.h`).
const FLAG_GENERIC: u32 = 1 << 1;
/// `XDP_FLAGS_DRV_MODE`.
const FLAG_NATIVE: u32 = 1 << 2;

/// The part of `union bpf_attr` for `BPF_LINK_CREATE` that is used; the kernel takes the rest as 0.
#[repr(C)]
struct LinkCreate {
    program: u32,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches an XDP program. The link goes, and the program with it, when the descriptor closes.
pub(super) fn xdp(program: BorrowedFd<'_>, ifindex: u32, hook: Hook) -> io::Result<OwnedFd> {
    let flags = match hook {
        Hook::XdpGeneric => FLAG_GENERIC,
        Hook::Xdp | Hook::Tcx | Hook::Clsact => FLAG_NATIVE,
    };
    create(program, ifindex, ATTACH_XDP, flags)
}

/// Whether the kernel knows TCX: it then says that there is no interface of an impossible index,
/// otherwise that the attach type is invalid.
pub(super) fn knows_tcx(program: impl AsFd) -> bool {
    const NO_INTERFACE: u32 = i32::MAX as u32;
    matches!(
        create(program.as_fd(), NO_INTERFACE, ATTACH_TCX_INGRESS, 0),
        Err(error) if error.raw_os_error() == Some(libc::ENODEV)
    )
}

fn create(
    program: BorrowedFd<'_>,
    ifindex: u32,
    attach_type: u32,
    flags: u32,
) -> io::Result<OwnedFd> {
    let attr = LinkCreate {
        program: program.as_raw_fd().cast_unsigned(),
        ifindex,
        attach_type,
        flags,
    };
    // SAFETY: the kernel reads `size_of::<LinkCreate>()` bytes of the struct, and keeps no pointer.
    let fd = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            LINK_CREATE,
            &raw const attr,
            size_of::<LinkCreate>(),
        )
    };
    let fd = i32::try_from(fd).unwrap_or(-1);
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that the kernel has just made for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
