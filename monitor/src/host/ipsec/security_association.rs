//! A security association, as the kernel keeps it (its "state": `struct xfrm_state`).

use std::net::IpAddr;

/// IP protocol number of ESP (RFC 4303).
pub const ESP: u8 = 50;

/// How a packet is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// ESP between the packet's own addresses (RFC 4301, 4.1).
    Transport,
    /// A whole packet within another one, as VPNs do.
    Tunnel,
    /// Another mode (`XFRM_MODE_…`).
    Other(u8),
}

/// Bits of the packet's mark that must have a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The value.
    pub value: u32,
    /// The bits that are compared.
    pub mask: u32,
}

/// The part that a network card has in an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offload {
    /// Index of the interface.
    pub ifindex: u32,
    /// Whether the card does all of it, so that the host sees only cleartext (`XFRM_OFFLOAD_PACKET`).
    pub packet: bool,
}

/// A security association. Its keys are not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityAssociation {
    /// Source address of its packets.
    pub source: IpAddr,
    /// Destination address of its packets.
    pub destination: IpAddr,
    /// Security Parameters Index.
    pub spi: u32,
    /// IP protocol: 50 is ESP, 51 is AH.
    pub protocol: u8,
    /// How packets are wrapped.
    pub mode: Mode,
    /// Request id: binds the association to policies.
    pub reqid: u32,
    /// The mark that packets must have.
    pub mark: Option<Mark>,
    /// Names of its algorithms in the kernel's form, such as `rfc4106(gcm(aes))`.
    pub algorithms: Vec<String>,
    /// Packets so far.
    pub packets: u64,
    /// Bytes so far, of transport payload, as the kernel counts them.
    pub bytes: u64,
    /// Packets after which it expires; `None` without such a limit.
    pub packets_limit: Option<u64>,
    /// Highest sequence number sent.
    pub sequence_sent: u64,
    /// Whether sequence numbers have 64 bits (RFC 4303, section 2.2.1).
    pub extended_sequence: bool,
    /// Packets whose integrity check failed.
    pub integrity_failed: u32,
    /// Whether ESP is carried in UDP (RFC 3948).
    pub udp: bool,
    /// The network card's part, if it has one.
    pub offload: Option<Offload>,
}

impl SecurityAssociation {
    /// Whether anyone on the path can read its packets: the NULL cipher (RFC 2410), or authentication alone (RFC 4543).
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
