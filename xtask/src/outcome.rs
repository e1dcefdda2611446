//! What was expected of each step, and what was found.

use crate::proc::say;
use crate::table::{Align, table};

/// A row of the table.
pub(crate) struct Row {
    pub(crate) step: &'static str,
    /// What was compared.
    pub(crate) what: String,
    pub(crate) expected: String,
    pub(crate) found: String,
    pub(crate) holds: bool,
}

/// All rows so far.
#[derive(Default)]
pub(crate) struct Outcome(Vec<Row>);

impl Outcome {
    /// Adds a row, and prints it.
    pub(crate) fn add(&mut self, row: Row) {
        println!(
            "  {} {}: {}\n      expected: {}\n      found:    {}",
            mark(row.holds),
            row.step,
            row.what,
            row.expected,
            row.found
        );
        self.0.push(row);
    }

    /// Adds a row that holds where what was found is what was expected.
    pub(crate) fn same(
        &mut self,
        step: &'static str,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) {
        let (expected, found) = (expected.into(), found.into());
        self.add(Row {
            step,
            what: what.into(),
            holds: expected == found,
            expected,
            found,
        });
    }

    /// Adds a row that holds where nothing was found.
    pub(crate) fn none(&mut self, step: &'static str, what: impl Into<String>, found: &[String]) {
        self.add(Row {
            step,
            what: what.into(),
            expected: "none".to_owned(),
            found: if found.is_empty() {
                "none".to_owned()
            } else {
                found.join("; ")
            },
            holds: found.is_empty(),
        });
    }

    /// The exit code of the command, which prints how many do not hold.
    pub(crate) fn conclude(&self) -> u8 {
        let failed = self.failed();
        if failed > 0 {
            say(format!("{failed} comparisons do not hold"));
        }
        u8::from(failed > 0)
    }

    /// How many do not hold.
    fn failed(&self) -> usize {
        self.0.iter().filter(|row| !row.holds).count()
    }

    /// The table, in columns.
    pub(crate) fn text(&self) -> String {
        let columns = ["", "step", "compared", "expected", "found"];
        let rows = self.0.iter().map(|row| {
            let mut cells = vec![mark(row.holds).to_owned(), row.step.to_owned()];
            cells.extend([&row.what, &row.expected, &row.found].map(|text| short(text)));
            cells
        });
        table(&columns.map(|name| (name, Align::Left)), rows)
    }
}

fn mark(holds: bool) -> &'static str {
    if holds { "✔" } else { "✘" }
}

/// The beginning of a long text, which was printed whole before.
fn short(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= LONGEST && line.len() == text.trim_end().len() {
        return line.to_owned();
    }
    line.chars().take(LONGEST).collect::<String>() + " …"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_hold_is_counted_and_marked() {
        let mut outcome = Outcome::default();
        outcome.same("stop", "processes", "0", "0");
        assert_eq!(outcome.failed(), 0);
        outcome.same("stop", "programs", "0", "1");
        outcome.none("purge", "files", &["/etc/a".to_owned(), "x\ny".repeat(99)]);
        assert_eq!(outcome.failed(), 2);
        let text = outcome.text();
        assert!(text.contains("✘  stop   programs"), "{text}");
        assert!(text.contains("/etc/a; x …"), "{text}");
        outcome.none("purge", "files", &[]);
        assert_eq!(outcome.failed(), 2);
    }
}
