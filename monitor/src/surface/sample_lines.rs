//! Sample records as lines on a terminal, a file or a pipe.

use std::io::{self, Write};

use bytes::{BufMut, BytesMut};

use crate::base::failure::Failure;
use crate::base::output::Output;
use crate::surface::format::Format;
use crate::surface::sample_summary::SampleSummary;
use crate::traffic::record_text::SampleLine;
use crate::traffic::sample_record::SampleRecord;

/// Whether to go on printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// Go on.
    More,
    /// Stop: the requested number of lines is printed, or the output is closed.
    Enough,
}

/// Prints sample records. Generic over the output, so that a test can read it.
pub struct Printer<W> {
    out: Output<W>,
    /// The current line. It is written in one piece, so that lines of two processes do not mix.
    line: BytesMut,
    format: Format,
    colour: bool,
    left: Option<u64>,
    all: bool,
    summary: SampleSummary,
    /// Whether each line is flushed at once, for a terminal.
    at_once: bool,
}

impl<W: Write> Printer<W> {
    /// A printer of at most `lines` lines; with `all`, also of records without content.
    pub fn new(
        out: Output<W>,
        format: Format,
        colour: bool,
        lines: Option<u64>,
        all: bool,
    ) -> Printer<W> {
        Printer {
            out,
            line: BytesMut::new(),
            format,
            colour,
            left: lines,
            all,
            summary: SampleSummary::default(),
            at_once: true,
        }
    }

    /// The same, but it flushes only on request.
    pub fn buffered(
        out: Output<W>,
        format: Format,
        colour: bool,
        lines: Option<u64>,
        all: bool,
    ) -> Printer<W> {
        Printer {
            at_once: false,
            ..Printer::new(out, format, colour, lines, all)
        }
    }

    /// Flushes what was printed.
    ///
    /// # Errors
    /// A runtime failure. A closed output is none.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush()
    }

    /// What was printed so far.
    pub fn summary(&self) -> &SampleSummary {
        &self.summary
    }

    /// Counts a record that is not printed.
    pub fn skip(&mut self) {
        self.summary.examine();
    }

    /// Prints a record.
    ///
    /// # Errors
    /// A runtime failure. A closed output is none.
    pub fn print(&mut self, record: &SampleRecord) -> Result<Printed, Failure> {
        if self.left == Some(0) {
            return Ok(Printed::Enough);
        }
        self.summary.examine();
        if !self.all && !record.has_content() {
            return Ok(Printed::More);
        }
        self.line.clear();
        let mut line = (&mut self.line).writer();
        let made = match self.format {
            Format::Text => writeln!(
                line,
                "{}",
                SampleLine {
                    record,
                    colour: self.colour
                }
            ),
            Format::Json => serde_json::to_writer(&mut line, record)
                .map_err(io::Error::from)
                .and_then(|()| writeln!(line)),
        };
        self.out.write(|out| {
            made?;
            out.write_all(&self.line)?;
            match self.at_once {
                true => out.flush(),
                false => Ok(()),
            }
        })?;
        if self.out.is_closed() {
            return Ok(Printed::Enough);
        }
        self.summary.show(record);
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return Ok(Printed::Enough);
            }
        }
        Ok(Printed::More)
    }
}
