//! Complete, cut and damaged capture files.

mod compressed_files;
mod damage;
mod files;
mod pcap_files;
mod pcapng_files;
mod written_files;

use std::io::{self, Read};

use monitor_common::direction::Direction;

use super::*;

/// A source that returns a few bytes at a time, as a pipe may, and is interrupted by a signal before each of them.
struct Drops(Vec<u8>, usize, bool);

impl Read for Drops {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.2 = !self.2;
        if self.2 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0.drain(..count);
        Ok(count)
    }
}

/// A packet that outlives its reader.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    time_ns: i64,
    link_type: u16,
    interface: Option<String>,
    interface_id: Option<u32>,
    direction: Option<Direction>,
    bytes: Vec<u8>,
    wire_len: u32,
}

/// All packets of a file that is read in pieces of this size, and how it ended.
fn read_in(file: &[u8], piece: usize) -> (Vec<Owned>, Result<Filled, Error>) {
    let mut packets = Vec::new();
    let mut reader = match Reader::open(Input::of(Drops(file.to_vec(), piece, false))) {
        Ok(reader) => reader,
        Err(error) => return (packets, Err(error)),
    };
    let end = loop {
        match reader.step() {
            Ok(Step::Packet(packet)) => packets.push(Owned {
                time_ns: packet.time_ns,
                link_type: packet.link_type,
                interface: packet.interface.map(str::to_owned),
                interface_id: packet.interface_id,
                direction: packet.direction,
                bytes: packet.bytes.to_vec(),
                wire_len: packet.wire_len,
            }),
            Ok(Step::Other) => {}
            Ok(Step::Drained) => match reader.fill() {
                Ok(Filled::More) => {}
                end => break end,
            },
            Err(error) => break Err(error),
        }
    };
    (packets, end)
}

/// All packets of a file, and how it ended, whatever the size of the pieces.
fn read(file: &[u8]) -> (Vec<Owned>, Result<Filled, Error>) {
    let whole = read_in(file, usize::MAX);
    let drops = read_in(file, 7);
    assert_eq!(whole.0, drops.0, "in pieces of any size");
    assert_eq!(format!("{:?}", whole.1), format!("{:?}", drops.1));
    whole
}

fn packet(time_ns: i64, bytes: &[u8], wire_len: u32) -> Owned {
    Owned {
        time_ns,
        link_type: 1,
        interface: None,
        interface_id: None,
        direction: None,
        bytes: bytes.to_vec(),
        wire_len,
    }
}
