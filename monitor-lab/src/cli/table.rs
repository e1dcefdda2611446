//! Tables: the one layout for everything that `overlay-lab` prints or writes in columns.

use comfy_table::{CellAlignment, Table, TableStyle, presets};

/// How the cells of a column are aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// For words.
    Left,
    /// For numbers.
    Right,
}

/// Heading and alignment of a column.
pub(super) type Column = (&'static str, Align);

/// Lays out a table for a terminal: one line for the headings and one for each row, without borders. Each row has a
/// cell for each column.
pub(super) fn lines(columns: &[Column], rows: Vec<Vec<String>>) -> Vec<String> {
    let mut table = table(columns, rows, presets::NOTHING);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

/// Lays out a table in Markdown, ending with a newline.
pub(super) fn markdown(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    format!("{}\n", table(columns, rows, presets::ASCII_MARKDOWN))
}

fn table(columns: &[Column], rows: Vec<Vec<String>>, style: TableStyle) -> Table {
    let mut table = Table::new();
    table
        .load_style(style)
        .set_header(columns.iter().map(|(heading, _)| *heading))
        .add_rows(rows);
    for (column, (_, align)) in table.column_iter_mut().zip(columns) {
        column.set_cell_alignment(match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[("what", Align::Left), ("packets", Align::Right)];

    fn rows() -> Vec<Vec<String>> {
        [["sent – all", "5"], ["", "12345678"]]
            .map(|row| row.map(str::to_owned).to_vec())
            .to_vec()
    }

    #[test]
    fn words_are_left_and_numbers_right() {
        assert_eq!(
            lines(COLUMNS, rows()),
            [
                "what         packets",
                "sent – all         5",
                "            12345678"
            ]
        );
    }

    #[test]
    fn markdown_has_a_rule_below_the_headings() {
        assert_eq!(
            markdown(COLUMNS, rows()),
            "| what       |  packets |\n|------------|----------|\n| sent – all |        5 |\n|            | 12345678 |\n"
        );
    }
}
