//! The screen of `top`: what the agent's own pages say, as a table that shows first whether anything is wrong.
//!
//! Imports `policy` for states. `command/top` reads the pages, and passes keys.

mod board;
mod keys;
mod reading;
mod rows;
mod screen;
mod words;

pub use board::Board;
pub use keys::{Key, press};
pub use reading::Reading;
pub use rows::lines;
pub use screen::{Look, draw, frame};

#[cfg(test)]
mod tests;
