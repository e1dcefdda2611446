//! The kernel's IPsec: its states (security associations) and policies, read over netlink.

mod errors;
mod message;

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_sys::protocols::NETLINK_XFRM;
use netlink_sys::{Socket, SocketAddr};

use crate::base::netlink::{DONE, ERROR, HEADER, messages};

pub use errors::{XfrmError, errors};

/// States and policies that are read at most. A node has four states and one policy for each other node.
const MAX: usize = 65_536;
/// A datagram of an answer is at most this long: what the kernel sizes its dumps for.
const BUFFER: usize = 64 * 1024;

/// `XFRM_MSG_GETSA`, `XFRM_MSG_GETPOLICY` and what answers them (`include/uapi/linux/xfrm.h`).
const GETSA: u16 = 0x12;
const NEWSA: u16 = 0x10;
const GETPOLICY: u16 = 0x15;
const NEWPOLICY: u16 = 0x13;

/// IP protocol number of ESP (RFC 4303).
pub const ESP: u8 = 50;

/// How a packet is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Between the addresses of the packet itself.
    Transport,
    /// A whole packet within another one, as VPNs have it.
    Tunnel,
    /// Something else (`XFRM_MODE_…`).
    Other(u8),
}

/// Bits of the packet's mark that must have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The value.
    pub value: u32,
    /// The bits.
    pub mask: u32,
}

/// A state that a network card takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// The device.
    pub ifindex: u32,
    /// Whether the card does all of it, so that the host sees only cleartext (`XFRM_OFFLOAD_PACKET`).
    pub packet: bool,
}

/// A security association. Its keys are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Where its packets come from.
    pub source: IpAddr,
    /// Where they go.
    pub destination: IpAddr,
    /// Security Parameters Index.
    pub spi: u32,
    /// IP protocol: 50 ESP, 51 AH.
    pub protocol: u8,
    /// How packets are wrapped.
    pub mode: Mode,
    /// What binds it to policies.
    pub reqid: u32,
    /// The mark that packets must have.
    pub mark: Option<Mark>,
    /// Names of its algorithms as the kernel has them, such as `rfc4106(gcm(aes))`.
    pub algorithms: Vec<String>,
    /// Packets and bytes so far: transport payload, as the kernel counts them.
    pub packets: u64,
    /// See `packets`.
    pub bytes: u64,
    /// Packets after which it ends; `None` without such an end.
    pub packets_limit: Option<u64>,
    /// Highest sequence number sent.
    pub sequence_sent: u64,
    /// Whether sequence numbers have 64 bits (RFC 4303, section 2.2.1).
    pub extended_sequence: bool,
    /// Packets whose integrity check failed.
    pub integrity_failed: u32,
    /// Whether it is wrapped into UDP (RFC 3948).
    pub udp: bool,
    /// Whether a network card takes part.
    pub offload: Option<Offload>,
}

impl State {
    /// Whether its packets can be read by anybody: the NULL cipher (RFC 2410), or authentication alone (RFC 4543).
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.protocol == ESP
            && !self.algorithms.is_empty()
            && self.algorithms.iter().all(|name| {
                name.contains("null")
                    || name.starts_with("rfc4543(")
                    || name.starts_with("hmac(")
                    || name.starts_with("cmac(")
                    || name.starts_with("xcbc(")
            })
    }
}

/// Which packets a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Received.
    In,
    /// Sent.
    Out,
    /// Passed on.
    Forward,
    /// Something newer.
    Other(u8),
}

/// What a policy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Addresses of the state, unspecified for those of the packet.
    pub source: IpAddr,
    /// See `source`.
    pub destination: IpAddr,
    /// SPI of the state; 0 for any.
    pub spi: u32,
    /// IP protocol of the state.
    pub protocol: u8,
    /// What binds states to it.
    pub reqid: u32,
    /// How packets are wrapped.
    pub mode: Mode,
}

