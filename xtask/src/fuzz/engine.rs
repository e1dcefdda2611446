//! Builds the fuzz targets with their engine.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::as_rustc::Change;
use crate::build;
use crate::paths::Ctx;
use crate::proc::{run, say};

/// Builds the engine, whose code is instrumented: the profile and the dependencies are those of the tests.
pub(super) fn build(ctx: &Ctx) -> Result<PathBuf> {
    say("building the fuzz targets, instrumented");
    let mut cmd = build::workspace(ctx, "build");
    cmd.args(["--bin", "overlay-fuzz", "--features", "overlay-fuzz/engine"]);
    Change::Coverage.apply(&mut cmd)?;
    run(&mut cmd).context("the fuzz targets do not build; see the compiler's errors above")?;
    Ok(build::out_dir(ctx, false)?.join("overlay-fuzz"))
}
