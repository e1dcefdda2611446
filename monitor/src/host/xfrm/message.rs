//! Messages of NETLINK_XFRM (`include/uapi/linux/xfrm.h`), as bytes. Structs have the layout of 64-bit machines, and
//! integers the byte order of this one, but for what goes on the wire.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Mark, Mode, Offload, Policy, State, Template, Way};

/// Length of `struct xfrm_usersa_info` and `struct xfrm_userpolicy_info`.
const STATE: usize = 224;
const POLICY: usize = 168;
/// Length of `struct xfrm_user_tmpl`.
const TEMPLATE: usize = 64;
/// Length of the name that an algorithm begins with.
const ALGORITHM: usize = 64;
/// Templates of a policy that are read (`XFRM_MAX_DEPTH`).
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

/// `XFRM_STATE_ESN` of a state's flags, and `XFRM_OFFLOAD_PACKET` of an offload's.
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

/// The attributes behind a struct: kind and value. Ends at the first that contradicts its own length.
fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let at = At(rest);
        let length = usize::from(at.u16(0)?);
        let kind = at.u16(2)?;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        // The two highest bits are flags (`NLA_TYPE_MASK`).
        Some((kind & 0x3fff, value))
    })
}

/// The name at the start of `struct xfrm_algo` and its relatives.
fn name(value: &[u8]) -> Option<String> {
    let name = value.get(..ALGORITHM)?;
    let end = name.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&name[..end]).into_owned())
}

fn mode(mode: u8) -> Mode {
    match mode {
        0 => Mode::Transport,
        1 => Mode::Tunnel,
        other => Mode::Other(other),
    }
}

fn mark(value: &[u8]) -> Option<Mark> {
    let at = At(value);
    Some(Mark {
        value: at.u32(0)?,
        mask: at.u32(4)?,
    })
}

/// A state, of what follows the header of `XFRM_MSG_NEWSA`; `None` if it is none, or of another address family.
pub(super) fn state(payload: &[u8]) -> Option<State> {
    let at = At(payload.get(..STATE)?);
    let family = at.u16(212)?;
    let limit = at.u64(96 + 24)?;
    let mut state = State {
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
    for (kind, value) in attributes(payload.get(STATE..)?) {
        let inside = At(value);
        match kind {
            ALG_AEAD | ALG_CRYPT | ALG_AUTH_TRUNC => state.algorithms.extend(name(value)),
            // The same as ALG_AUTH_TRUNC, for those who do not know that one.
            ALG_AUTH => {
                let name = name(value).filter(|name| !state.algorithms.contains(name));
                state.algorithms.extend(name);
            }
            ENCAP => state.udp = true,
            MARK => state.mark = mark(value).filter(|mark| mark.mask != 0),
            REPLAY_VAL => state.sequence_sent = state.sequence_sent.max(inside.u32(0)?.into()),
            REPLAY_ESN_VAL => {
                let (low, high) = (inside.u32(4)?, inside.u32(12)?);
                state.sequence_sent = u64::from(high) << 32 | u64::from(low);
            }
            OFFLOAD_DEV => {
                state.offload = Some(Offload {
                    ifindex: inside.u32(0)?,
                    packet: inside.u8(4)? & FLAG_PACKET != 0,
                });
            }
            _ => {}
        }
    }
    state.algorithms.dedup();
    Some(state)
}

/// A policy, of what follows the header of `XFRM_MSG_NEWPOLICY`; `None` if it is none, or a socket's.
pub(super) fn policy(payload: &[u8]) -> Option<Policy> {
    let at = At(payload.get(..POLICY)?);
    let family = at.u16(40)?;
    let port = u16::from_be_bytes(at.bytes(32)?);
    let way = match at.u8(160)? {
        0 => Way::In,
        1 => Way::Out,
        2 => Way::Forward,
        other => Way::Other(other),
    };
    let mut policy = Policy {
        way,
        source: (at.address(16, family)?, at.u8(43)?),
        destination: (at.address(0, family)?, at.u8(42)?),
        protocol: at.u8(44)?,
        port: (at.u16(34)? != 0).then_some(port),
        mark: None,
        blocks: at.u8(161)? != 0,
        templates: Vec::new(),
    };
    for (kind, value) in attributes(payload.get(POLICY..)?) {
        match kind {
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
