//! Text made from untrusted bytes: escaping makes it safe to print, masking takes
//! secrets out of it.

mod escape;
pub mod mask;

pub use escape::{escape, payload_preview};
