//! What the monitor said beside what was on the wire.

use std::fmt::Write;

/// One comparison.
pub(super) struct Row {
    pub(super) step: &'static str,
    pub(super) question: String,
    pub(super) monitor: String,
    pub(super) wire: String,
    pub(super) agrees: bool,
}

/// All comparisons so far.
#[derive(Default)]
pub(super) struct Table(Vec<Row>);

impl Table {
    /// Adds one, and prints it.
    pub(super) fn add(&mut self, row: Row) {
        println!(
            "  {} {}\n      the monitor: {}\n      the wire:    {}",
            mark(row.agrees),
            row.question,
            row.monitor,
            row.wire
        );
        self.0.push(row);
    }

    /// How many do not agree.
    pub(super) fn failed(&self) -> usize {
        self.0.iter().filter(|row| !row.agrees).count()
    }

    /// The table, in columns.
    pub(super) fn text(&self) -> String {
        let head = ["", "step", "question", "the monitor", "the wire"].map(str::to_owned);
        let body = self.0.iter().map(|row| {
            [
                mark(row.agrees).to_owned(),
                row.step.to_owned(),
                row.question.clone(),
                row.monitor.clone(),
                row.wire.clone(),
            ]
        });
        let rows: Vec<[String; 5]> = std::iter::once(head).chain(body).collect();
        let mut widths = [0; 5];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for row in &rows {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                let _ = write!(line, "{cell:width$}  ");
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text
    }
}

fn mark(agrees: bool) -> &'static str {
    if agrees { "✔" } else { "✘" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::default();
        for (question, agrees) in [("short", true), ("somewhat longer", false)] {
            table.add(Row {
                step: "plain",
                question: question.to_owned(),
                monitor: "1 packet".to_owned(),
                wire: "2".to_owned(),
                agrees,
            });
        }
        assert_eq!(table.failed(), 1);
        let text = table.text();
        let at = |word: &str| {
            text.lines()
                .filter_map(|line| line.find(word))
                .collect::<Vec<_>>()
        };
        assert_eq!(at("1 packet").len(), 2);
        assert_eq!(at("1 packet")[0], at("1 packet")[1]);
    }
}
