//! Traffic of real servers and clients as test fixtures: what `overlay-lab record` writes.
//!
//! A [`Recording`] states how servers are configured, what their clients do, and which services the wire must then
//! carry. Servers and clients run in two containers of a quiet lab; tcpdump captures the wire between the nodes,
//! VXLAN included. The first packets of each flow go to `NAME.pcap`. Their protocol, whether they can be read and which
//! credentials they contain go to `NAME.json`: from the recording, never from a classifier.
//!
//! | file | what |
//! | --- | --- |
//! | `definition.rs` | [`Recording`]: the file `recordings/NAME.toml` |
//! | `recorder.rs` | [`record`]: plays a recording and writes its fixture |
//! | `sandbox.rs` | a temporary copy of the machine's file system, in which servers may write anywhere |
//! | `stage.rs` | servers, clients and tcpdump in a lab |
//! | `inner_flow.rs` | frames grouped by inner flow |
//! | `fixture.rs` | which packets of the capture the fixture keeps |
//! | `expected.rs` | [`Expected`]: the file `NAME.json` |
//!
//! Called by `overlay-lab record`; the tests of classifiers read the fixtures with it.

mod definition;
mod expected;
mod fixture;
mod inner_flow;
mod recorder;
mod sandbox;
mod stage;

pub use definition::{Readable, Recording, Server, Service};
pub use expected::{Expected, ExpectedFlow};
pub use fixture::frames;
pub use inner_flow::{Conversation, IpTransport, Packet, conversations};
pub use recorder::record;
pub use sandbox::run_in_sandbox;
pub use stage::{CLIENT, SERVER};
