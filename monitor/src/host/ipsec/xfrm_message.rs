//! Decodes messages of NETLINK_XFRM (`include/uapi/linux/xfrm.h`). Structs have the layout of 64-bit machines; integers
//! have this machine's byte order, except SPIs and ports, which have the network's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::ipsec_policy::{IpsecPolicy, PolicyDirection, Template};
use super::security_association::{Mark, Mode, Offload, SecurityAssociation};
use crate::base::netlink::attributes;

/// Length of `struct xfrm_usersa_info` and `struct xfrm_userpolicy_info`.
const ASSOCIATION: usize = 224;
const POLICY: usize = 168;
/// Length of `struct xfrm_user_tmpl`.
const TEMPLATE: usize = 64;
/// Length of the name at the start of `struct xfrm_algo`.
const ALGORITHM: usize = 64;
/// Most templates of a policy (`XFRM_MAX_DEPTH`).
const TEMPLATES: usize = 6;

/// Attributes (`enum xfrm_attr_type_t`).
const ALG_AUTH: u16 = 1;
const ALG_CRYPT: u16 = 2;
const ENCAP: u16 = 4;
const TMPL: u16 = 5;
const REPLAY_VAL: u16 = 10;
const ALG_AEAD: u16 = 18;
const ALG_AUTH_TRUNC: u16 = 20;
const MARK: u16 = 21;
const REPLAY_ESN_VAL: u16 = 23;
const OFFLOAD_DEV: u16 = 28;

/// `XFRM_STATE_ESN` of an association's flags, and `XFRM_OFFLOAD_PACKET` of an offload's.
const FLAG_ESN: u8 = 128;
const FLAG_PACKET: u8 = 4;
/// `XFRM_INF`: no limit.
const INFINITE: u64 = u64::MAX;
/// `AF_INET` and `AF_INET6`.
const INET: u16 = 2;
const INET6: u16 = 10;

/// Reads integers at offsets.
struct At<'a>(&'a [u8]);

impl At<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_ne_bytes)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_ne_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.bytes(at).map(u64::from_ne_bytes)
    }

    /// `xfrm_address_t`.
    fn address(&self, at: usize, family: u16) -> Option<IpAddr> {
        let bytes: [u8; 16] = self.bytes(at)?;
        match family {
            INET => {
                let [a, b, c, d, ..] = bytes;
                Some(Ipv4Addr::new(a, b, c, d).into())
            }
            INET6 => Some(Ipv6Addr::from(bytes).into()),
            _ => None,
        }
    }
}

/// The name at the start of `struct xfrm_algo` and its relatives.
fn name(value: &[u8]) -> Option<String> {
    let name = value.get(..ALGORITHM)?;
    let end = name.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&name[..end]).into_owned())
}

/// The mode of `XFRM_MODE_…`.
fn mode(mode: u8) -> Mode {
    match mode {
        0 => Mode::Transport,
        1 => Mode::Tunnel,
        other => Mode::Other(other),
    }
}

/// Decodes `struct xfrm_mark`.
fn mark(value: &[u8]) -> Option<Mark> {
    let at = At(value);
    Some(Mark {
        value: at.u32(0)?,
        mask: at.u32(4)?,
    })
}

/// Decodes the payload of `XFRM_MSG_NEWSA`; `None` if it is too short, or of another address family.
pub(super) fn association(payload: &[u8]) -> Option<SecurityAssociation> {
    let at = At(payload.get(..ASSOCIATION)?);
    let family = at.u16(212)?;
    let limit = at.u64(96 + 24)?;
    let mut association = SecurityAssociation {
        source: at.address(80, family)?,
        destination: at.address(56, family)?,
        spi: u32::from_be_bytes(at.bytes(72)?),
        protocol: at.u8(76)?,
        mode: mode(at.u8(214)?),
        reqid: at.u32(208)?,
        mark: None,
        algorithms: Vec::new(),
        packets: at.u64(160 + 8)?,
        bytes: at.u64(160)?,
        packets_limit: (limit != INFINITE && limit != 0).then_some(limit),
        sequence_sent: 0,
        extended_sequence: at.u8(216)? & FLAG_ESN != 0,
        integrity_failed: at.u32(192 + 8)?,
        udp: false,
        offload: None,
    };
    for (attribute_type, value) in attributes(payload.get(ASSOCIATION..)?) {
        let inside = At(value);
        match attribute_type {
            ALG_AEAD | ALG_CRYPT | ALG_AUTH_TRUNC => association.algorithms.extend(name(value)),
            // The same as ALG_AUTH_TRUNC, for programs that do not know that one.
            ALG_AUTH => {
                let name = name(value).filter(|name| !association.algorithms.contains(name));
                association.algorithms.extend(name);
            }
            ENCAP => association.udp = true,
            MARK => association.mark = mark(value).filter(|mark| mark.mask != 0),
            REPLAY_VAL => {
                association.sequence_sent = association.sequence_sent.max(inside.u32(0)?.into());
            }
            REPLAY_ESN_VAL => {
                let (low, high) = (inside.u32(4)?, inside.u32(12)?);
                association.sequence_sent = u64::from(high) << 32 | u64::from(low);
            }
            OFFLOAD_DEV => {
                association.offload = Some(Offload {
                    ifindex: inside.u32(0)?,
                    packet: inside.u8(4)? & FLAG_PACKET != 0,
                });
            }
            _ => {}
        }
    }
    association.algorithms.dedup();
    Some(association)
}

/// Decodes the payload of `XFRM_MSG_NEWPOLICY`; `None` if it is too short, or of another address family, as a socket's
/// is.
pub(super) fn policy(payload: &[u8]) -> Option<IpsecPolicy> {
    let at = At(payload.get(..POLICY)?);
    let family = at.u16(40)?;
    let port = u16::from_be_bytes(at.bytes(32)?);
    let direction = match at.u8(160)? {
        0 => PolicyDirection::In,
        1 => PolicyDirection::Out,
        2 => PolicyDirection::Forward,
        other => PolicyDirection::Other(other),
    };
    let mut policy = IpsecPolicy {
        direction,
        source: (at.address(16, family)?, at.u8(43)?),
        destination: (at.address(0, family)?, at.u8(42)?),
        protocol: at.u8(44)?,
        port: (at.u16(34)? != 0).then_some(port),
        mark: None,
        blocks: at.u8(161)? != 0,
        templates: Vec::new(),
    };
    for (attribute_type, value) in attributes(payload.get(POLICY..)?) {
        match attribute_type {
            MARK => policy.mark = mark(value).filter(|mark| mark.mask != 0),
            TMPL => {
                let templates = value.chunks_exact(TEMPLATE).take(TEMPLATES);
                policy.templates.extend(templates.filter_map(template));
            }
            _ => {}
        }
    }
    Some(policy)
}

/// Decodes `struct xfrm_user_tmpl`.
fn template(value: &[u8]) -> Option<Template> {
    let at = At(value);
    let family = at.u16(24)?;
    Some(Template {
        destination: at.address(0, family)?,
        spi: u32::from_be_bytes(at.bytes(16)?),
        protocol: at.u8(20)?,
        source: at.address(28, family)?,
        reqid: at.u32(44)?,
        mode: mode(at.u8(48)?),
    })
}

#[cfg(test)]
mod tests;
