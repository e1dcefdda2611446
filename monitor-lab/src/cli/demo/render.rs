//! The text of the demo: pure functions from steps and what was seen in them.
//!
//! What the monitor printed and the evidence of samples come from packets, so control characters are replaced before
//! the text goes to a terminal.

use std::fmt::Write;

use super::checks::Check;
use super::seen::Seen;
use super::steps::{STEPS, Step};
use super::summary::Row;
use crate::cli::table::{self, Align, Column};

/// Most characters of evidence in the table.
const WIDEST: usize = 60;

/// Whether the text has colours (ANSI escape sequences).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Text alone.
    Plain,
    /// With colours.
    Colour,
}

impl Style {
    fn bold(self, text: &str) -> String {
        self.apply("1", text)
    }

    fn cyan(self, text: &str) -> String {
        self.apply("36", text)
    }

    fn mark(self, passed: bool) -> String {
        if passed {
            self.apply("32", "✔")
        } else {
            self.apply("31", "✘")
        }
    }

    fn apply(self, code: &str, text: &str) -> String {
        match self {
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// Number and title of a step, what is set up, and the question.
pub(super) fn heading(step: &Step, style: Style) -> String {
    let title = format!("Step {} of {}: {}", step.number, STEPS.len(), step.title);
    format!("\n{}\n{}", style.bold(&title), paragraph(step.setup))
}

/// The commands whose output follows.
pub(super) fn commands(step: &Step, requests: usize, style: Style) -> String {
    format!(
        "  {} overlay-monitor tail -i eth0 --host-flows all\n  {} ({requests} times)\n",
        style.bold("node1#"),
        style.bold(step.request())
    )
}

/// What the monitor printed, and the checks of the step.
pub(super) fn result(seen: &Seen, checks: &[Check], style: Style) -> String {
    let mut text = String::new();
    let mut line = |content: &str| {
        let _ = writeln!(text, "  {} {content}", style.cyan("│"));
    };
    for printed in &seen.printed.first {
        line(&printable(printed));
    }
    if seen.printed.more > 0 {
        line(&format!("… and {} more lines", seen.printed.more));
    }
    for check in checks {
        text += &check_line(check.passed, &check.text, style);
    }
    text
}

/// In place of commands and result, where the kernel has no ESP.
pub(super) fn not_shown(style: Style) -> String {
    check_line(false, "Not shown: this kernel has no ESP (IPsec)", style)
}

fn check_line(passed: bool, text: &str, style: Style) -> String {
    format!("  {} {}\n", style.mark(passed), printable(text))
}

/// The table of all steps, and the result of the demo. `no_esp` is the reason why a step was not shown.
pub(super) fn summary(rows: &[Row], no_esp: Option<&str>, style: Style) -> String {
    const COLUMNS: &[Column] = &[
        ("step", Align::Left),
        ("on the wire", Align::Left),
        ("packets", Align::Right),
        ("readable", Align::Left),
        ("expected", Align::Left),
        ("seen", Align::Left),
    ];
    let cells = rows.iter().map(|row| {
        let readable = shortened(&printable(&row.readable));
        [
            &row.step,
            &row.wire,
            &row.packets,
            &readable,
            &row.expected,
            &row.seen,
        ]
        .map(String::clone)
        .to_vec()
    });
    let lines = table::lines(COLUMNS, cells.collect());
    let mut text = "\n".to_owned();
    let mut lines = lines.iter();
    if let Some(headings) = lines.next() {
        let _ = writeln!(text, "  {}", style.bold(headings));
    }
    for (line, row) in lines.zip(rows) {
        let _ = writeln!(text, "  {line} {}", style.mark(row.passed));
    }
    let conclusion = match no_esp {
        Some(reason) => format!("Some steps were not shown: {reason}"),
        None if rows.iter().all(|row| row.passed) => {
            "Every step showed what was expected.".to_owned()
        }
        None => "Some steps did not show what was expected: see the lines marked ✘.".to_owned(),
    };
    text + "\n" + &paragraph(&[&conclusion])
}

/// Indented lines, and an empty one.
fn paragraph(lines: &[&str]) -> String {
    let mut text = String::new();
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
    text + "\n"
}

/// At most [`WIDEST`] characters.
fn shortened(text: &str) -> String {
    if text.chars().count() <= WIDEST {
        return text.to_owned();
    }
    text.chars().take(WIDEST - 1).chain(['…']).collect()
}

/// Replaces control characters.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '�' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::checks;
    use super::super::observe::REQUESTS;
    use super::*;

    /// What was seen in a step, as `overlay-lab demo --keep-seen` wrote it.
    fn recorded(step: usize) -> Seen {
        let path = format!(
            "{}/src/cli/demo/seen/step-{step}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn text(step: &Step, seen: &Seen) -> String {
        let checks = checks::compare(step, seen);
        heading(step, Style::Plain)
            + &commands(step, REQUESTS, Style::Plain)
            + &result(seen, &checks, Style::Plain)
    }

    fn row(step: &Step, seen: &Seen) -> Row {
        let checks = checks::compare(step, seen);
        Row::new(step, seen, checks.iter().all(|check| check.passed))
    }

    #[test]
    fn steps_that_show_what_is_expected() {
        for step in &STEPS {
            let name = format!("step_{}", step.number);
            insta::assert_snapshot!(name, text(step, &recorded(step.number)));
        }
    }

    #[test]
    fn the_table_of_all_steps() {
        let rows = STEPS
            .each_ref()
            .map(|step| row(step, &recorded(step.number)));
        insta::assert_snapshot!(summary(&rows, None, Style::Plain));
    }

    #[test]
    fn a_step_that_does_not_show_what_is_expected() {
        let (step, mut seen) = (&STEPS[0], recorded(1));
        seen.samples.retain(|sample| sample.protocol != "redis");
        seen.overlay.rx_packets -= 1;
        seen.wire.tx_bytes += 60;
        insta::assert_snapshot!(text(step, &seen));
    }

    #[test]
    fn the_table_where_the_kernel_has_no_esp() {
        let mut rows = vec![row(&STEPS[0], &recorded(1))];
        rows.extend(STEPS[1..].iter().map(Row::not_shown));
        let reason = monitor_lab::Error::NoEsp("Protocol not supported".to_owned()).to_string();
        insta::assert_snapshot!(summary(&rows, Some(&reason), Style::Plain));
    }

    #[test]
    fn colours_are_escape_sequences_around_the_same_text() {
        let rows = [row(&STEPS[0], &recorded(1))];
        let coloured = summary(&rows, None, Style::Colour);
        assert!(coloured.contains("\u{1b}[32m✔\u{1b}[0m"), "{coloured}");
        let mut text = coloured;
        for code in ["\u{1b}[1m", "\u{1b}[32m", "\u{1b}[0m"] {
            text = text.replace(code, "");
        }
        assert_eq!(text, summary(&rows, None, Style::Plain));
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        let mut seen = recorded(1);
        seen.printed.first = vec!["a\u{1b}[2J\r\u{9b}b".to_owned()];
        let text = result(&seen, &[], Style::Plain);
        assert!(text.starts_with("  │ a�[2J��b\n"), "{text:?}");
    }

    #[test]
    fn long_evidence_is_cut_at_a_character() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"ä".repeat(70)).chars().count(), WIDEST);
    }
}
