//! The connections that this process writes to: its SSH session, and sockets as standard output or error.
//!
//! What `tail` prints travels over them. If they cross a watched interface, each printed line would be a packet to print.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;

/// Ancestors that are asked for their environment: `sudo` hides that of the session.
const ANCESTORS: usize = 32;
/// Bytes of an environment that are read.
const ENVIRONMENT: usize = 1 << 20;

/// The connections, each once; empty where there is none, or where they cannot be read.
#[must_use]
pub fn own_connections() -> Vec<(SocketAddr, SocketAddr)> {
    let mut found = Vec::new();
    let sockets = [libc::STDOUT_FILENO, libc::STDERR_FILENO]
        .into_iter()
        .filter_map(socket_ends);
    for ends in session().into_iter().chain(sockets) {
        if !found.contains(&ends) {
            found.push(ends);
        }
    }
    found
}

/// The connection of the SSH session that this process belongs to.
fn session() -> Option<(SocketAddr, SocketAddr)> {
    if let Ok(value) = std::env::var("SSH_CONNECTION") {
        return parse(&value);
    }
    let mut process = std::process::id();
    for _ in 0..ANCESTORS {
        process = parent(process)?;
        if let Some(value) = variable_of(process) {
            return parse(&value);
        }
    }
    None
}

/// `client port server port`, as sshd sets it. An address may have a zone.
fn parse(value: &str) -> Option<(SocketAddr, SocketAddr)> {
    let mut words = value.split(' ');
    let mut end = || {
        let address = words.next()?.split('%').next()?;
        let address: IpAddr = address.parse().ok()?;
        Some(SocketAddr::new(address, words.next()?.parse().ok()?))
    };
    Some((end()?, end()?))
}

fn parent(process: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().filter(|parent| *parent != 0)
}

fn variable_of(process: u32) -> Option<String> {
    use std::io::Read;
    let file = std::fs::File::open(format!("/proc/{process}/environ")).ok()?;
    let mut environment = Vec::new();
    file.take(ENVIRONMENT as u64)
        .read_to_end(&mut environment)
        .ok()?;
    let value = environment
        .split(|byte| *byte == 0)
        .find_map(|variable| variable.strip_prefix(b"SSH_CONNECTION="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// Both ends of a descriptor, if it is a connected TCP or UDP socket.
fn socket_ends(descriptor: RawFd) -> Option<(SocketAddr, SocketAddr)> {
    let local = name(|address, length| {
        // SAFETY: the pointers are to a buffer and its length, both valid for the call.
        unsafe { libc::getsockname(descriptor, address, length) }
    });
    let remote = name(|address, length| {
        // SAFETY: as above.
        unsafe { libc::getpeername(descriptor, address, length) }
    });
    Some((local.ok()??, remote.ok()??))
}

/// The address that a system call fills in; `None` if it is neither IPv4 nor IPv6.
fn name(
    call: impl FnOnce(*mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int,
) -> io::Result<Option<SocketAddr>> {
    // SAFETY: all zeros is a valid value of this plain structure.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let mut length = size_of_val(&storage) as libc::socklen_t;
    if call((&raw mut storage).cast(), &raw mut length) != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(match libc::c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote an address of this family, and the storage is large enough and aligned for it.
            let v4 = unsafe { *(&raw const storage).cast::<libc::sockaddr_in>() };
            let address = IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddr::new(address, u16::from_be(v4.sin_port)))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { *(&raw const storage).cast::<libc::sockaddr_in6>() };
            let address = IpAddr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddr::new(address, u16::from_be(v6.sin6_port)))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    #[test]
    fn the_variable_of_sshd_is_read_and_nonsense_is_not() {
        let ends = parse("192.0.2.9 50022 192.0.2.1 22").unwrap();
        assert_eq!(ends.0.to_string(), "192.0.2.9:50022");
        assert_eq!(ends.1.to_string(), "192.0.2.1:22");
        let ends = parse("fe80::9%eth0 50022 fe80::1%eth0 22").unwrap();
        assert_eq!(ends.0.to_string(), "[fe80::9]:50022");
        for bad in [
            "",
            "192.0.2.9 50022",
            "a b c d",
            "192.0.2.9 99999 192.0.2.1 22",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_connected_socket_has_two_ends_and_nothing_else_has() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                assert!(address.starts_with('['), "a host without IPv6");
                continue;
            };
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let ends = socket_ends(stream.as_raw_fd()).unwrap();
            assert_eq!(ends.0, stream.local_addr().unwrap());
            assert_eq!(ends.1, stream.peer_addr().unwrap());
            assert_eq!(socket_ends(listener.as_raw_fd()), None);
        }
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(socket_ends(file.as_raw_fd()), None);
    }
}
