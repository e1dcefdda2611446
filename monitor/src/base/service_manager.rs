//! What this process reports to the service manager that started it (`sd_notify(3)`).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::base::clock::monotonic_ns;

/// Where the service manager listens.
const SOCKET: &str = "NOTIFY_SOCKET";
/// Microseconds after which it restarts a silent process, and the process that this is meant for.
const WATCHDOG: &str = "WATCHDOG_USEC";
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";

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
