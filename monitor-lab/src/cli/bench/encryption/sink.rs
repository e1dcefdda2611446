//! Where streams of TCP and of UDP end: counts what arrives.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use monitor_lab::Host;

/// The receiver acknowledges every such number of datagrams.
pub(super) const ACKNOWLEDGED: u64 = 8;
/// Longest wait for an acknowledgement. What is not acknowledged by then is lost.
pub(super) const PATIENCE: Duration = Duration::from_millis(200);
/// Longest time to connect.
pub(super) const CONNECT: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    /// Datagrams, or bytes of TCP.
    arrived: AtomicU64,
    /// Bytes of payload.
    bytes: AtomicU64,
}

/// Open sockets, each with a thread.
pub(super) struct Sink {
    counts: Arc<Counts>,
    ports: Vec<u16>,
    threads: Vec<JoinHandle<()>>,
}

impl Sink {
    /// Accepts so many connections from one address.
    pub(super) fn tcp(host: &Host, from: IpAddr, streams: usize) -> anyhow::Result<Sink> {
        let listener = host.enter(|| TcpListener::bind(SocketAddr::new(host.address(), 0)))??;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let counts = Arc::new(Counts::default());
        let counted = Arc::clone(&counts);
        let accepting = thread::spawn(move || accept(&listener, from, streams, &counted));
        Ok(Sink {
            counts,
            ports: vec![port],
            threads: vec![accepting],
        })
    }

    /// Receives datagrams, in one flow from each of the ports of an address.
    pub(super) fn udp(
        host: &Host,
        from: IpAddr,
        ports: &[u16],
        acknowledge: bool,
    ) -> anyhow::Result<Sink> {
        let mut sink = Sink {
            counts: Arc::default(),
            ports: Vec::new(),
            threads: Vec::new(),
        };
        for port in ports {
            let socket = host.enter(|| UdpSocket::bind(SocketAddr::new(host.address(), 0)))??;
            socket.connect(SocketAddr::new(from, *port))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            sink.ports.push(socket.local_addr()?.port());
            let counts = Arc::clone(&sink.counts);
            let receiving = thread::spawn(move || receive(&socket, acknowledge, &counts));
            sink.threads.push(receiving);
        }
        Ok(sink)
    }

    /// Its ports: one of TCP, or one for each flow of UDP.
    pub(super) fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Datagrams, or bytes of TCP, that have arrived, and bytes of payload.
    pub(super) fn arrived(&self) -> (u64, u64) {
        (
            self.counts.arrived.load(Ordering::Acquire),
            self.counts.bytes.load(Ordering::Relaxed),
        )
    }

    /// Waits for what is on its way, and returns what has arrived in all.
    pub(super) fn close(mut self) -> u64 {
        self.end();
        self.arrived().0
    }

    fn end(&mut self) {
        self.counts.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It cannot panic: it only moves numbers.
            let _ = thread.join();
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.end();
    }
}

/// Accepts connections until there are enough, and reads from each on a thread of its own.
fn accept(listener: &TcpListener, from: IpAddr, streams: usize, counts: &Counts) {
    let end = Instant::now() + CONNECT;
    thread::scope(|scope| {
        let mut accepted = 0;
        while accepted < streams && !counts.stop.load(Ordering::Relaxed) && Instant::now() < end {
            match listener.accept() {
                Ok((stream, address)) if address.ip() == from => {
                    accepted += 1;
                    scope.spawn(move || read_until_closed(&stream, counts));
                }
                Ok(_) => {}
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    });
}

fn read_until_closed(mut from: &TcpStream, counts: &Counts) {
    let timed = from
        .set_nonblocking(false)
        .and_then(|()| from.set_read_timeout(Some(PATIENCE)));
    if timed.is_err() {
        return;
    }
    let mut block = vec![0; 256 * 1024];
    loop {
        match from.read(&mut block) {
            Ok(0) => return,
            Ok(length) => {
                counts.arrived.fetch_add(length as u64, Ordering::Relaxed);
                counts.bytes.fetch_add(length as u64, Ordering::Relaxed);
            }
            Err(error) if wait_helps(&error) && !counts.stop.load(Ordering::Relaxed) => {}
            Err(_) => return,
        }
    }
}

fn receive(socket: &UdpSocket, acknowledge: bool, counts: &Counts) {
    let mut datagram = vec![0; 65_536];
    let mut count = 0_u64;
    loop {
        match socket.recv(&mut datagram) {
            Ok(length) => {
                count += 1;
                counts.bytes.fetch_add(length as u64, Ordering::Relaxed);
                // After the bytes: a reader that sees the datagram sees them, too.
                counts.arrived.fetch_add(1, Ordering::Release);
                if acknowledge && count.is_multiple_of(ACKNOWLEDGED) {
                    let _ = socket.send(&count.to_be_bytes());
                }
            }
            // After the last datagram, not before: what is on its way still arrives.
            Err(error) if wait_helps(&error) => {
                if counts.stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Whether an error of a socket is a wait that was too long, or a full queue.
pub(super) fn wait_helps(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    ) || error.raw_os_error() == Some(libc::ENOBUFS)
}
