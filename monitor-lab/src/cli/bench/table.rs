//! A part as a table: for the terminal, and for the document.

use std::io::{self, Write};

use super::report::{Part, Row, Unit};
use super::stats::Median;

/// Headings; the texts of a row are in the same order.
fn headings(unit: Unit) -> Vec<&'static str> {
    match unit {
        Unit::AddedNanoseconds => vec![
            "hook",
            "packet",
            "what is on",
            "base ns",
            "added ns",
            "interval",
            "look-ups",
            "upper end",
            "goal",
            "",
        ],
        Unit::Ratio => vec![
            "hook",
            "traffic",
            "what is on",
            "nothing attached",
            "kept",
            "interval",
            "goal",
            "",
        ],
        Unit::Value => vec![
            "hook",
            "what",
            "what is on",
            "measured",
            "interval",
            "goal",
            "",
        ],
    }
}

fn cells(row: &Row, unit: Unit) -> Vec<String> {
    let goal = row
        .goal
        .map_or_else(String::new, |goal| format!("{goal:.2}"));
    let mut cells = vec![row.hook.to_owned(), row.case.clone(), row.features.clone()];
    match unit {
        Unit::AddedNanoseconds => {
            let look_ups = row.look_ups.unwrap_or_default();
            cells.extend([
                format!("{:.0}", row.base.median),
                format!("{:.1}", row.measured.median),
                interval(&row.measured, 1),
                format!("{:.2}", look_ups.median),
                format!("{:.2}", look_ups.high),
            ]);
        }
        Unit::Ratio => cells.extend([
            format!("{:.0}", row.base.median),
            format!("{:.3}", row.measured.median),
            interval(&row.measured, 3),
        ]),
        Unit::Value => {
            // A part of something else's time needs more of them than nanoseconds do.
            let places = if row.measured.high < 10.0 { 3 } else { 1 };
            cells.extend([
                format!("{:.places$}", row.measured.median),
                interval(&row.measured, places),
            ]);
        }
    }
    cells.extend([goal, row.remark(unit)]);
    cells
}

fn interval(measured: &Median, places: usize) -> String {
    format!("{:.places$} to {:.places$}", measured.low, measured.high)
}

/// In columns, for a terminal.
pub(super) fn text(out: &mut impl Write, part: &Part) -> io::Result<()> {
    let headings: Vec<String> = headings(part.unit).into_iter().map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = part.rows.iter().map(|row| cells(row, part.unit)).collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let all = rows.iter().chain([&headings]);
            all.map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    writeln!(out, "{}\n{}\n", part.title, wrapped(&part.method))?;
    for row in [&headings].into_iter().chain(&rows) {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Words to the left, numbers to the right.
            if column < 3 || column + 1 == row.len() {
                line.push_str(&format!("{cell:<width$}  "));
            } else {
                line.push_str(&format!("{cell:>width$}  "));
            }
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    writeln!(out)
}

/// As Markdown.
pub(super) fn markdown(part: &Part) -> String {
    let headings = headings(part.unit);
    let mut text = format!("## {}\n\n{}\n\n", part.title, wrapped(&part.method));
    text.push_str(&format!("| {} |\n", headings.join(" | ")));
    text.push_str(&format!("|{}\n", " --- |".repeat(headings.len())));
    for row in &part.rows {
        text.push_str(&format!("| {} |\n", cells(row, part.unit).join(" | ")));
    }
    text
}

/// Lines of at most 120 characters, as all documents here have them.
pub(super) fn wrapped(text: &str) -> String {
    const WIDTH: usize = 120;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::bench::report::tests::part;

    #[test]
    fn every_row_has_every_column() {
        for unit in [Unit::AddedNanoseconds, Unit::Ratio, Unit::Value] {
            let part = part(unit);
            let markdown = markdown(&part);
            let table: Vec<&str> = markdown
                .lines()
                .filter(|line| line.starts_with('|'))
                .collect();
            assert_eq!(table.len(), 2 + part.rows.len());
            let columns = |line: &str| line.matches('|').count();
            assert!(
                table.iter().all(|line| columns(line) == columns(table[0])),
                "{markdown}"
            );
            let mut text = Vec::new();
            super::text(&mut text, &part).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(
                text.contains("met") && text.contains("IPv4 <VXLAN> & more"),
                "{text}"
            );
        }
    }

    #[test]
    fn paragraphs_are_wrapped_between_words() {
        let text = "word ".repeat(60);
        let wrapped = wrapped(&text);
        assert!(
            wrapped
                .lines()
                .all(|line| line.len() <= 120 && !line.ends_with(' '))
        );
        assert_eq!(wrapped.split_whitespace().count(), 60);
    }
}
