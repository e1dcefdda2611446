//! Text made from untrusted bytes: escaping makes it safe to print, masking takes
//! secrets out of it, and evidence is text to which both were done.

mod escape;
mod evidence;
pub(crate) mod mask;
mod url;

pub use escape::{escape, payload_preview};
pub use evidence::{EVIDENCE_MAX, Evidence};
