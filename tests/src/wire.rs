//! Packets put on the lab's wires by hand.

use std::io::{self, ErrorKind};
use std::net::{ToSocketAddrs, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use monitor_lab::Host;

use crate::process::{PATIENCE, wait_until};

/// A raw packet socket on a device: whole frames, byte by byte.
pub struct Raw {
    socket: OwnedFd,
    device: String,
    with_header: bool,
}

/// `struct virtio_net_hdr` (`include/uapi/linux/virtio_net.h`).
#[repr(C)]
#[derive(Default)]
struct VirtioNetHeader {
    flags: u8,
    gso_type: u8,
    hdr_len: u16,
    gso_size: u16,
    csum_start: u16,
    csum_offset: u16,
}

impl Raw {
    /// Opens one on a device of a host.
    #[must_use]
    pub fn open(host: &Host, device: &str) -> Raw {
        host.enter(|| Raw::here(device, false)).unwrap().unwrap()
    }

    /// One whose socket buffers have only the Ethernet header in their linear part, if the frame is
    /// larger than a page: `packet_alloc_skb` in net/packet/af_packet.c takes `hdr_len` bytes of the
    /// virtio header as linear, and the rest as page fragments.
    #[must_use]
    pub fn open_scattered(host: &Host, device: &str) -> Raw {
        host.enter(|| Raw::here(device, true)).unwrap().unwrap()
    }

    fn here(device: &str, with_header: bool) -> io::Result<Raw> {
        // SAFETY: makes a new descriptor, which has no other owner.
        let socket = unsafe {
            let fd = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        let name = std::ffi::CString::new(device)?;
        // SAFETY: all zeroes is a valid sockaddr_ll; the name is a C string; the kernel copies both the
        // address and the option.
        unsafe {
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_ifindex = libc::if_nametoindex(name.as_ptr()).cast_signed();
            let length = size_of_val(&address) as libc::socklen_t;
            if libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) < 0 {
                return Err(io::Error::last_os_error());
            }
            let on: libc::c_int = 1;
            let length = size_of_val(&on) as libc::socklen_t;
            let option = (libc::SOL_PACKET, libc::PACKET_VNET_HDR);
            if with_header
                && libc::setsockopt(
                    socket.as_raw_fd(),
                    option.0,
                    option.1,
                    (&raw const on).cast(),
                    length,
                ) < 0
            {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(Raw {
            socket,
            device: device.to_owned(),
            with_header,
        })
    }

    /// Puts a frame on the wire.
    pub fn send(&self, frame: &[u8]) {
        let header = VirtioNetHeader {
            hdr_len: 14,
            ..VirtioNetHeader::default()
        };
        let parts = [
            libc::iovec {
                iov_base: (&raw const header).cast_mut().cast(),
                iov_len: size_of_val(&header),
            },
            libc::iovec {
                iov_base: frame.as_ptr().cast_mut().cast(),
                iov_len: frame.len(),
            },
        ];
        let parts = if self.with_header {
            &parts[..]
        } else {
            &parts[1..]
        };
        // SAFETY: the parts point to memory that lives until the call returns, and is only read.
        let sent = unsafe {
            libc::writev(
                self.socket.as_raw_fd(),
                parts.as_ptr(),
                i32::try_from(parts.len()).unwrap(),
            )
        };
        let whole: usize = parts.iter().map(|part| part.iov_len).sum();
        let error = io::Error::last_os_error();
        assert_eq!(
            usize::try_from(sent).ok(),
            Some(whole),
            "{} on {}: {error}",
            frame.len(),
            self.device
        );
    }
}

impl Raw {
    /// Puts frames on the wire until the device has no room for one; gives how many it took.
    #[must_use]
    pub fn send_until_full(&self, frames: &[Vec<u8>]) -> usize {
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
        let count = u32::try_from(messages.len()).unwrap();
        // SAFETY: the messages point to parts, and those to frames, which live until the call returns and
        // are only read.
        let sent =
            unsafe { libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
        let error = io::Error::last_os_error();
        match usize::try_from(sent) {
            Ok(sent) => sent,
            Err(_) if error.raw_os_error() == Some(libc::ENOBUFS) => 0,
            Err(_) => panic!("{}: {error}", self.device),
        }
    }

    /// Puts frames on the wire, leaving out those that the device has no room for; gives how many it took.
    #[must_use]
    pub fn send_all(&self, frames: &[Vec<u8>]) -> usize {
        let (mut at, mut sent) = (0, 0);
        while at < frames.len() {
            let taken = self.send_until_full(&frames[at..]);
            sent += taken;
            at += taken.max(1);
        }
        sent
    }
}

/// A UDP socket in a host.
///
/// A program that another thread starts holds copies of this process's sockets until its `execve`. So the address of one that was
/// just closed may be in use for a moment.
#[must_use]
pub fn bound(host: &Host, address: impl ToSocketAddrs + Send + Sync) -> UdpSocket {
    let mut socket = None;
    wait_until("its address is free", || {
        match host.enter(|| UdpSocket::bind(&address)).unwrap() {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            bound => socket = Some(bound.unwrap()),
        }
        socket.is_some()
    });
    socket.unwrap()
}

/// Two UDP sockets in two hosts that send to each other, and lose nothing.
pub struct Pair {
    sockets: [UdpSocket; 2],
}

impl Pair {
    /// Sockets at this port of both hosts' addresses.
    #[must_use]
    pub fn new(one: &Host, two: &Host, port: u16) -> Pair {
        let socket = |host: &Host, other: &Host| {
            let socket = bound(host, (host.address(), port));
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            (socket, other.address())
        };
        let sockets = [socket(one, two), socket(two, one)].map(|(socket, peer)| {
            socket.connect((peer, port)).unwrap();
            socket
        });
        Pair { sockets }
    }

    /// Sends datagrams of these payload lengths from one (0 or 1) to the other, which takes each few
    /// before the next few are sent: no queue on the way overflows.
    pub fn send(&self, from: usize, lengths: impl IntoIterator<Item = usize>) {
        const AT_ONCE: usize = 32;
        let payload = [0x2e; 1500];
        let mut buffer = [0; 2048];
        let mut on_the_way = Vec::new();
        let mut take = |on_the_way: &mut Vec<usize>| {
            // The kernel may hand them over in another order, when the sender changed its CPU.
            let lost = "a datagram was lost on the way";
            let receive = |_: &usize| self.sockets[1 - from].recv(&mut buffer).expect(lost);
            let mut received: Vec<usize> = on_the_way.iter().map(receive).collect();
            received.sort_unstable();
            on_the_way.sort_unstable();
            assert_eq!(received, *on_the_way);
            on_the_way.clear();
        };
        for length in lengths {
            self.sockets[from].send(&payload[..length]).unwrap();
            on_the_way.push(length);
            if on_the_way.len() == AT_ONCE {
                take(&mut on_the_way);
            }
        }
        take(&mut on_the_way);
    }
}
