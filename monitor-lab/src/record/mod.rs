//! Real traffic of real servers and clients as fixtures: what `overlay-lab record` records.
//!
//! A [`Recording`] says how a server is configured, what its clients do, and what must be on the wire then.
//! Server and client run in two containers of a quiet lab; `tcpdump` writes what crosses the wire between
//! the nodes, VXLAN and all. The beginning of every flow goes to `NAME.pcap`, and what is known about it,
//! because the recorder made it so, to `NAME.json`. No classifier is asked.

mod capture;
mod expected;
mod flow;
mod recording;
mod sandbox;
mod stage;

pub use capture::frames;
pub use expected::{Expected, ExpectedFlow, Readable};
pub use flow::{Conversation, IpTransport, Packet, conversations};
pub use recording::{Recording, Server, Service};
pub use sandbox::run_in_sandbox;

use crate::error::{Error, Result};

/// Where the server is: the container on node1.
pub const SERVER: &str = "10.0.1.7";
/// Where the clients are: a container on node2.
pub const CLIENT: &str = "10.0.1.9";

/// Records one protocol into the folder that [`run_in_sandbox`] was given, in the process that it started.
///
/// # Errors
/// A missing program, a server that does not come up, a client that fails, or a flow on the wire that
/// nobody declared.
pub fn record(recording: &Recording) -> Result<String> {
    let folder = sandbox::enter()?;
    let whole = stage::play(recording)?;
    let (capture, flows) = capture::cut(&whole, &recording.service)
        .map_err(|what| Error::Usage(format!("recording {}: {what}", recording.name)))?;
    let said = format!(
        "{} flows, {} packets, {} bytes",
        flows.len(),
        flows.iter().map(|flow| flow.packets).sum::<usize>(),
        capture.len()
    );
    let expected = Expected::new(recording, flows)?;
    expected.write(&folder, &capture)?;
    Ok(said)
}
