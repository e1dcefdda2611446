//! A part as a table: for a terminal, and in Markdown.

use super::median::Median;
use super::part::{Part, Row, Unit};
use crate::cli::table::{self, Align, Column};

/// Most characters of a line, as in all documents of this project.
const WIDTH: usize = 120;

/// Columns; [`cells`] has the cells of a row in the same order.
fn columns(unit: Unit) -> &'static [Column] {
    use Align::{Left, Right};
    match unit {
        Unit::AddedNanoseconds => &[
            ("hook", Left),
            ("packet", Left),
            ("what is on", Left),
            ("base ns", Right),
            ("added ns", Right),
            ("95 % interval", Right),
            ("of 3 hashes", Right),
            ("at most", Right),
            ("goal", Right),
            ("look-ups", Right),
            ("at most", Right),
            ("goal", Right),
            ("result", Left),
        ],
        Unit::Ratio => &[
            ("hook", Left),
            ("traffic", Left),
            ("what is on", Left),
            ("unwatched", Right),
            ("kept", Right),
            ("95 % interval", Right),
            ("goal", Right),
            ("result", Left),
        ],
        Unit::Value => &[
            ("hook", Left),
            ("what", Left),
            ("what is on", Left),
            ("measured", Right),
            ("95 % interval", Right),
            ("goal", Right),
            ("result", Left),
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
            let share = |of: fn(Median) -> f64| {
                row.of_three_hashes
                    .map_or_else(String::new, |share| format!("{:.2}", of(share)))
            };
            cells.extend([
                format!("{:.0}", row.base.median),
                format!("{:.1}", row.measured.median),
                interval(&row.measured, 1),
                share(|share| share.median),
                share(|share| share.high),
                row.of_three_hashes_goal
                    .map_or_else(String::new, |goal| format!("{goal:.2}")),
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
            // Small values are ratios or milliseconds, whose first decimal place says too little.
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

fn rows(part: &Part) -> Vec<Vec<String>> {
    let rows = part.rows.iter();
    rows.map(|row| cells(row, part.unit)).collect()
}

/// For a terminal: title, method and table, ending with an empty line.
pub(crate) fn text(part: &Part) -> String {
    format!(
        "{}\n{}\n\n{}\n\n",
        part.title,
        wrapped(&part.method),
        table::lines(columns(part.unit), rows(part)).join("\n")
    )
}

/// In Markdown: a section.
pub(crate) fn markdown(part: &Part) -> String {
    format!(
        "## {}\n\n{}\n\n{}",
        part.title,
        wrapped(&part.method),
        table::markdown(columns(part.unit), rows(part))
    )
}

/// Breaks a paragraph into lines of at most [`WIDTH`] characters.
pub(crate) fn wrapped(text: &str) -> String {
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
    use super::super::part::tests::part;
    use super::*;

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
            let text = text(&part);
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
