//! The node agent, as a library.

pub mod classify;
pub mod text;
