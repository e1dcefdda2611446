//! Samples saved to a capture file.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use jiff::Timestamp;
use monitor_common::sample::Sample;

use crate::base::failure::Failure;
use crate::traffic::capture::pcapng_writer::{Saved, Writer};
use crate::traffic::sample_record::SampleRecord;
use monitor_classify::text::escape;

/// A capture file that samples are saved to.
pub struct Save {
    writer: Writer<BufWriter<File>>,
    path: PathBuf,
}

impl Save {
    /// Makes the file, or empties it if it is there.
    ///
    /// # Errors
    /// A runtime failure that names it.
    pub fn create(path: &Path) -> Result<Save, Failure> {
        let writer = Writer::create(path).map_err(|error| failure(path, &error))?;
        Ok(Save {
            writer,
            path: path.to_owned(),
        })
    }

    /// Saves a sample, and what was found in it.
    ///
    /// # Errors
    /// A runtime failure that names the file.
    pub fn save(
        &mut self,
        sample: &Sample<'_>,
        record: &SampleRecord,
        time: Timestamp,
        interface: &str,
    ) -> Result<(), Failure> {
        let saved = Saved {
            time_ns: i64::try_from(time.as_nanosecond()).unwrap_or_default(),
            interface,
            direction: sample.direction,
            link: sample.link,
            bytes: sample.frame,
            wire_len: sample.frame_len,
            comment: &record.comment(),
        };
        let written = self.writer.save(&saved);
        written.map_err(|error| failure(&self.path, &error))
    }

    /// Hands what was saved to the system.
    ///
    /// # Errors
    /// A runtime failure that names the file.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let flushed = self.writer.flush();
        flushed.map_err(|error| failure(&self.path, &error))
    }
}

/// How often what was saved is handed to the system.
const FLUSH: Duration = Duration::from_secs(1);

/// Hands what was saved to the system, until the future is dropped.
///
/// # Errors
/// As [`Save::flush`].
pub async fn keep_flushed(file: &RefCell<Option<Save>>) -> Result<(), Failure> {
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
