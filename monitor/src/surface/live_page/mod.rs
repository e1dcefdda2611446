//! The page at `/`: the live model as a document that is whole without a script, and as events that keep it current.
//!
//! Imports `live`, the model, and `html`. `http` serves it.

mod content;
mod document;
mod minute;
mod violations;

pub(super) use content::{Content, content};
pub(super) use document::{POLICY, document, event, links};

#[cfg(test)]
mod tests;
