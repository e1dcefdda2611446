//! Dumps of security associations and policies over NETLINK_XFRM (`include/uapi/linux/xfrm.h`).

use std::io;
use std::ops::ControlFlow;

use netlink_packet_core::NLM_F_DUMP;
use netlink_sys::protocols::NETLINK_XFRM;

use super::ipsec_policy::IpsecPolicy;
use super::security_association::SecurityAssociation;
use super::xfrm_message;
use crate::base::netlink::{BUFFER, Request, ask};

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
    let request = Request {
        protocol: NETLINK_XFRM,
        message_type: request,
        flags: NLM_F_DUMP,
        payload: &[],
    };
    let mut found = Vec::new();
    let mut buffer = vec![0; BUFFER];
    let result = ask(request, &mut buffer, |message| {
        if message.message_type == answer {
            found.extend(decode(message.payload));
        }
        match found.len() < MAX {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    });
    // The kernel's answers contain the keys.
    buffer.fill(0);
    std::hint::black_box(&buffer);
    result.map(|_| found)
}
