//! The loops that drive the agent while it runs: they follow the host, Docker, the books, and the policy. Each is a
//! future that ends only with a failure, or when it is dropped.

mod decryption;
pub mod docker;
pub mod esp;
pub mod exposure;
pub mod host;
pub mod policy;
