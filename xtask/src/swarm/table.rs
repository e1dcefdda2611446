//! The monitor's reports beside the frames on the wire.

use crate::table::{Align, table};

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
        let columns = ["", "step", "question", "the monitor", "the wire"];
        let rows = self.0.iter().map(|row| {
            vec![
                mark(row.agrees).to_owned(),
                row.step.to_owned(),
                row.question.clone(),
                row.monitor.clone(),
                row.wire.clone(),
            ]
        });
        table(&columns.map(|name| (name, Align::Left)), rows)
    }
}

fn mark(agrees: bool) -> &'static str {
    if agrees { "✔" } else { "✘" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_agree_is_counted_and_marked() {
        let mut table = Table::default();
        for agrees in [true, false] {
            table.add(Row {
                step: "plain",
                question: "packets".to_owned(),
                monitor: "1".to_owned(),
                wire: "2".to_owned(),
                agrees,
            });
        }
        assert_eq!(table.failed(), 1);
        assert!(
            table.text().contains("✘  plain  packets   1"),
            "{}",
            table.text()
        );
    }
}
