//! The formats in which a command prints lines.

use clap::ValueEnum;

/// Line formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people.
    #[default]
    Text,
    /// JSON Lines, one object a line.
    Json,
}
