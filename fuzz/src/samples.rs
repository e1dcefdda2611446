//! Samples, as they come out of the kernel's ring: the header is the kernel's, the frame is anybody's.

use jiff::Timestamp;
use monitor::base::output::Output;
use monitor::surface::format::Format;
use monitor::surface::sample_lines::Printer;
use monitor::traffic::decode::Decoder;
use monitor::traffic::flows::LiveFlows;
use monitor_common::sample::Sample;

use crate::captures::UDP_PORTS;
use crate::printed;

/// A record of the ring, header and all.
pub(crate) fn sample(input: &[u8]) {
    let Some(sample) = Sample::parse(input) else {
        return;
    };
    // The second time it stands behind itself.
    let mut before = LiveFlows::default();
    for (format, show_payload) in [(Format::Text, false), (Format::Json, true)] {
        let decoder = Decoder {
            udp_ports: UDP_PORTS.clone(),
            show_payload,
            show_users: show_payload,
        };
        let record = decoder.decode(&mut before, &sample, Timestamp::default(), "eth0");
        assert!(record.captured as usize <= input.len());
        assert!(!record.comment().contains(char::is_control));
        let mut out = Vec::new();
        drop(Printer::new(Output::new(&mut out), format, false, None, true).print(&record));
        match format {
            Format::Text => printed::lines(&out),
            Format::Json => printed::objects(&out),
        }
    }
}
