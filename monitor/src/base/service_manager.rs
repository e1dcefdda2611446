//! What this process reports to the service manager that started it (`sd_notify(3)`).

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr,
};
use rustix::pipe::PipeFlags;

use crate::base::clock::monotonic_ns;

/// Where the service manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// Microseconds after which it restarts a silent process, and the process that this is meant for.
const WATCHDOG: &str = "WATCHDOG_USEC";
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";

/// How long the manager may take to read what is sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon it is tried again.
const RETRY: Duration = Duration::from_millis(5);
/// The process that descriptors were passed to, how many, and their names (`sd_listen_fds(3)`); the first is 3.
const LISTEN_PROCESS: &str = "LISTEN_PID";
const LISTEN_COUNT: &str = "LISTEN_FDS";
const LISTEN_NAMES: &str = "LISTEN_FDNAMES";
const FIRST: RawFd = 3;

/// The descriptors that the manager has kept from the process before this one, with their names. To be called once, before
/// any other descriptor is opened.
#[must_use]
pub fn stored() -> Vec<(String, OwnedFd)> {
    let number = |name| std::env::var(name).ok()?.parse::<u32>().ok();
    if number(LISTEN_PROCESS) != Some(std::process::id()) {
        return Vec::new();
    }
    let names = std::env::var(LISTEN_NAMES).unwrap_or_default();
    let mut names = names.split(':');
    let count = number(LISTEN_COUNT).unwrap_or_default();
    let descriptors = (FIRST..).take(count as usize).filter_map(|number| {
        let name = names.next().unwrap_or_default().to_owned();
        // SAFETY: a number that is open is that of a descriptor which the manager has passed, and which nothing else owns.
        let descriptor = unsafe {
            if libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) < 0 {
                return None;
            }
            OwnedFd::from_raw_fd(number)
        };
        Some((name, descriptor))
    });
    descriptors.collect()
}

/// The service manager. Without one every report is dropped: a process that a person started needs none.
#[derive(Debug, Default)]
pub struct ServiceManager {
    to: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names.
    ///
    /// # Errors
    /// If the environment names a socket that cannot be used.
    pub fn from_environment() -> io::Result<ServiceManager> {
        let Some(name) = std::env::var_os(SOCKET).filter(|name| !name.is_empty()) else {
            return Ok(ServiceManager::default());
        };
        let socket = UnixDatagram::unbound()?;
        // The agent does not wait for a manager that does not read.
        socket.set_nonblocking(true)?;
        Ok(ServiceManager {
            to: Some((socket, address(&name)?)),
            watchdog: watchdog(
                std::env::var_os(WATCHDOG),
                std::env::var_os(WATCHDOG_PROCESS),
                std::process::id(),
            ),
        })
    }

    /// Whether there is one.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.to.is_some()
    }

    /// The start is complete. `status` is what `systemctl status` shows.
    pub fn ready(&self, status: &str) {
        let status = status.replace(char::is_control, " ");
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is read again; [`ServiceManager::ready`] ends it.
    pub fn reloading(&self) {
        self.send(&format!(
            "RELOADING=1\nMONOTONIC_USEC={}",
            monotonic_ns() / 1_000
        ));
    }

    /// The end has begun.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The process works.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Keeps a descriptor for the next process of the service, which [`stored`] returns there.
    ///
    /// # Errors
    /// Without a manager, or if it does not read.
    pub fn store(&self, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        // A map is in error for poll(2) (`bpf_map_poll` in kernel/bpf/syscall.c), and would be forgotten.
        let text = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}");
        self.send_with(text.as_bytes(), Some(descriptor))
    }

    /// Forgets the descriptors of a name that were kept.
    pub fn forget(&self, name: &str) {
        let text = format!("FDSTOREREMOVE=1\nFDNAME={name}");
        if let Err(error) = self.send_with(text.as_bytes(), None) {
            tracing::warn!(
                "the service manager keeps {name} of the process before this one: {error}"
            );
        }
    }

    /// Waits until the manager has read all that was sent.
    ///
    /// # Errors
    /// If it takes too long, or there is no manager.
    pub fn wait(&self) -> io::Result<()> {
        let (ours, its) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        self.send_with(b"BARRIER=1", Some(its.as_fd()))?;
        drop(its);
        // It closes the other end.
        let mut ends = [PollFd::new(&ours, PollFlags::empty())];
        let begun = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begun.elapsed());
            let patience = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut ends, Some(&patience)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                // A signal: systemd sends SIGTERM behind SIGUSR1.
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends a text with a descriptor, also to a manager that is busy.
    fn send_with(&self, text: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let Some((socket, to)) = &self.to else {
            return Err(io::Error::other("no service manager started this process"));
        };
        let to = match (to.as_pathname(), to.as_abstract_name()) {
            (Some(path), _) => SocketAddrUnix::new(path)?,
            (None, Some(name)) => SocketAddrUnix::new_abstract_name(name)?,
            (None, None) => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let begun = Instant::now();
        loop {
            let mut control = SendAncillaryBuffer::new(&mut space);
            let descriptors = descriptor.as_slice();
            if !descriptors.is_empty() {
                control.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            let text = [io::IoSlice::new(text)];
            match sendmsg_addr(socket, &to, &text, &mut control, SendFlags::NOSIGNAL) {
                Ok(_) => return Ok(()),
                Err(Errno::AGAIN) if begun.elapsed() < PATIENCE => std::thread::sleep(RETRY),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The silence after which the manager restarts this process; `None` if it does not.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    fn send(&self, text: &str) {
        let Some((socket, to)) = &self.to else { return };
        if let Err(error) = socket.send_to_addr(text.as_bytes(), to) {
            tracing::debug!("cannot notify the service manager: {error}");
        }
    }
}

/// The address of a socket: a path, or behind `@` a name that is in no file system.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "it is neither a path nor an abstract name",
        )),
    }
}

/// The silence that the manager permits to this process.
fn watchdog(time: Option<OsString>, process: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    // Inherited from a parent that the manager meant.
    if process.is_some_and(|process| number(process) != Some(own.into())) {
        return None;
    }
    number(time?)
        .filter(|time| *time != 0)
        .map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_of_the_process_that_the_manager_names() {
        let text = |text: &str| Some(OsString::from(text));
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(text("1000000"), text("7"), 7), second);
        assert_eq!(watchdog(text("1000000"), None, 7), second);
        assert_eq!(watchdog(text("1000000"), text("8"), 7), None);
        for bad in ["", "0", "-1", "1 s", "99999999999999999999"] {
            assert_eq!(watchdog(text(bad), text("7"), 7), None, "{bad}");
        }
        assert_eq!(watchdog(None, text("7"), 7), None);
    }

    #[test]
    fn an_address_is_a_path_or_an_abstract_name() {
        let path = address(OsStr::new("/run/systemd/notify")).unwrap();
        assert_eq!(
            path.as_pathname().unwrap().to_str(),
            Some("/run/systemd/notify")
        );
        let name = address(OsStr::new("@notify")).unwrap();
        assert_eq!(name.as_abstract_name(), Some(&b"notify"[..]));
        for bad in ["notify", "vsock:2:1234"] {
            assert!(address(OsStr::new(bad)).is_err(), "{bad}");
        }
    }
}
