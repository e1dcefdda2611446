//! Netlink (`netlink(7)`): messages and attributes, requests of any protocol and over routing netlink (`rtnetlink(7)`),
//! one at a time, and its notifications.

use std::io;
use std::ops::ControlFlow;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Longest datagram of an answer in bytes; the kernel sizes its dumps by it.
pub(crate) const BUFFER: usize = 64 * 1024;
/// Length of `struct nlmsghdr` (`include/uapi/linux/netlink.h`).
pub(crate) const HEADER: usize = 16;
/// How often a dump is repeated because a change interrupted it.
const DUMP_TRIES: usize = 8;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// Sends a request that changes something. `flags` beside `NLM_F_REQUEST | NLM_F_ACK`.
///
/// # Errors
/// The error that the kernel answered, as an operating system error.
pub(crate) fn change(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    request(message, NLM_F_ACK | flags, |_| Ok(())).map(drop)
}

/// Dumps all objects of a kind, and collects the answers.
///
/// # Errors
/// The error that the kernel answered, as an operating system error.
pub(crate) fn dump(message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut answers = Vec::new();
    request(message, NLM_F_DUMP, |answer| {
        let parsed = NetlinkMessage::<RouteNetlinkMessage>::deserialize(answer.whole)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if let NetlinkPayload::InnerMessage(inner) = parsed.payload {
            answers.push(inner);
        }
        Ok(())
    })?;
    Ok(answers)
}

/// Dumps all objects of a kind, and passes each answer on undecoded: an attribute that the library does not know, or
/// decodes differently, must not hide the object. `each` gets `None` at the start, and again whenever a change
/// interrupts the dump and it begins anew.
///
/// # Errors
/// The error that the kernel answered, as an operating system error.
pub(crate) fn dump_raw(
    message: &RouteNetlinkMessage,
    mut each: impl FnMut(Option<Raw<'_>>),
) -> io::Result<()> {
    for _ in 0..DUMP_TRIES {
        each(None);
        let whole = request(message.clone(), NLM_F_DUMP, |answer| {
            each(Some(answer));
            Ok(())
        })?;
        if whole {
            break;
        }
    }
    // A table that changes all the time is never dumped in one piece; its notifications arrive anyway.
    Ok(())
}

/// A message, undecoded.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    /// `nlmsg_type`.
    pub(crate) message_type: u16,
    /// What follows the header.
    pub(crate) payload: &'a [u8],
    flags: u16,
    whole: &'a [u8],
}

impl Raw<'_> {
    /// The result of the request, if this message ends the answer: `NLMSG_ERROR`, whose code 0 acknowledges, or
    /// `NLMSG_DONE`, which has the code of a dump that broke off (`netlink_dump_done` in net/netlink/af_netlink.c).
    pub(crate) fn end(&self) -> Option<io::Result<()>> {
        if ![ERROR, DONE].contains(&self.message_type) {
            return None;
        }
        let code = self.payload.first_chunk();
        Some(match code.map_or(0, |code| i32::from_ne_bytes(*code)) {
            code @ ..0 => Err(io::Error::from_raw_os_error(code.saturating_neg())),
            0.. => Ok(()),
        })
    }
}

/// The messages of a datagram, up to the first whose length field is wrong.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = Raw<'_>> {
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*datagram.first_chunk()?) as usize;
        let whole = datagram.get(..length)?;
        let half = |at: usize| {
            Some(u16::from_ne_bytes(
                *whole.get(at..).and_then(<[u8]>::first_chunk)?,
            ))
        };
        let message = Raw {
            message_type: half(4)?,
            flags: half(6)?,
            payload: whole.get(HEADER..)?,
            whole,
        };
        // Messages are aligned to four bytes (`NLMSG_ALIGN`).
        datagram = datagram
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(message)
    })
}

/// Attributes (`struct nlattr`) as type, without its flags, and value, up to the first whose length field is wrong.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*rest.first_chunk()?));
        let attribute_type = u16::from_ne_bytes(*rest.get(2..)?.first_chunk()?);
        let value = rest.get(4..length)?;
        // Attributes are aligned to four bytes (`NLA_ALIGN`).
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        // The two highest bits are flags (`NLA_TYPE_MASK`).
        Some((attribute_type & 0x3fff, value))
    })
}

/// The value of the first attribute of a type.
pub(crate) fn attribute(attributes_of: &[u8], wanted: u16) -> Option<&[u8]> {
    let found = attributes(attributes_of).find(|(attribute_type, _)| *attribute_type == wanted);
    found.map(|(_, value)| value)
}

