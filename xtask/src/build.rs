//! `cargo xtask build`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths::Ctx;
use crate::proc::{capture, cargo, run, say};

/// Builds the binaries, around the committed kernel programs.
pub(crate) fn build(ctx: &Ctx, release: bool) -> Result<()> {
    say("building the binaries");
    let mut cmd = workspace(ctx, "build");
    cmd.arg("--bins");
    if release {
        cmd.arg("--release");
    }
    run(&mut cmd).context("the binaries do not build; see the compiler's errors above")?;
    say(format!("built: {}", out_dir(ctx, release)?.display()));
    Ok(())
}

/// A cargo command on all packages but xtask, which runs. Always the same set with the same features: cargo compiles a
/// dependency again for every other set.
pub(crate) fn workspace(ctx: &Ctx, verb: &str) -> Command {
    let mut cmd = cargo();
    cmd.current_dir(&ctx.root)
        .args([verb, "--workspace", "--exclude", "xtask"]);
    cmd
}

/// Folder of the user-space binaries, absolute.
pub(crate) fn out_dir(ctx: &Ctx, release: bool) -> Result<PathBuf> {
    let mut cmd = cargo();
    cmd.current_dir(&ctx.root)
        .args(["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: serde_json::Value =
        serde_json::from_str(&capture(&mut cmd)?).context("`cargo metadata` printed no JSON")?;
    let target = metadata["target_directory"]
        .as_str()
        .context("`cargo metadata` names no target directory")?;
    Ok(PathBuf::from(target).join(if release { "release" } else { "debug" }))
}
