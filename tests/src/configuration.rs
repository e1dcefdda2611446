//! What the agent makes of a configuration file.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use monitor::command::cli::{ExportArgs, PolicyArgs, WatchArgs};
use monitor::command::settings::{Defaults, plan};

/// What `run` makes of a configuration file, for a comparison.
///
/// # Errors
/// The message of the failure, if the file is not valid.
pub fn parsed(text: &str) -> Result<String, String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("overlay-configuration-{}-{number}", std::process::id());
    let path: PathBuf = std::env::temp_dir().join(name);
    std::fs::write(&path, text).unwrap();
    let args = WatchArgs {
        config: Some(path.clone()),
        ..WatchArgs::default()
    };
    let plan = plan(
        &args,
        &PolicyArgs::default(),
        &ExportArgs::default(),
        Defaults::RUN,
    );
    std::fs::remove_file(&path).unwrap();
    match plan {
        Ok(plan) => Ok(format!("{plan:#?}")),
        Err(failure) => Err(format!("{failure}")),
    }
}

/// The keys that a configuration file can have, as the message on an unknown one lists them.
#[must_use]
pub fn keys() -> Vec<String> {
    let refused = parsed("no_such_key = 1").unwrap_err();
    let (_, keys) = refused.split_once("expected one of ").unwrap();
    let keys = keys.split('`').skip(1).step_by(2);
    keys.map(str::to_owned).collect()
}
