//! The port that is listened on.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::anyhow;

use crate::base::failure::Failure;

/// How long an agent that has just ended may still hold the port: a program that it was starting has a copy of its socket.
const HELD: Duration = Duration::from_secs(1);
/// How often the port is tried meanwhile.
const RETRY: Duration = Duration::from_millis(50);

/// Opens the port, also where an agent that was just killed left it in use for a moment.
///
/// # Errors
/// A runtime failure that names the reason, and what to do.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let deadline = Instant::now() + HELD;
    let listener = loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                std::thread::sleep(RETRY);
            }
            listener => break listener.and_then(without_waiting),
        }
    };
    listener.map_err(|error| {
        let port = address.port();
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another process listens there (`ss -ltnp sport = :{port}` shows it); give another --listen")
            }
            io::ErrorKind::AddrNotAvailable => "this host has no such address; give another --listen".to_owned(),
            io::ErrorKind::PermissionDenied => format!("port {port} needs privileges; give another --listen"),
            _ => "give another --listen".to_owned(),
        };
        Failure::runtime(anyhow!(error).context(format!("cannot listen on {address}: {hint}")))
    })
}

/// As tokio takes it over.
fn without_waiting(listener: TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    bound_unsent(&listener);
    Ok(listener)
}

/// Has the kernel keep little that it cannot send yet, for each connection: a client that reads nothing takes no more memory,
/// and is noticed soon. A kernel that refuses keeps more, up to its own limit.
fn bound_unsent(listener: &TcpListener) {
    let unsent: libc::c_int = 16 << 10;
    // SAFETY: reads an integer of the given size; the descriptor is open.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_NOTSENT_LOWAT,
            (&raw const unsent).cast(),
            size_of_val(&unsent) as libc::socklen_t,
        )
    };
    if set != 0 {
        tracing::debug!("TCP_NOTSENT_LOWAT: {}", io::Error::last_os_error());
    }
}
