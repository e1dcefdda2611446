//! The result, as data and in each form in which it is written.
//!
//! | file | what |
//! | --- | --- |
//! | `cost.rs` | [`CostReport`] and its rows: the data, and the JSON |
//! | `series.rs` | the measurements of a row, and their medians |
//! | `tables.rs` | tables, for a terminal and in Markdown; `section.rs`: one of them with its heading |
//! | `forecast_check.rs` | the table of loads that the forecast was not fitted to |
//! | `plot.rs` | the plot, in SVG |
//! | `page.rs` | the files of `--docs` |

mod cost;
mod forecast_check;
mod page;
mod plot;
mod section;
mod series;
mod tables;

pub(in crate::cli::bench) use cost::CostReport;
pub(super) use cost::{Facts, LeftOut, Run, TwoMachines, WayFacts};
pub(in crate::cli::bench) use page::{write_files, write_text};
pub(super) use series::Series;
