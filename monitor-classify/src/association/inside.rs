//! The packet under a NULL cipher, and what can be read in it.

use monitor_common::wire::{eth, ipv4, ipv6, udp, vxlan};

use crate::nested;
use crate::payload::{Payload, Transport};

/// A packet inside ESP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inside<'a> {
    /// Its first header.
    pub(super) protocol: u8,
    pub(super) bytes: &'a [u8],
    /// Its length on the wire; with the trailer, where that is not at hand.
    pub(super) length: usize,
}

impl<'a> Inside<'a> {
    /// Its payload, if it can be found.
    pub(crate) fn payload(&self) -> Option<Payload<'a>> {
        let wire_len = u32::try_from(self.length).unwrap_or(u32::MAX);
        let packet = Payload {
            bytes: self.bytes,
            wire_len,
            transport: Transport::from(self.protocol),
            src_port: 0,
            dst_port: 0,
        };
        match self.protocol {
            ipv4::IN_IP | ipv6::IN_IP => nested::packet(&packet).flatten(),
            udp::PROTOCOL => {
                frame(&packet).or_else(|| nested::segment(self.protocol, self.bytes, wire_len))
            }
            protocol => nested::segment(protocol, self.bytes, wire_len),
        }
    }
}

/// The payload of a packet in a frame in VXLAN.
fn frame<'a>(datagram: &Payload<'a>) -> Option<Payload<'a>> {
    const BEFORE: usize = udp::LEN + vxlan::LEN + eth::LEN;
    let header = datagram.bytes.get(udp::LEN..)?.first_chunk()?;
    if !vxlan::Vxlan(*header).is_usual() {
        return None;
    }
    let protocol = match datagram.bytes.get(BEFORE - 2..BEFORE)? {
        [0x08, 0x00] => ipv4::IN_IP,
        [0x86, 0xdd] => ipv6::IN_IP,
        _ => return None,
    };
    let bytes = datagram.bytes.get(BEFORE..)?;
    let packet = Payload {
        bytes,
        wire_len: datagram.wire_len.checked_sub(u32::try_from(BEFORE).ok()?)?,
        transport: Transport::from(protocol),
        ..*datagram
    };
    nested::packet(&packet).flatten()
}
