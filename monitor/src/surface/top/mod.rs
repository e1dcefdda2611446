//! The screen of `top`: the live model as a table that shows first whether anything is wrong.
//!
//! Imports `live`, the model. `command/top` reads the agent, and passes keys.

mod board;
mod keys;
mod rows;
mod screen;
mod words;

pub use board::Board;
pub use keys::{Key, press};
pub use rows::lines;
pub use screen::{Look, draw, frame};

#[cfg(test)]
mod tests;
