//! Text made from bytes that strangers chose: escaping, so that it is safe to
//! print, and masking, so that it gives no secret away.

mod escape;
pub mod mask;

pub use escape::{escape, payload_preview};
