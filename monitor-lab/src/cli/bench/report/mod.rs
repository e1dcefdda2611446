//! The result of a benchmark, as data and in each form in which it is written.
//!
//! | file | what |
//! | --- | --- |
//! | `part.rs` | [`Report`], [`Part`], [`Row`]: the data, and the JSON |
//! | `median.rs` | medians with confidence intervals |
//! | `goal.rs` | whether a measurement met its goal |
//! | `machine.rs` | the machine that was measured |
//! | `tables.rs` | a part as a table, for a terminal and in Markdown |
//! | `plot.rs` | the plot, in SVG |
//! | `documents.rs` | the files of `--docs` |
//!
//! Each benchmark makes a [`Part`]; `bench/command.rs` writes them.

pub(super) mod documents;
mod goal;
mod machine;
mod median;
mod part;
pub(super) mod plot;
pub(super) mod tables;

pub(super) use machine::Machine;
pub(super) use median::{Median, differences, ratios};
pub(super) use part::{Counted, Limit, Part, Report, Row, Unit};
