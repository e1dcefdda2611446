//! Exposure: [`Verdicts`] writes a verdict on each flow for the kernel programs; [`Account`] credits what was counted
//! before the verdict came.

mod account;
mod new_verdict;
mod verdict_changes;
mod verdict_room;
mod verdicts;

pub use account::{Account, now};
pub use verdicts::Verdicts;
