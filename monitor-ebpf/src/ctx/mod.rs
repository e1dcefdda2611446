//! Packets as the hooks pass them. With [`crate::kernel_struct`] the only code that reads through pointers of the
//! kernel.

mod bytes;
mod packet;
mod skb;
mod xdp;

pub use bytes::Reach;
pub use packet::{Hook, Packet, View};
pub use skb::Tc;
pub use xdp::{Buffers, OneBuffer};
