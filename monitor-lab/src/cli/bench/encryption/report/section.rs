//! A part of the result.

use crate::cli::table::Column;

/// A table with its heading and a paragraph about it.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) method: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<String>>,
}
