//! Network namespaces without a name.
//!
//! The kernel keeps a namespace as long as a process or a file descriptor refers to it. A namespace of the lab
//! has no name under `/run/netns`; only a descriptor of the lab and the processes inside refer to it. When the
//! lab ends, even by SIGKILL, the kernel removes it with every device, address and IPsec state inside.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// A network namespace, held open.
#[derive(Debug)]
pub(crate) struct NetNs(OwnedFd);

impl NetNs {
    /// Creates an empty one. Needs CAP_SYS_ADMIN.
    pub(crate) fn new() -> io::Result<Self> {
        thread::scope(|scope| {
            let created = scope.spawn(|| {
                // SAFETY: NEWNET unshares neither descriptors nor memory, and it affects only this thread, which
                // ends here.
                unsafe { unshare_unsafe(UnshareFlags::NEWNET) }?;
                Self::current()
            });
            created.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// The one of the calling thread.
    pub(crate) fn current() -> io::Result<Self> {
        Self::at(Path::new("/proc/thread-self/ns/net"))
    }

    /// The one that a path names.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        File::open(path).map(|file| Self(file.into()))
    }

    /// Runs `work` inside the namespace, on a thread that ends with it. Sockets and descriptors that `work`
    /// returns stay valid.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                join(self.0.as_fd())?;
                Ok(work())
            });
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// The path by which another process of this machine can open it while the lab lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }

    /// Its inode number on nsfs, which identifies it.
    pub(crate) fn inode(&self) -> io::Result<u64> {
        Ok(rustix::fs::fstat(&self.0)?.st_ino)
    }

    /// Another descriptor of it.
    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

/// Moves the calling thread into the namespace by one system call (setns), so it is safe between fork and exec.
pub(crate) fn join(namespace: BorrowedFd<'_>) -> io::Result<()> {
    Ok(move_into_link_name_space(
        namespace,
        Some(LinkNameSpaceType::Network),
    )?)
}
