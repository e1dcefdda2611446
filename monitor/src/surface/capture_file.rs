//! Samples written to a capture file.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;

use crate::agent::session::DecodedSample;
use crate::base::failure::Failure;
use crate::surface::private_file::open_stream;
use crate::traffic::capture::pcapng_writer::{Saved, Writer};
use monitor_classify::text::escape;

/// A capture file that samples are written to.
pub struct CaptureFile {
    writer: Writer<BufWriter<File>>,
    path: PathBuf,
}

impl CaptureFile {
    /// Creates the file, or empties an existing one. To be called once everything else has worked. Only its owner may read
    /// it, because payloads contain secrets.
    ///
    /// # Errors
    /// A runtime failure that names the file.
    pub fn create(path: &Path) -> Result<CaptureFile, Failure> {
        let writer = open_stream(path).and_then(|file| Writer::new(BufWriter::new(file)));
        let writer = writer.map_err(|error| failure(path, &error))?;
        Ok(CaptureFile {
            writer,
            path: path.to_owned(),
        })
    }

    /// Writes a sample, with its verdict as comment.
    ///
    /// # Errors
    /// A runtime failure that names the file.
    pub fn save(&mut self, seen: &DecodedSample<'_>) -> Result<(), Failure> {
        let sample = seen.sample;
        let saved = Saved {
            time_ns: i64::try_from(seen.time.as_nanosecond()).unwrap_or_default(),
            interface: seen.interface,
            direction: sample.direction,
            link: sample.link,
            bytes: sample.frame,
            wire_len: sample.frame_len,
            comment: &seen.record.comment(),
        };
        let written = self.writer.save(&saved);
        written.map_err(|error| failure(&self.path, &error))
    }

    /// Flushes what was written to the operating system.
    ///
    /// # Errors
    /// A runtime failure that names the file.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.writer.flush();
        flushed.map_err(|error| failure(&self.path, &error))
    }
}

/// How often the file is flushed.
const FLUSH: Duration = Duration::from_secs(1);

/// Flushes the file regularly, until the future is dropped.
///
/// # Errors
/// As [`CaptureFile::flush`].
pub async fn keep_flushed(file: &RefCell<Option<CaptureFile>>) -> Result<Infallible, Failure> {
    let mut tick = tokio::time::interval(FLUSH);
    loop {
        tick.tick().await;
        if let Some(file) = file.borrow_mut().as_mut() {
            file.flush()?;
        }
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    let name = escape(path.as_os_str().as_encoded_bytes(), 200);
    Failure::runtime(anyhow!("cannot write {name}: {error}"))
}