/// Which packets take which states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which packets.
    pub way: Way,
    /// Network that they come from: address and bits.
    pub source: (IpAddr, u8),
    /// Network that they go to.
    pub destination: (IpAddr, u8),
    /// IP protocol; 0 for any.
    pub protocol: u8,
    /// Destination port; `None` for any.
    pub port: Option<u16>,
    /// The mark that packets must have.
    pub mark: Option<Mark>,
    /// Whether such packets are dropped.
    pub blocks: bool,
    /// States that they take, in order.
    pub templates: Vec<Template>,
}

impl Policy {
    /// Whether it is for UDP between these nodes to this port with this mark.
    #[must_use]
    pub fn sends(&self, destination: IpAddr, port: u16, mark: u32) -> bool {
        self.way == Way::Out
            && holds(self.destination, destination)
            && (self.protocol == 0 || self.protocol == UDP)
            && self.port.is_none_or(|own| own == port)
            && self
                .mark
                .is_none_or(|own| mark & own.mask == own.value & own.mask)
    }
}

/// IP protocol number of UDP.
const UDP: u8 = 17;

fn holds((network, bits): (IpAddr, u8), address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (
            u128::from(network.to_bits()),
            u128::from(address.to_bits()),
            32,
        ),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        // Any address of the other family.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return bits == 0,
    };
    let free = width - u32::from(bits).min(width);
    (network ^ address).checked_shr(free).unwrap_or(0) == 0
}

/// All states of this network namespace, as far as there is room.
///
/// # Errors
/// What the kernel answered; it takes CAP_NET_ADMIN.
pub fn states() -> io::Result<Vec<State>> {
    dump(GETSA, NEWSA, message::state)
}

/// All policies of this network namespace, as far as there is room.
///
/// # Errors
/// What the kernel answered; it takes CAP_NET_ADMIN.
pub fn policies() -> io::Result<Vec<Policy>> {
    dump(GETPOLICY, NEWPOLICY, message::policy)
}

fn dump<T>(request: u16, answer: u16, read: fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    let mut socket = Socket::new(NETLINK_XFRM)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = Vec::with_capacity(HEADER);
    header.extend(u32::try_from(HEADER).unwrap_or_default().to_ne_bytes());
    header.extend(request.to_ne_bytes());
    header.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // Sequence number and port: ours is the only request.
    header.extend([0; 8]);
    socket.send(&header, 0)?;
    let mut found = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let result = 'reading: loop {
        // The kernel writes a dump while it is asked and read: there is nothing to wait for.
        let length = match socket.recv(&mut &mut buffer[..], libc::MSG_DONTWAIT) {
            Ok(length) => length,
            Err(error) => break Err(error),
        };
        for message in messages(buffer.get(..length).unwrap_or_default()) {
            match message.kind {
                DONE => break 'reading Ok(()),
                ERROR => {
                    let code = message.payload.first_chunk();
                    match code.map_or(0, |code| i32::from_ne_bytes(*code)) {
                        0 => break 'reading Ok(()),
                        code => {
                            let error = io::Error::from_raw_os_error(code.saturating_neg());
                            break 'reading Err(error);
                        }
                    }
                }
                kind if kind == answer => found.extend(read(message.payload)),
                _ => {}
            }
        }
        if found.len() >= MAX {
            break Ok(());
        }
    };
    // States come with their keys.
    buffer.fill(0);
    std::hint::black_box(&buffer);
    result.map(|()| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses() {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(holds((at("10.1.0.0"), 16), at("10.1.2.3")));
        assert!(!holds((at("10.1.0.0"), 16), at("10.2.2.3")));
        assert!(holds((at("10.1.0.1"), 32), at("10.1.0.1")));
        assert!(holds((at("0.0.0.0"), 0), at("10.1.0.1")));
        assert!(holds((at("0.0.0.0"), 0), at("fd00::1")));
        assert!(!holds((at("fd00::"), 64), at("fd00:0:0:1::1")));
        assert!(holds((at("::"), 0), at("fd00::1")));
        assert!(holds((at("fd00::1"), 255), at("fd00::1")));
    }
}
