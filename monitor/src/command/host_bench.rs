//! The bench of this host, for forecasts.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use anyhow::Context;

use crate::base::failure::Failure;
use crate::surface::forecast::{BenchRecord, RECORD_MAX};

/// Where it is looked for.
const BENCH: &str = "/etc/overlay-monitor/encryption-cost.json";

/// Reads the bench in this file, or in the usual one if that exists.
///
/// # Errors
/// A usage failure: the file cannot be read, or is no bench.
pub(super) fn read(file: Option<&Path>) -> Result<Option<BenchRecord>, Failure> {
    let path = file.unwrap_or(Path::new(BENCH));
    let read = || {
        let opened = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && file.is_none() => return Ok(None),
            opened => opened?,
        };
        let mut json = Vec::new();
        opened.take(RECORD_MAX).read_to_end(&mut json)?;
        BenchRecord::parse(&json).map(Some)
    };
    let read: anyhow::Result<_> = read();
    let read = read.with_context(|| format!("cannot take the bench {}", path.display()));
    read.map_err(Failure::usage)
}
