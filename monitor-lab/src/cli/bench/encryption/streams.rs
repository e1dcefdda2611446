//! Streams of TCP and of UDP between two hosts, with exact counts of what arrived.
//!
//! UDP has a window: a sender waits when too many of its datagrams are not acknowledged. So it goes as fast as the
//! receiver does, and the CPU time belongs to datagrams that arrived.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use monitor_lab::Host;

use super::measured::{Carried, Measured};
use super::stage::Stage;
use super::usage::Usage;

/// Datagrams on their way.
const WINDOW: u64 = 32;
/// The receiver acknowledges every such number of datagrams.
const ACKNOWLEDGED: u64 = 8;
/// Longest wait for an acknowledgement. What is not acknowledged by then is lost.
const PATIENCE: Duration = Duration::from_millis(200);
/// Before the clock starts: slow start, caches.
const WARM_UP: Duration = Duration::from_millis(100);
/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(20);

/// What the threads share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Datagrams or bytes that were sent, and that arrived.
    sent: AtomicU64,
    arrived: AtomicU64,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }
}

/// Sets the flag when it is dropped, so that the threads end after an error too.
struct StopOnDrop<'a>(&'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Counts what arrives, and what is used, for a while.
fn count(stage: &Stage, duration: Duration, shared: &Shared) -> anyhow::Result<(f64, u64, Usage)> {
    thread::sleep(WARM_UP);
    // In the same order at both ends, so that what the readings themselves take cancels out.
    let (before, arrived, start) = (Usage::of(stage)?, shared.arrived(), Instant::now());
    thread::sleep(duration);
    let used = Usage::of(stage)? - before;
    let arrived = shared.arrived() - arrived;
    Ok((start.elapsed().as_secs_f64(), arrived, used))
}

/// Streams of TCP.
pub(super) fn tcp(stage: &Stage, streams: usize, duration: Duration) -> anyhow::Result<Measured> {
    let pairs = (0..streams)
        .map(|_| tcp_pair(stage.sender()?, stage.receiver()?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let shared = Shared::default();
    let (seconds, bytes, used) = thread::scope(|scope| {
        let stop = StopOnDrop(&shared);
        for (from, to) in &pairs {
            scope.spawn(|| write_until_stopped(from, &shared));
            scope.spawn(|| read_until_closed(to, &shared));
        }
        let counted = count(stage, duration, &shared);
        drop(stop);
        // Threads that wait in a system call end with it.
        for (from, to) in &pairs {
            let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
        }
        counted
    })?;
    Ok(Measured {
        seconds,
        carried: Carried::Bytes(bytes),
        used,
        lost: 0,
        latency: None,
    })
}

fn tcp_pair(from: &Host, to: &Host) -> anyhow::Result<(TcpStream, TcpStream)> {
    let listener = to.enter(|| TcpListener::bind(SocketAddr::new(to.address(), 0)))??;
    let address = listener.local_addr()?;
    let sender = from
        .enter(|| TcpStream::connect_timeout(&address, CONNECT))?
        .with_context(|| format!("no connection from {} to {address}", from.name()))?;
    Ok((sender, listener.accept()?.0))
}

fn write_until_stopped(mut to: &TcpStream, shared: &Shared) {
    let block = vec![0x5a; 64 * 1024];
    while !shared.stopped() && to.write_all(&block).is_ok() {}
}

fn read_until_closed(mut from: &TcpStream, shared: &Shared) {
    let mut block = vec![0; 256 * 1024];
    while let Ok(length @ 1..) = from.read(&mut block) {
        shared.arrived.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Flows of UDP.
pub(super) fn udp(
    stage: &Stage,
    payload: u32,
    streams: usize,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let pairs = (0..streams)
        .map(|_| udp_pair(stage.sender()?, stage.receiver()?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let shared = Shared::default();
    let (seconds, count, used) = thread::scope(|scope| {
        let stop = StopOnDrop(&shared);
        for (from, to) in &pairs {
            scope.spawn(|| send_until_stopped(from, payload as usize, &shared));
            scope.spawn(|| receive_until_stopped(to, &shared));
        }
        let counted = self::count(stage, duration, &shared);
        drop(stop);
        counted
    })?;
    let sent = shared.sent.load(Ordering::Relaxed);
    Ok(Measured {
        seconds,
        carried: Carried::Datagrams { count, payload },
        used,
        lost: sent.saturating_sub(shared.arrived()),
        latency: None,
    })
}

/// Two connected sockets.
pub(super) fn udp_pair(from: &Host, to: &Host) -> anyhow::Result<(UdpSocket, UdpSocket)> {
    let bind = |host: &Host| host.enter(|| UdpSocket::bind(SocketAddr::new(host.address(), 0)));
    let (sender, receiver) = (bind(from)??, bind(to)??);
    sender.connect(receiver.local_addr()?)?;
    receiver.connect(sender.local_addr()?)?;
    for socket in [&sender, &receiver] {
        socket.set_read_timeout(Some(PATIENCE))?;
    }
    Ok((sender, receiver))
}

fn send_until_stopped(socket: &UdpSocket, payload: usize, shared: &Shared) {
    let datagram = vec![0x5a; payload];
    // Lost ones are in no acknowledgement, and must not stay in the window.
    let (mut sent, mut lost, mut acknowledged) = (0_u64, 0, 0);
    while !shared.stopped() {
        if sent - lost < acknowledged + WINDOW {
            match socket.send(&datagram) {
                Ok(_) => sent += 1,
                Err(error) if wait_helps(&error) => thread::sleep(Duration::from_millis(1)),
                Err(_) => break,
            }
            continue;
        }
        let mut count = [0; 8];
        match socket.recv(&mut count) {
            // Acknowledgements may overtake each other.
            Ok(_) => acknowledged = acknowledged.max(u64::from_be_bytes(count)),
            Err(error) if wait_helps(&error) => lost = sent - acknowledged.min(sent),
            Err(_) => break,
        }
    }
    shared.sent.fetch_add(sent, Ordering::Relaxed);
}

fn receive_until_stopped(socket: &UdpSocket, shared: &Shared) {
    let mut datagram = vec![0; 65_536];
    let mut count = 0_u64;
    loop {
        match socket.recv(&mut datagram) {
            Ok(_) => {
                count += 1;
                shared.arrived.fetch_add(1, Ordering::Relaxed);
                if count.is_multiple_of(ACKNOWLEDGED) {
                    let _ = socket.send(&count.to_be_bytes());
                }
            }
            // After the last datagram, not before: what is on its way still arrives.
            Err(error) if wait_helps(&error) => {
                if shared.stopped() {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

/// Whether an error of a socket is a wait that was too long, or a full queue.
fn wait_helps(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    ) || error.raw_os_error() == Some(libc::ENOBUFS)
}
