//! What the demo prints.

use std::env;
use std::io::{self, IsTerminal, Write, stdout};

use serde::{Deserialize, Serialize};

use super::checks;
use super::observe::Seen;
use super::steps::{STEPS, Step};

/// Lines of the monitor that are shown in each step; the rest is counted.
const SHOWN: usize = 14;
/// Widest text of a table's column.
const WIDEST: usize = 60;

/// Standard output, with colour where a person reads it.
#[derive(Debug)]
pub(super) struct Screen {
    colour: bool,
}

impl Screen {
    /// No colour in a pipe, nor with `NO_COLOR` (no-color.org).
    pub(super) fn new() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: stdout().is_terminal() && !refused,
        }
    }

    pub(super) fn title(&mut self, number: usize, title: &str) -> io::Result<()> {
        let text = format!("Step {number} of {}: {title}", STEPS.len());
        self.line(&format!("\n{}", self.styled("1", &text)))
    }

    pub(super) fn paragraph(&mut self, lines: &[&str]) -> io::Result<()> {
        lines
            .iter()
            .try_for_each(|line| self.line(&format!("  {line}")))?;
        self.line("")
    }

    /// A command as it would be typed.
    pub(super) fn command(&mut self, prompt: &str, rest: &str) -> io::Result<()> {
        self.line(&format!("  {} {rest}", self.styled("1", prompt)))
    }

    pub(super) fn check(&mut self, good: bool, text: &str) -> io::Result<()> {
        let mark = if good {
            self.styled("32", "✔")
        } else {
            self.styled("31", "✘")
        };
        self.line(&format!("  {mark} {}", printable(text)))
    }

    /// A handle for the thread that shows the monitor's lines.
    pub(super) fn live(&self) -> Live {
        Live {
            colour: self.colour,
        }
    }

    /// The summary.
    pub(super) fn table(&mut self, rows: &[Row]) -> io::Result<()> {
        let head = [
            "step",
            "on the wire",
            "packets",
            "readable",
            "expected",
            "seen",
        ]
        .map(str::to_owned);
        let mut cells = vec![head];
        cells.extend(rows.iter().map(Row::cells));
        let mut widths = [0; 6];
        for row in &cells {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        self.line("")?;
        for (index, row) in cells.iter().enumerate() {
            let mut line = String::new();
            for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
                let padding = " ".repeat(width - cell.chars().count());
                // Numbers stand on the right.
                line += &if column == 2 {
                    format!("{padding}{cell}  ")
                } else {
                    format!("{cell}{padding}  ")
                };
            }
            let line = line.trim_end();
            let line = match index {
                0 => self.styled("1", line),
                _ if rows[index - 1].good => format!("{line} {}", self.styled("32", "✔")),
                _ => format!("{line} {}", self.styled("31", "✘")),
            };
            self.line(&format!("  {line}"))?;
        }
        self.line("")
    }

    fn styled(&self, style: &str, text: &str) -> String {
        styled(self.colour, style, text)
    }

    // Not println!, which panics when the reader has gone.
    fn line(&self, text: &str) -> io::Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

fn styled(colour: bool, style: &str, text: &str) -> String {
    if colour {
        format!("\u{1b}[{style}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Shows the monitor's lines as they come.
#[derive(Debug)]
pub(super) struct Live {
    colour: bool,
}

impl Live {
    /// Prints the first lines, counts the rest, until the monitor ends. Gives the number of all lines.
    pub(super) fn show(self, lines: impl Iterator<Item = String>) -> usize {
        let mut count = 0;
        for line in lines {
            count += 1;
            if count <= SHOWN {
                self.print(&printable(&line));
            }
        }
        if count > SHOWN {
            self.print(&format!("… and {} lines more", count - SHOWN));
        }
        count
    }

    fn print(&self, text: &str) {
        // When the reader has gone the main thread notices.
        let _ = writeln!(
            stdout().lock(),
            "  {} {text}",
            styled(self.colour, "36", "│")
        );
    }
}

/// A line of the table.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    step: String,
    wire: String,
    packets: String,
    readable: String,
    expected: String,
    seen: String,
    /// Whether the step showed what it must.
    pub(super) good: bool,
}

impl Row {
    pub(super) fn new(step: &Step, seen: &Seen, good: bool) -> Self {
        let total = seen.wire.rx_packets + seen.wire.tx_packets;
        let (vxlan, esp) = (seen.counts.vxlan.packets(), seen.counts.esp.packets());
        let rest = total.saturating_sub(vxlan + esp);
        let published = if seen.samples.iter().any(|sample| sample.protocol == "tls") {
            "TLS"
        } else {
            "TCP"
        };
        let parts = [("VXLAN", vxlan), ("ESP", esp), (published, rest)];
        let crossed = parts.into_iter().filter(|(_, packets)| *packets > 0);
        let (names, packets): (Vec<_>, Vec<_>) = crossed
            .map(|(name, packets)| (name.to_owned(), packets.to_string()))
            .unzip();
        let evidence = checks::evidence(&seen.samples);
        Self {
            step: label(step),
            wire: names.join(" + "),
            packets: packets.join(" + "),
            readable: if evidence.is_empty() {
                "–".to_owned()
            } else {
                shortened(&printable(&evidence.join(", ")))
            },
            expected: step.expected.word().to_owned(),
            seen: if evidence.is_empty() {
                "nothing"
            } else {
                "readable"
            }
            .to_owned(),
            good,
        }
    }

    /// For a step that this kernel cannot show.
    pub(super) fn not_shown(step: &Step) -> Self {
        Self {
            step: label(step),
            wire: "–".to_owned(),
            packets: "–".to_owned(),
            readable: "–".to_owned(),
            expected: step.expected.word().to_owned(),
            seen: "no ESP here".to_owned(),
            good: false,
        }
    }

    fn cells(&self) -> [String; 6] {
        let Self {
            step,
            wire,
            packets,
            readable,
            expected,
            seen,
            ..
        } = self;
        [step, wire, packets, readable, expected, seen].map(Clone::clone)
    }
}

fn label(step: &Step) -> String {
    let short = [
        "plain overlay",
        "encrypted overlay",
        "published port",
        "published with TLS",
    ];
    format!("{} {}", step.number, short[step.number - 1])
}

/// At most [`WIDEST`] characters.
fn shortened(text: &str) -> String {
    if text.chars().count() <= WIDEST {
        return text.to_owned();
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// The text without control characters: it came from packets, and goes to a terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '�' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_reaches_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\r\u{9b}b"), "a�[2J��b");
    }

    #[test]
    fn long_evidence_is_cut_at_a_character() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"ä".repeat(70)).chars().count(), WIDEST);
    }
}
