//! Requests to the kernel's routing netlink (`rtnetlink(7)`), one at a time, and its notifications.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Datagrams of an answer are at most this long: what the kernel sizes its dumps for.
const BUFFER: usize = 64 * 1024;
/// Length of `struct nlmsghdr` (`include/uapi/linux/netlink.h`).
pub(crate) const HEADER: usize = 16;
/// How often a dump is asked for again that a change came in the way of.
const DUMP_TRIES: usize = 8;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
pub(crate) const ERROR: u16 = 2;
pub(crate) const DONE: u16 = 3;

/// Sends a request that changes something. `flags` beside `NLM_F_REQUEST | NLM_F_ACK`.
///
/// # Errors
/// What the kernel answered, as an operating system error.
pub(crate) fn change(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    request(message, NLM_F_ACK | flags, |_| Ok(())).map(drop)
}

/// Sends a request for everything of a kind, and collects the answers.
///
/// # Errors
/// What the kernel answered, as an operating system error.
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

/// Sends a request for everything of a kind, and shows each answer unopened: an attribute that a library does
/// not know, or knows otherwise, is then no reason to see nothing. `each` starts anew, with `None`, where a
/// change came in the way.
///
/// # Errors
/// What the kernel answered, as an operating system error.
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
    // What changes all the time is never seen in one piece; the notification of the change comes anyway.
    Ok(())
}

/// A message, unopened.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'a> {
    /// `nlmsg_type`.
    pub(crate) kind: u16,
    /// What follows the header.
    pub(crate) payload: &'a [u8],
    flags: u16,
    whole: &'a [u8],
}

/// The messages of a datagram. Ends at the first that contradicts its own length.
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
            kind: half(4)?,
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

/// A socket that is told of changes in these groups (`RTNLGRP_…`), without blocking.
///
/// # Errors
/// What the kernel answered.
pub(crate) fn subscribe(groups: &[u32]) -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    for group in groups {
        socket.add_membership(*group)?;
    }
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// Whether the answer came in one piece, without a change in between.
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
            match answer.kind {
                DONE => return Ok(whole),
                // Code 0 is the acknowledgement.
                ERROR => {
                    let code = answer
                        .payload
                        .first_chunk()
                        .map_or(0, |c| i32::from_ne_bytes(*c));
                    return match code {
                        0 => Ok(whole),
                        code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                    };
                }
                _ => each(answer)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, kind: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 10]);
        bytes.extend(payload);
        bytes
    }

    #[test]
    fn messages_are_taken_apart_and_lies_about_their_length_end_it() {
        let two = [
            message(17, 16, &[7, 0, 0, 0]),
            message(20, 17, &[1, 2, 3, 4]),
        ]
        .concat();
        let found: Vec<_> = messages(&two)
            .map(|m| (m.kind, m.payload.to_vec()))
            .collect();
        assert_eq!(found, [(16, vec![7]), (17, vec![1, 2, 3, 4])]);
        for lie in [0, 3, 15, 21, u32::MAX] {
            assert_eq!(messages(&message(lie, 16, &[0; 4])).count(), 0, "{lie}");
        }
        assert_eq!(messages(&[]).count(), 0);
    }
}
