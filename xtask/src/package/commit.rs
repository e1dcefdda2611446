//! The commit whose packages are made.

use std::process::Command;

use anyhow::{Context, Result};

use crate::paths::Ctx;
use crate::proc::capture;

/// The commit that is checked out, with its time in seconds and as text.
pub(super) struct Commit {
    pub(super) revision: String,
    pub(super) seconds: String,
    pub(super) time: String,
}

impl Commit {
    /// Reads it from git.
    pub(super) fn checked_out(ctx: &Ctx) -> Result<Commit> {
        let show = |format: &str| -> Result<String> {
            let mut cmd = Command::new("git");
            cmd.current_dir(&ctx.root)
                .env("TZ", "UTC")
                .args(["log", "-1", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"])
                .arg(format!("--format={format}"));
            let text = capture(&mut cmd).context("the commit stands in the packages")?;
            Ok(text.trim().to_owned())
        };
        Ok(Commit {
            revision: show("%H")?,
            seconds: show("%ct")?,
            time: show("%cd")?,
        })
    }
}
