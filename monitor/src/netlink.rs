//! Requests to the kernel's routing netlink (`rtnetlink(7)`), one at a time.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Datagrams of an answer are at most this long: what the kernel sizes its dumps for.
const BUFFER: usize = 64 * 1024;

/// Sends a request that changes something. `flags` beside `NLM_F_REQUEST | NLM_F_ACK`.
///
/// # Errors
/// What the kernel answered, as an operating system error.
pub(crate) fn change(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    request(message, NLM_F_ACK | flags).map(drop)
}

/// Sends a request for everything of a kind, and collects the answers.
///
/// # Errors
/// What the kernel answered, as an operating system error.
pub(crate) fn dump(message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    request(message, NLM_F_DUMP)
}

/// Sends a request for one thing.
///
/// # Errors
/// What the kernel answered, as an operating system error.
pub(crate) fn get(message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    request(message, NLM_F_ACK)
}

fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
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

    let mut answers = Vec::new();
    let mut buffer = vec![0u8; BUFFER];
    loop {
        let len = socket.recv(&mut &mut buffer[..], 0)?;
        let mut rest = buffer.get(..len).unwrap_or_default();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                // Code 0 is the acknowledgement.
                NetlinkPayload::Error(error) => {
                    return error.code.map_or(Ok(answers), |_| Err(error.to_io()));
                }
                NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                _ => {}
            }
            // Messages are aligned to four bytes (`NLMSG_ALIGN`).
            let step = (answer.header.length as usize).next_multiple_of(4);
            if step == 0 {
                break;
            }
            rest = rest.get(step..).unwrap_or_default();
        }
    }
}
