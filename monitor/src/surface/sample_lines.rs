//! Sample records as lines on a terminal, a file or a pipe.

use std::io::{self, Write};

use anyhow::anyhow;
use bytes::{BufMut, BytesMut};

use crate::base::failure::Failure;
use crate::surface::format::Format;
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
    out: W,
    /// The current line. It is written in one piece, so that lines of two processes do not mix.
    line: BytesMut,
    format: Format,
    colour: bool,
    left: Option<u64>,
    all: bool,
    /// Whether each line is flushed at once, for a terminal.
    at_once: bool,
}

impl<W: Write> Printer<W> {
    /// A printer of at most `lines` lines; with `all`, also of records without content.
    pub fn new(out: W, format: Format, colour: bool, lines: Option<u64>, all: bool) -> Printer<W> {
        Printer {
            out,
            line: BytesMut::new(),
            format,
            colour,
            left: lines,
            all,
            at_once: true,
        }
    }

    /// The same, but it flushes only on request.
    pub fn buffered(
        out: W,
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
        match self.out.flush() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::runtime(anyhow!(error).context("cannot print")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Prints a record.
    ///
    /// # Errors
    /// A runtime failure. A closed output is none.
    pub fn print(&mut self, record: &SampleRecord) -> Result<Printed, Failure> {
        if self.left == Some(0) {
            return Ok(Printed::Enough);
        }
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
        let written = made.and_then(|()| self.out.write_all(&self.line));
        let flushed = written.and_then(|()| match self.at_once {
            true => self.out.flush(),
            false => Ok(()),
        });
        match flushed {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Printed::Enough),
            Err(error) => return Err(Failure::runtime(anyhow!(error).context("cannot print"))),
        }
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                return Ok(Printed::Enough);
            }
        }
        Ok(Printed::More)
    }
}
