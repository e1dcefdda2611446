//! What bytes look like, whatever protocol they are of.

pub(crate) mod certificate;
pub(crate) mod magic;
pub(crate) mod randomness;
pub(crate) mod strings;
pub(crate) mod text;
