//! Flow records as lines on a terminal, a file or a pipe.

use std::fmt;
use std::io::{self, Write};

use serde::Serialize;

use crate::base::failure::Failure;
use crate::base::output::Output;
use crate::surface::format::Format;
use crate::traffic::filter::Filter;
use crate::traffic::flows::{EspRecord, FlowRecord, FramesRecord, Summary};
use crate::traffic::record_text::Paint;

/// Prints flow records. It flushes only on request.
pub struct FlowPrinter<W> {
    out: Output<W>,
    format: Format,
    paint: Paint,
    show_users: bool,
    filter: Filter,
    /// Flows that the filter admits, and all.
    flows: (u64, u64),
}

struct Line<'a>(&'a FlowRecord, Paint);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.line(self.1, f)
    }
}

impl<W: Write> FlowPrinter<W> {
    /// A printer in this format.
    pub fn new(out: Output<W>, format: Format, colour: bool) -> FlowPrinter<W> {
        FlowPrinter {
            out,
            format,
            paint: Paint(colour),
            show_users: false,
            filter: Filter::default(),
            flows: (0, 0),
        }
    }

    /// The same, with the flows and associations that this filter admits.
    #[must_use]
    pub fn filter(self, filter: Filter) -> FlowPrinter<W> {
        FlowPrinter { filter, ..self }
    }

    /// How many flows were printed, and how many there were, if there is a filter.
    pub fn filtered(&self) -> Option<(u64, u64)> {
        (!self.filter.is_empty()).then_some(self.flows)
    }

    /// The same, with the names of accounts in evidence, or without.
    #[must_use]
    pub fn show_users(self, show_users: bool) -> FlowPrinter<W> {
        FlowPrinter { show_users, ..self }
    }

    /// Whether the reader has closed the output.
    pub fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    /// Prints a flow, if the filter admits it.
    ///
    /// # Errors
    /// A runtime failure. A closed output is none.
    pub fn flow(&mut self, flow: &FlowRecord) -> Result<(), Failure> {
        self.flows.1 += 1;
        if !self.filter.admits(&flow.into()) {
            return Ok(());
        }
        self.flows.0 += 1;
        if self.show_users {
            let verdict = flow.verdict.clone().with_users();
            let flow = FlowRecord {
                verdict,
                ..flow.clone()
            };
            return self.print(&flow, &Line(&flow, self.paint));
        }
        self.print(flow, &Line(flow, self.paint))
    }

    /// Prints the frames of a network that belong to no flow.
    ///
    /// # Errors
    /// As [`FlowPrinter::flow`].
    pub fn frames(&mut self, frames: &FramesRecord) -> Result<(), Failure> {
        if !self.filter.admits(&frames.into()) {
            return Ok(());
        }
        self.print(frames, frames)
    }

    /// Prints an association.
    ///
    /// # Errors
    /// As [`FlowPrinter::flow`].
    pub fn association(&mut self, association: &EspRecord) -> Result<(), Failure> {
        if !self.filter.admits(&association.into()) {
            return Ok(());
        }
        self.print(association, association)
    }

    /// Prints the summary.
    ///
    /// # Errors
    /// As [`FlowPrinter::flow`].
    pub fn summary(&mut self, summary: &Summary) -> Result<(), Failure> {
        self.print(summary, summary)
    }

    /// Flushes what was printed.
    ///
    /// # Errors
    /// As [`FlowPrinter::flow`].
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()
    }

    fn print(&mut self, object: &impl Serialize, text: &dyn fmt::Display) -> Result<(), Failure> {
        let format = self.format;
        self.out.write(|out| match format {
            Format::Text => writeln!(out, "{text}"),
            Format::Json => serde_json::to_writer(&mut *out, object)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(out)),
        })
    }
}
