//! The usual packet, recognised at fixed offsets: Ethernet II, IP without options or extension headers, all of it at
//! hand.
//!
//! Nearly every packet has this shape, and its fields stand at fixed offsets, so one bounds check and a few comparisons
//! identify it. Every other packet is left to [`super::outer()`], which knows every shape; tests compare the two.

pub mod inner;
mod shape;
pub mod v4;
pub mod v6;

pub use shape::Shape;
