//! Compares what the tests reached with what the product promises: metrics, reasons, causes, exit codes, keys.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::libtest::Tally;
use crate::paths::{Ctx, make_dir};
use crate::proc::run;

/// Names the folder in which test programs note what they reach.
pub(super) const FOLDER: &str = "OVERLAY_TEST_REACHED";

/// The notes of this machine and of all guests.
pub(super) fn folder(ctx: &Ctx) -> PathBuf {
    ctx.path("target/test/reached")
}

/// Empties the folder.
pub(super) fn forget(ctx: &Ctx) -> Result<()> {
    let folder = folder(ctx);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    make_dir(&folder)
}

/// Keeps what the tests of a guest reached.
pub(super) fn keep(ctx: &Ctx, place: &str, tally: &Tally) -> Result<()> {
    let file = folder(ctx).join(place.replace(' ', "-"));
    std::fs::write(&file, tally.reached.join("\n"))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Fails, and prints a list, if a promise was reached by no test.
pub(super) fn compare(ctx: &Ctx) -> Result<()> {
    // Cargo builds all programs into the folder of this one.
    let us = std::env::current_exe().context("cannot find this program's own file")?;
    let mut cmd = Command::new(us.with_file_name("unreached"));
    cmd.arg(folder(ctx));
    run(&mut cmd)
}
