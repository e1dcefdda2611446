//! Metrics of the agent's own process, under the names that Prometheus' client libraries give them.

use std::fmt;

use super::definition::{Definition, Rows, Type};
use crate::agent::snapshot::Snapshot;
use crate::host::process_use::ProcessUse;

/// Prefix of the names of [`PROCESS_TABLE`].
pub const PROCESS: &str = "process";

/// What the process uses; absent where `/proc` does not say it.
pub const PROCESS_TABLE: &[Definition] = &[
    Definition {
        name: "cpu_seconds",
        kind: Type::Counter,
        labels: &[],
        help: "CPU time of the agent in user space and in the kernel, without that of its programs in the kernel",
        rows: |snapshot, rows| of(snapshot, rows, |used| Some(used.cpu.as_secs_f64())),
    },
    Definition {
        name: "resident_memory_bytes",
        kind: Type::Gauge,
        labels: &[],
        help: "Memory of the agent that is in RAM, without its maps in the kernel",
        rows: |snapshot, rows| of(snapshot, rows, |used| Some(used.resident as f64)),
    },
    Definition {
        name: "virtual_memory_bytes",
        kind: Type::Gauge,
        labels: &[],
        help: "Address space of the agent",
        rows: |snapshot, rows| of(snapshot, rows, |used| Some(used.address_space as f64)),
    },
    Definition {
        name: "open_fds",
        kind: Type::Gauge,
        labels: &[],
        help: "File descriptors that the agent has open",
        rows: |snapshot, rows| of(snapshot, rows, |used| Some(used.open_files as f64)),
    },
    Definition {
        name: "max_fds",
        kind: Type::Gauge,
        labels: &[],
        help: "File descriptors that the agent may have open; absent without a limit",
        rows: |snapshot, rows| of(snapshot, rows, |used| Some(used.max_files? as f64)),
    },
    Definition {
        name: "start_time_seconds",
        kind: Type::Gauge,
        labels: &[],
        help: "When the agent started, in seconds of the Unix epoch",
        rows: |snapshot, rows| of(snapshot, rows, |used| Some(used.started)),
    },
];

fn of(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&ProcessUse) -> Option<f64>,
) -> fmt::Result {
    match snapshot.process.as_ref().and_then(value) {
        Some(value) => rows.number(&[], value),
        None => Ok(()),
    }
}
