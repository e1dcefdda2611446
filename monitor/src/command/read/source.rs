//! Opens a capture file by its name.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::anyhow;

use crate::base::failure::Failure;
use crate::traffic::capture::{Input, Stop};
use monitor_classify::text::escape;

/// Longest name that is shown, in characters.
const NAME: usize = 200;

/// The name of a file in messages.
pub(super) fn name(path: &Path) -> String {
    if is_standard_input(path) {
        "standard input".to_owned()
    } else {
        escape(path.as_os_str().as_encoded_bytes(), NAME)
    }
}

fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Opens a file, and returns its length, if it has one.
///
/// # Errors
/// A runtime failure that names the file.
pub(super) fn open(path: &Path, stop: Stop) -> Result<(Input, Option<u64>), Failure> {
    if is_standard_input(path) {
        return Ok((Input::open(io::stdin(), stop), None));
    }
    let failed =
        |error: io::Error| Failure::runtime(anyhow!("cannot open {}: {error}", name(path)));
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if meta.is_dir() {
        return Err(Failure::runtime(anyhow!(
            "{} is a folder: give the capture files in it",
            name(path)
        )));
    }
    let length = meta.is_file().then_some(meta.len());
    Ok((Input::open(file, stop), length))
}
