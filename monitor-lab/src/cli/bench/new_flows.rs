//! Short TCP flows in VXLAN that begin at a given rate, sent by a packet socket.
//!
//! A flow is what a client sends: SYN, a request of HTTP, bytes of its body, FIN. Its packets are a tick apart, so many flows
//! are under way at once.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use monitor_lab::Host;

use super::packets::{self, Family, Frame};
use super::pin;

/// Time between two packets of a flow.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// Ticks in a second.
const TICKS: u32 = 100;
/// The flows are shared out to so many VNIs, from 4096 on.
pub(super) const VNIS: u32 = 16;
/// Most frames that one system call sends.
const BATCH: usize = 256;
/// The interface by which they are sent.
const INTERFACE: &str = "eth0";

const REQUEST: &[u8] =
    b"POST /orders HTTP/1.1\r\nHost: shop.example\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n";
const BODY: &[u8] = b"one line of an order, and another one; the next one is as long as these, and so is the last one\r\n";

/// Offsets in a TCP header.
const DESTINATION_PORT: usize = 2;
const SEQUENCE: usize = 4;
const FLAGS: usize = 13;
const LENGTH: usize = 20;
const FIN: u8 = 1;
const SYN: u8 = 2;
const PUSH: u8 = 8;
const ACK: u8 = 0x10;

/// How many flows begin, how long they are, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// New flows in a second: a multiple of 100.
    pub(super) flows: u32,
    /// Packets of each flow: 3 or more.
    pub(super) packets: u32,
}

impl Rate {
    /// So many new flows in a second, of so many packets.
    pub(super) const fn new(flows: u32, packets: u32) -> Rate {
        Rate { flows, packets }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} new flows/s of {} packets", self.flows, self.packets)
    }
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Frames.
    pub(super) frames: u64,
    /// Whether the machine kept the pace, nearly. If not, sending was given up.
    pub(super) in_time: bool,
}

/// Sending that takes so many times as long as planned is not of that rate.
const SLOWEST: f64 = 1.25;

/// Sends the flows of a rate from a host.
pub(super) struct NewFlows {
    socket: OwnedFd,
    /// First, second, middle and last packet of a flow.
    frames: [Frame; 4],
    /// The number of the next flow.
    next: u32,
}

impl NewFlows {
    /// On `eth0` of a host, to this UDP port.
    pub(super) fn new(host: &Host, port: u16) -> anyhow::Result<NewFlows> {
        let socket = host
            .enter(|| packet_socket(INTERFACE))?
            .context("cannot open a packet socket")?;
        Ok(NewFlows {
            socket,
            frames: [
                frame(port, SYN, &[]),
                frame(port, ACK | PUSH, REQUEST),
                frame(port, ACK | PUSH, BODY),
                frame(port, ACK | FIN, &[]),
            ],
            next: 0,
        })
    }