/// Appends an attribute to a request. A value that is too long for one is left out.
pub(crate) fn push_attribute(request: &mut Vec<u8>, attribute_type: u16, value: &[u8]) {
    let Ok(length) = u16::try_from(value.len() + 4) else {
        return;
    };
    request.extend(length.to_ne_bytes());
    request.extend(attribute_type.to_ne_bytes());
    request.extend(value);
    request.resize(request.len().next_multiple_of(4), 0);
}

/// A request without its header.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// `NETLINK_…`.
    pub(crate) protocol: isize,
    /// `nlmsg_type`.
    pub(crate) message_type: u16,
    /// Flags beside `NLM_F_REQUEST`.
    pub(crate) flags: u16,
    /// What follows the header.
    pub(crate) payload: &'a [u8],
}

/// Sends a request, and passes its answers on, until it breaks off or the answer ends. The answers stand in `buffer`, which
/// the caller provides, as the kernel sizes its answers by it and as they may hold secrets. Returns whether no change
/// interrupted the dump. It never waits: the kernel answers while it takes the request, and then at each read.
///
/// # Errors
/// The error that the kernel answered, as an operating system error.
pub(crate) fn ask(
    request: Request<'_>,
    buffer: &mut [u8],
    mut each: impl FnMut(Raw<'_>) -> ControlFlow<()>,
) -> io::Result<bool> {
    let mut socket = Socket::new(request.protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let length = HEADER + request.payload.len();
    let mut message = u32::try_from(length)
        .unwrap_or_default()
        .to_ne_bytes()
        .to_vec();
    message.extend(request.message_type.to_ne_bytes());
    message.extend((NLM_F_REQUEST | request.flags).to_ne_bytes());
    // Sequence number and port are 0: the socket carries no other request.
    message.extend([0; 8]);
    message.extend(request.payload);
    socket.send(&message, 0)?;
    let mut whole = true;
    loop {
        let length = socket.recv(&mut &mut buffer[..], libc::MSG_DONTWAIT)?;
        for answer in messages(buffer.get(..length).unwrap_or_default()) {
            whole &= answer.flags & NLM_F_DUMP_INTR == 0;
            if let Some(end) = answer.end() {
                return end.map(|()| whole);
            }
            if each(answer).is_break() {
                return Ok(whole);
            }
        }
    }
}

/// Why the kernel refused a request, and what to do.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EPERM) => "permission denied; grant CAP_NET_ADMIN".to_owned(),
        _ => error.to_string(),
    }
}

/// A non-blocking socket that receives the notifications of these groups (`RTNLGRP_…`).
///
/// # Errors
/// The error that the kernel answered.
pub(crate) fn subscribe(groups: &[u32]) -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    for group in groups {
        socket.add_membership(*group)?;
    }
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// Sends a request and passes on its answers. Returns whether no change interrupted the dump.
fn request(
    message: RouteNetlinkMessage,
    flags: u16,
    mut each: impl FnMut(Raw<'_>) -> io::Result<()>,
) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(message));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0)?;

    let mut whole = true;
    let mut buffer = vec![0u8; BUFFER];
    loop {
        let len = socket.recv(&mut &mut buffer[..], 0)?;
        for answer in messages(buffer.get(..len).unwrap_or_default()) {
            whole &= answer.flags & NLM_F_DUMP_INTR == 0;
            if let Some(end) = answer.end() {
                return end.map(|()| whole);
            }
            each(answer)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, message_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(message_type.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn messages_are_split_up_to_the_first_wrong_length() {
        let two = [
            message(17, 16, &[7, 0, 0, 0]),
            message(20, 17, &[1, 2, 3, 4]),
        ]
        .concat();
        let found: Vec<_> = messages(&two)
            .map(|m| (m.message_type, m.payload.to_vec()))
            .collect();
        assert_eq!(found, [(16, vec![7]), (17, vec![1, 2, 3, 4])]);
        for wrong in [0, 3, 15, 21, u32::MAX] {
            assert_eq!(messages(&message(wrong, 16, &[0; 4])).count(), 0, "{wrong}");
        }
        assert_eq!(messages(&[]).count(), 0);
    }

    #[test]
    fn a_dump_that_broke_off_is_an_error() {
        let end = |message_type, code: &[u8]| {
            let length = 16 + u32::try_from(code.len()).unwrap();
            let bytes = message(length, message_type, code);
            let end = messages(&bytes).next().unwrap().end();
            end.map(|end| end.map_err(|error| error.raw_os_error()))
        };
        let code = |code: i32| code.to_ne_bytes();
        for kind in [DONE, ERROR] {
            assert_eq!(end(kind, &code(0)), Some(Ok(())));
            assert_eq!(
                end(kind, &code(-libc::ENOMEM)),
                Some(Err(Some(libc::ENOMEM)))
            );
        }
        assert_eq!(end(DONE, &[]), Some(Ok(())));
        assert_eq!(end(16, &code(-1)), None);
    }
}
