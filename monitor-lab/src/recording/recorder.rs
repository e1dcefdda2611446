//! Plays a recording and writes its fixture.

use crate::error::{Error, Result};
use crate::recording::definition::Recording;
use crate::recording::expected::Expected;
use crate::recording::{fixture, sandbox, stage};

/// Plays a recording in this process, which [`super::run_in_sandbox`] must have started, and writes `NAME.pcap` and
/// `NAME.json` to the folder given there. Returns a summary: numbers of flows, packets and bytes.
///
/// # Errors
/// When a program is missing, a server does not start, a client fails, or the wire carries a flow that the
/// recording does not declare.
pub fn record(recording: &Recording) -> Result<String> {
    let folder = sandbox::enter()?;
    let capture = stage::play(recording)?;
    let (kept, flows) = fixture::select(&capture, &recording.service)
        .map_err(|what| Error::Usage(format!("recording {}: {what}", recording.name)))?;
    let summary = format!(
        "{} flows, {} packets, {} bytes",
        flows.len(),
        flows.iter().map(|flow| flow.packets).sum::<usize>(),
        kept.len()
    );
    let expected = Expected::new(recording, flows)?;
    expected.write(&folder, &kept)?;
    Ok(summary)
}
