//! Capture files: pcap and pcapng, also inside gzip or Zstandard, read as a stream in bounded memory; and pcapng written.
//!
//! Formats: draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. Every length in a file is untrusted: a packet holds at
//! most [`PACKET_MAX`] bytes, and a block of any other kind is skipped without being buffered.
//!
//! It imports no other folder of this crate. `traffic/flows` and `traffic/decode.rs` use its packets, `command/read`
//! the reader, `surface/capture_file.rs` the writer.

mod byte_order;
mod captured_packet;
mod compressed;
mod compressed_state;
mod input;
mod link_type;
mod pcap;
mod pcapng;
mod pcapng_options;
pub mod pcapng_writer;
mod read_error;
mod reader;
#[cfg(test)]
mod tests;

pub use captured_packet::{Device, PACKET_MAX, Packet};
pub use input::{Input, Stop};
pub use link_type::{WalkStart, walk_start};
pub use read_error::Error;
pub use reader::{Filled, Reader, Step};
