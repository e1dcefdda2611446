//! Where packets of a capture file go: lines, or flows.

use std::io;

use crate::base::failure::Failure;
use crate::base::output::message;
use crate::base::plural::counted;
use crate::surface::flow_lines::FlowPrinter;
use crate::surface::sample_lines::{Printed, Printer};
use crate::traffic::capture::Packet;
use crate::traffic::decode::{Before, Decoder};
use crate::traffic::filter::Filter;
use crate::traffic::flows::Tracker;
use crate::traffic::recognised_port::Recognised;

/// Consumes packets.
pub(super) trait Sink {
    /// A file begins.
    fn begin(&mut self);
    /// Takes a packet.
    fn take(&mut self, packet: &Packet<'_>) -> Result<Printed, Failure>;
    /// Flushes the output: no packet is available for the moment.
    fn flush(&mut self) -> Result<(), Failure>;
    /// A file was not read to its end.
    fn mark_truncated(&mut self);
}

/// Prints records of flows.
pub(super) struct Flows {
    pub(super) tracker: Tracker,
    pub(super) printer: FlowPrinter<io::BufWriter<io::Stdout>>,
}

impl Flows {
    /// Prints what is left, and the summary.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let printer = &mut self.printer;
        let rest = self.tracker.finish(|flow| printer.flow(flow))?;
        for frames in &rest.frames {
            self.printer.frames(frames)?;
        }
        for association in &rest.associations {
            self.printer.association(association)?;
        }
        self.printer.summary(&rest.summary)?;
        self.printer.flush()?;
        if let Some((shown, all)) = self.printer.filtered() {
            message(format_args!(
                "{shown} of {} shown; the summary is of all",
                counted(all, "flow")
            ));
        }
        Ok(())
    }
}

impl Sink for Flows {
    fn begin(&mut self) {
        self.tracker.begin_file();
    }

    #[inline]
    fn take(&mut self, packet: &Packet<'_>) -> Result<Printed, Failure> {
        let printer = &mut self.printer;
        self.tracker.add(packet, |flow| printer.flow(flow))?;
        Ok(if self.printer.is_closed() {
            Printed::Enough
        } else {
            Printed::More
        })
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.printer.flush()
    }

    fn mark_truncated(&mut self) {
        self.tracker.mark_truncated();
    }
}

/// Prints a line for each packet.
pub(super) struct Packets {
    pub(super) decoder: Decoder,
    pub(super) before: Before,
    pub(super) filter: Filter,
    pub(super) printer: Printer<io::BufWriter<io::Stdout>>,
}

impl Packets {
    /// The ports on which VXLAN was recognised.
    pub(super) fn recognised(&self) -> Recognised {
        self.before.recognised(&self.decoder.udp_ports)
    }
}

impl Sink for Packets {
    fn begin(&mut self) {
        self.before.begin_file();
    }

    fn take(&mut self, packet: &Packet<'_>) -> Result<Printed, Failure> {
        let record = self.decoder.decode_packet(&mut self.before, packet);
        if !self.filter.admits(&(&record).into()) {
            self.printer.skip();
            return Ok(Printed::More);
        }
        self.printer.print(&record)
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.printer.flush()
    }

    fn mark_truncated(&mut self) {}
}