    /// Sends for some seconds, all packets of all flows. `steady` is called when as many flows end as begin, and again
    /// when the last one has begun.
    pub(super) fn send(
        &mut self,
        rate: Rate,
        seconds: u32,
        mut steady: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Sent> {
        let (new, first) = (rate.flows / TICKS, self.next);
        let (ramp, begin) = (rate.packets, seconds * TICKS + rate.packets);
        self.next = first.wrapping_add(begin * new);
        let ticks = begin + rate.packets;
        let start = Instant::now();
        let planned = TICK * ticks;
        let mut frames = 0;
        for tick in 0..ticks {
            if tick == ramp || tick == begin {
                steady()?;
            }
            let mut batch = Vec::new();
            for number in 0..rate.packets {
                // The flows that began `number` ticks ago.
                let Some(began) = tick.checked_sub(number).filter(|began| *began < begin) else {
                    continue;
                };
                for flow in 0..new {
                    let flow = first.wrapping_add(began * new + flow);
                    batch.push(self.packet(rate, number, flow));
                    if batch.len() == BATCH {
                        frames += send_all(&self.socket, &batch)?;
                        batch.clear();
                    }
                }
            }
            frames += send_all(&self.socket, &batch)?;
            let due = TICK * (tick + 1);
            thread::sleep(due.saturating_sub(start.elapsed()));
            if start.elapsed() > planned.mul_f64(SLOWEST) {
                return Ok(Sent {
                    frames,
                    in_time: false,
                });
            }
        }
        Ok(Sent {
            frames,
            in_time: true,
        })
    }

    fn packet(&self, rate: Rate, number: u32, flow: u32) -> Vec<u8> {
        let which = match number {
            0 => 0,
            1 => 1,
            last if last + 1 == rate.packets => 3,
            _ => 2,
        };
        let Frame {
            bytes,
            vni_at,
            flow_at,
        } = &self.frames[which];
        let mut bytes = bytes.clone();
        let mut put = |at: usize, word: u32| {
            bytes[at..at + 4].copy_from_slice(&word.to_be_bytes());
        };
        put(*vni_at, (4096 + flow % VNIS) << 8);
        // 10.0.0.0/8.
        put(*flow_at, 0x0a00_0000 | flow & 0x00ff_ffff);
        let sequence = match number {
            0 | 1 => number,
            later => 1 + REQUEST.len() as u32 + (later - 2) * BODY.len() as u32,
        };
        put(tcp_at(*flow_at) + SEQUENCE, sequence);
        bytes
    }
}

/// Where the TCP header is: behind the last bytes of the source address, and the destination address.
const fn tcp_at(flow_at: usize) -> usize {
    flow_at + 4 + 4
}

fn frame(port: u16, flags: u8, payload: &[u8]) -> Frame {
    let mut frame = packets::vxlan(Family::V4, port, payload.len());
    let tcp = &mut frame.bytes[tcp_at(frame.flow_at)..];
    tcp[DESTINATION_PORT..DESTINATION_PORT + 2].copy_from_slice(&80u16.to_be_bytes());
    tcp[FLAGS] = flags;
    tcp[LENGTH..].copy_from_slice(payload);
    frame
}

/// A packet socket that sends by an interface of the calling thread's network namespace, and receives nothing.
fn packet_socket(interface: &str) -> anyhow::Result<OwnedFd> {
    let index = monitor::base::interface::Interface::by_name(interface)?.index;
    // SAFETY: makes a new descriptor, which has no other owner.
    let socket = unsafe {
        let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        OwnedFd::from_raw_fd(fd)
    };
    // SAFETY: all zeroes is a valid sockaddr_ll, and the kernel copies it.
    let bound = unsafe {
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = index.cast_signed();
        let length = size_of_val(&address) as libc::socklen_t;
        libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length)
    };
    if bound < 0 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(socket)
}

/// Sends all frames. Returns their number.
fn send_all(socket: &OwnedFd, frames: &[Vec<u8>]) -> anyhow::Result<u64> {
    let mut parts: Vec<libc::iovec> = frames
        .iter()
        .map(|frame| libc::iovec {
            iov_base: frame.as_ptr().cast_mut().cast(),
            iov_len: frame.len(),
        })
        .collect();
    let mut messages: Vec<libc::mmsghdr> = parts
        .iter_mut()
        .map(|part| {
            // SAFETY: all zeroes is a valid mmsghdr: no address, no control data.
            let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
            message.msg_hdr.msg_iov = part;
            message.msg_hdr.msg_iovlen = 1;
            message
        })
        .collect();
    let mut at = 0;
    while at < messages.len() {
        let rest = &mut messages[at..];
        // SAFETY: the messages point to parts, and those to frames, which live until the call returns and are only read.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                rest.as_mut_ptr(),
                u32::try_from(rest.len())?,
                0,
            )
        };
        match usize::try_from(sent) {
            Ok(sent) => at += sent,
            Err(_) => {
                let error = io::Error::last_os_error();
                if error.raw_os_error() != Some(libc::ENOBUFS) {
                    return Err(anyhow::Error::new(error).context("cannot send frames"));
                }
                thread::yield_now();
            }
        }
    }
    Ok(at as u64)
}

/// Runs `work` on a thread of its own on one CPU, so that the rest of this process is not pinned.
pub(super) fn on_one_cpu<T: Send>(
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            pin::to_one_cpu()?;
            work()
        });
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use monitor::base::udp_ports::UdpPorts;
    use monitor_common::link::Link;
    use monitor_common::walk::{self, InnerKind};

    use super::*;

    #[test]
    fn the_frames_are_flows_of_tcp_with_a_request() {
        let udp_ports = UdpPorts::default();
        for (flags, payload) in [(SYN, &[][..]), (ACK | PUSH, REQUEST), (ACK | FIN, &[])] {
            let frame = frame(8472, flags, payload);
            let bytes = frame.bytes.as_slice();
            let outer = walk::outer(bytes, Link::Ethernet, |port| udp_ports.of(port));
            let inner = walk::inner(bytes, outer.inner, outer.link);
            assert!(matches!(inner.kind, InnerKind::Flow));
            assert!(bytes.ends_with(payload));
            assert_eq!(bytes[tcp_at(frame.flow_at) + FLAGS], flags);
        }
    }
}
