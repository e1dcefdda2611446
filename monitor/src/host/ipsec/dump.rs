//! Dumps of security associations and policies over NETLINK_XFRM (`include/uapi/linux/xfrm.h`).

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_sys::protocols::NETLINK_XFRM;
use netlink_sys::{Socket, SocketAddr};

use super::ipsec_policy::IpsecPolicy;
use super::security_association::SecurityAssociation;
use super::xfrm_message;
use crate::base::netlink::{BUFFER, HEADER, messages};

/// Most associations or policies that are read. A node has four associations and one policy for each other node.
const MAX: usize = 65_536;

/// `XFRM_MSG_GETSA`, `XFRM_MSG_GETPOLICY`, and the messages that answer them.
const GETSA: u16 = 0x12;
const NEWSA: u16 = 0x10;
const GETPOLICY: u16 = 0x15;
const NEWPOLICY: u16 = 0x13;

/// The security associations of this thread's network namespace, 65,536 at most.
///
/// # Errors
/// The error that the kernel answered; the call needs CAP_NET_ADMIN.
pub fn associations() -> io::Result<Vec<SecurityAssociation>> {
    dump(GETSA, NEWSA, xfrm_message::association)
}

/// The IPsec policies of this thread's network namespace, 65,536 at most.
///
/// # Errors
/// The error that the kernel answered; the call needs CAP_NET_ADMIN.
pub fn policies() -> io::Result<Vec<IpsecPolicy>> {
    dump(GETPOLICY, NEWPOLICY, xfrm_message::policy)
}

fn dump<T>(request: u16, answer: u16, decode: fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    let mut socket = Socket::new(NETLINK_XFRM)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = Vec::with_capacity(HEADER);
    header.extend(u32::try_from(HEADER).unwrap_or_default().to_ne_bytes());
    header.extend(request.to_ne_bytes());
    header.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // Sequence number and port are 0: the socket carries no other request.
    header.extend([0; 8]);
    socket.send(&header, 0)?;
    let mut found = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let result = 'reading: loop {
        // The kernel fills the dump during send and recv, so a recv without data is an error, not a reason to wait.
        let length = match socket.recv(&mut &mut buffer[..], libc::MSG_DONTWAIT) {
            Ok(length) => length,
            Err(error) => break Err(error),
        };
        for message in messages(buffer.get(..length).unwrap_or_default()) {
            if let Some(end) = message.end() {
                break 'reading end;
            }
            if message.message_type == answer {
                found.extend(decode(message.payload));
            }
        }
        if found.len() >= MAX {
            break Ok(());
        }
    };
    // The kernel's answers contain the keys.
    buffer.fill(0);
    std::hint::black_box(&buffer);
    result.map(|()| found)
}
