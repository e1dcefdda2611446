//! The soak on a kernel with ESP: the keys of an encrypted network change as well.

#[path = "../soak/main.rs"]
mod soak;
