//! Streams of TCP and of UDP from the sender, with exact counts of what arrived.
//!
//! UDP has a window: a sender waits when too many of its datagrams are not acknowledged. So it goes as fast as the
//! receiver does, and the CPU time belongs to datagrams that arrived.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::measured::{Carried, Measured};
use super::sink::{CONNECT, PATIENCE, wait_helps};
use super::stage::Stage;
use super::usage::Usage;

/// Datagrams on their way.
const WINDOW: u64 = 32;
/// Before the clock starts: slow start, caches.
const WARM_UP: Duration = Duration::from_millis(100);

/// What the threads share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Datagrams that were sent.
    sent: AtomicU64,
}

impl Shared {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Sets the flag when it is dropped, so that the threads end after an error too.
struct StopOnDrop<'a>(&'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// Counts what arrives, and what is used, for a while. The seconds are those of the receiver's clock.
fn count(stage: &Stage, duration: Duration) -> anyhow::Result<(f64, u64, Usage)> {
    thread::sleep(WARM_UP);
    // In the same order at both ends, so that what the readings themselves take cancels out.
    let (before, first) = Usage::with_reading(stage)?;
    thread::sleep(duration);
    let (after, last) = Usage::with_reading(stage)?;
    let nanoseconds = last.nanoseconds.saturating_sub(first.nanoseconds);
    Ok((
        nanoseconds as f64 / 1e9,
        last.arrived.saturating_sub(first.arrived),
        after - before,
    ))
}

/// Streams of TCP.
pub(super) fn tcp(stage: &Stage, streams: usize, duration: Duration) -> anyhow::Result<Measured> {
    let port = stage.far().open_tcp(streams)?;
    let connections = (0..streams)
        .map(|_| connect(stage, port))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let shared = Shared::default();
    let (seconds, bytes, used) = thread::scope(|scope| {
        let stop = StopOnDrop(&shared);
        for connection in &connections {
            scope.spawn(|| write_until_stopped(connection, &shared));
        }
        let counted = count(stage, duration);
        drop(stop);
        // Threads that wait in a system call end with it.
        for connection in &connections {
            let _ = connection.shutdown(Shutdown::Both);
        }
        counted
    })?;
    stage.far().close()?;
    Ok(Measured {
        seconds,
        carried: Carried::Bytes(bytes),
        used,
        lost: 0,
        latency: None,
    })
}

fn connect(stage: &Stage, port: u16) -> anyhow::Result<TcpStream> {
    let (from, address) = (stage.sender()?, SocketAddr::new(stage.target()?, port));
    from.enter(|| TcpStream::connect_timeout(&address, CONNECT))?
        .with_context(|| format!("no connection from {} to {address}", from.name()))
}

fn write_until_stopped(mut to: &TcpStream, shared: &Shared) {
    let block = vec![0x5a; 64 * 1024];
    while !shared.stopped() && to.write_all(&block).is_ok() {}
}

/// Flows of UDP.
pub(super) fn udp(
    stage: &Stage,
    payload: u32,
    streams: usize,
    duration: Duration,
) -> anyhow::Result<Measured> {
    let sockets = open_udp(stage, streams, true)?;
    let shared = Shared::default();
    let (seconds, count, used) = thread::scope(|scope| {
        let stop = StopOnDrop(&shared);
        for socket in &sockets {
            scope.spawn(|| send_until_stopped(socket, payload as usize, &shared));
        }
        let counted = self::count(stage, duration);
        drop(stop);
        counted
    })?;
    let arrived = stage.far().close()?;
    let sent = shared.sent.load(Ordering::Relaxed);
    Ok(Measured {
        seconds,
        carried: Carried::Datagrams { count, payload },
        used,
        lost: sent.saturating_sub(arrived),
        latency: None,
    })
}

/// Sockets of the sender, each connected to one of a new sink.
pub(super) fn open_udp(
    stage: &Stage,
    streams: usize,
    acknowledge: bool,
) -> anyhow::Result<Vec<UdpSocket>> {
    let host = stage.sender()?;
    let sockets = (0..streams)
        .map(|_| Ok(host.enter(|| UdpSocket::bind(SocketAddr::new(host.address(), 0)))??))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let own = sockets
        .iter()
        .map(|socket| Ok(socket.local_addr()?.port()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let ports = stage.far().open_udp(&own, acknowledge)?;
    anyhow::ensure!(ports.len() == streams, "a sink has too few sockets");
    for (socket, port) in sockets.iter().zip(ports) {
        socket.connect(SocketAddr::new(stage.target()?, port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
    }
    Ok(sockets)
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
