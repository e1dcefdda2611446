//! Network namespaces without a name.
//!
//! A namespace lives as long as a process, a device or a file descriptor refers to it. Ours are held by a
//! descriptor of the lab and by the processes in it and have no name under `/run/netns`: when the lab ends,
//! even by SIGKILL, the kernel removes them with every device, address and IPsec state inside.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// A network namespace, held open.
#[derive(Debug)]
pub(crate) struct NetNs(OwnedFd);

impl NetNs {
    /// Makes an empty one. Needs CAP_SYS_ADMIN.
    pub(crate) fn new() -> io::Result<Self> {
        thread::scope(|scope| {
            let made = scope.spawn(|| {
                // SAFETY: a network namespace is per thread and no descriptor or memory is unshared with it;
                // this thread ends right here.
                unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
                File::open("/proc/thread-self/ns/net").map(|file| Self(file.into()))
            });
            made.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Runs `work` on a thread of its own inside the namespace. The thread ends with it, sockets and
    /// descriptors that it returns stay good.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                join(self.0.as_fd())?;
                Ok(work())
            });
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// The path under which another process of this machine reaches it while the lab lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Number that tells namespaces apart (inode on nsfs).
    pub(crate) fn inode(&self) -> io::Result<u64> {
        Ok(rustix::fs::fstat(&self.0)?.st_ino)
    }

    /// A second descriptor of it.
    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

/// Moves the calling thread into the namespace. One system call: safe between fork and exec.
pub(crate) fn join(namespace: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(
        namespace,
        Some(LinkNameSpaceType::Network),
    )?)
}
