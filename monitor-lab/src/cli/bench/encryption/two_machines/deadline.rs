//! Ends this process at a moment, whatever it does. The kernel then removes all that it has made.

use std::time::Duration;

use anyhow::Context;

/// Ends the process after `limit`.
pub(super) fn start(limit: Duration) -> anyhow::Result<()> {
    std::thread::Builder::new()
        .name("deadline".to_owned())
        .spawn(move || {
            std::thread::sleep(limit);
            eprintln!("overlay-lab: ended after {} s, as agreed", limit.as_secs());
            std::process::exit(4);
        })
        .context("cannot start a thread")?;
    Ok(())
}
