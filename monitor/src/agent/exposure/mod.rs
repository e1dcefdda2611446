//! The books of exposure: [`Judge`] writes a verdict on each flow for the kernel programs, [`Account`] credits what was
//! counted before it came.

mod account;
mod judge;
mod judged;
mod remembered;

pub use account::{Account, now};
pub use judge::Judge;
