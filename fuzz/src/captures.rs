//! Capture files, as `read` reads them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::sync::LazyLock;

use monitor::base::output::Output;
use monitor::base::udp_ports::UdpPorts;
use monitor::surface::flow_lines::FlowPrinter;
use monitor::surface::format::Format;
use monitor::surface::sample_lines::Printer;
use monitor::traffic::capture::{Filled, Input, PACKET_MAX, Packet, Reader, Step};
use monitor::traffic::decode::{Before, Decoder};
use monitor::traffic::flows::{Names, Tracker};

use crate::printed;

/// Made once: it has a place for each port.
pub(crate) static UDP_PORTS: LazyLock<UdpPorts> = LazyLock::new(UdpPorts::default);

/// A source that gives a few bytes at a time, as a pipe may.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    each: usize,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.at..];
        let count = rest.len().min(self.each).min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

/// All packets of a file, and whether it ended as a capture file should.
fn each(file: &[u8], piece: usize, mut take: impl FnMut(&Packet<'_>)) -> Option<Filled> {
    let source = Pieces {
        bytes: file.to_vec(),
        at: 0,
        each: piece.max(1),
    };
    let mut reader = Reader::open(Input::of(source)).ok()?;
    let mut steps = 0;
    loop {
        // A packet, a block or a piece takes a byte at least, so this ends.
        steps += 1;
        assert!(steps <= 2 * file.len() + 16, "no end of {steps} steps");
        match reader.step() {
            Ok(Step::Packet(packet)) => {
                assert!(packet.bytes.len() <= PACKET_MAX);
                assert!(packet.wire_len as usize >= packet.bytes.len());
                take(&packet);
            }
            Ok(Step::Other) => {}
            Ok(Step::Drained) => match reader.fill() {
                Ok(Filled::More) => {}
                Ok(end) => {
                    assert!(reader.offset() <= file.len() as u64);
                    return Some(end);
                }
                Err(_) => return None,
            },
            Err(error) => {
                assert!(!error.to_string().contains(char::is_control), "{error}");
                return None;
            }
        }
    }
}

/// The first byte is the length of a piece; the file reads the same in one piece.
pub(crate) fn capture(input: &[u8]) {
    let Some((piece, file)) = input.split_first() else {
        return;
    };
    let packets = |piece: usize| {
        let (mut hash, mut count, mut bytes) = (DefaultHasher::new(), 0_u64, 0);
        let end = each(file, piece, |packet| {
            count += 1;
            bytes += packet.bytes.len();
            packet.bytes.hash(&mut hash);
            (packet.time_ns, packet.link_type, packet.wire_len).hash(&mut hash);
            (packet.interface, packet.direction.map(|way| way as u8)).hash(&mut hash);
        });
        assert!(bytes <= file.len(), "{bytes} bytes out of {}", file.len());
        (hash.finish(), count, end)
    };
    assert_eq!(packets(usize::from(*piece)), packets(usize::MAX));
}

/// A file through `read` and `read --flows`; the first byte selects the format.
pub(crate) fn read(input: &[u8]) {
    let Some((options, file)) = input.split_first() else {
        return;
    };
    let (format, hold): (Format, fn(&[u8])) = if options & 1 == 0 {
        (Format::Text, printed::lines)
    } else {
        (Format::Json, printed::objects)
    };
    let (mut lines, mut flows) = (Vec::new(), Vec::new());
    let decoder = Decoder {
        udp_ports: UDP_PORTS.clone(),
        show_payload: options & 2 != 0,
        show_users: options & 4 != 0,
    };
    let mut printer = Printer::buffered(Output::new(&mut lines), format, false, None, true);
    let mut tracker = Tracker::new(UDP_PORTS.clone(), Names::default());
    let mut flow_printer = FlowPrinter::new(Output::new(&mut flows), format, false);
    let mut before = Before::default();
    let mut packets = 0;
    let mut of_flows = 0;
    tracker.begin_file();
    each(file, usize::MAX, |packet| {
        packets += 1;
        let record = decoder.decode_packet(&mut before, packet);
        assert!(!record.comment().contains(char::is_control));
        drop(printer.print(&record));
        let taken = tracker.add(packet, |flow| {
            of_flows += flow.sent.packets + flow.received.packets;
            flow_printer.flow(flow)
        });
        assert!(taken.is_ok());
    });
    let finished = tracker.finish(|flow| {
        of_flows += flow.sent.packets + flow.received.packets;
        flow_printer.flow(flow)
    });
    let rest = finished.expect("a vector takes all");
    let summary = &rest.summary;
    for frames in &rest.frames {
        drop(flow_printer.frames(frames));
    }
    for association in &rest.associations {
        drop(flow_printer.association(association));
    }
    drop(flow_printer.summary(summary));
    // Each packet is counted in a flow or as one of the others.
    let others = summary.not_ip
        + summary.fragments
        + summary.repeated
        + summary.unparsed.values().copied().sum::<u64>();
    assert_eq!(summary.count.packets, packets);
    assert_eq!(of_flows + others, packets);
    hold(&lines);
    hold(&flows);
}
