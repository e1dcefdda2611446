//! Licences, sources and advisories of every dependency: cargo-deny, with `deny.toml`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::paths::Ctx;
use crate::proc::{capture, run, say};
use crate::setup::deny;

/// The workspaces, each with a lock file.
const MANIFESTS: &[&str] = &["Cargo.toml", "monitor-ebpf/Cargo.toml"];

/// Fails if a dependency is not allowed by `deny.toml`. Builds cargo-deny if `install` says so and it is missing.
pub(super) fn check(ctx: &Ctx, install: bool) -> Result<()> {
    let program = match deny::find(ctx) {
        Some(program) => program,
        None if install => deny::install(ctx)?,
        None => {
            say(
                "cargo-deny is not installed: licences and advisories were not checked; `cargo xtask lint --deny` installs it",
            );
            return Ok(());
        }
    };
    // The database of advisories is a Git repository; everything else is in the packages.
    let database = capture(deny(&program, ctx, MANIFESTS[0]).args(["fetch", "db"]));
    if let Err(error) = &database {
        let error = format!("{error:#}");
        let last = error.lines().next_back().unwrap_or_default();
        say(format!(
            "advisories were not checked: their database cannot be fetched: {last}"
        ));
    }
    for manifest in MANIFESTS {
        let mut cmd = deny(&program, ctx, manifest);
        cmd.args([
            "check",
            "--disable-fetch",
            "--hide-inclusion-graph",
            "--config",
        ])
        .arg(ctx.path("deny.toml"))
        .args(["licenses", "bans", "sources"]);
        if database.is_ok() {
            cmd.arg("advisories");
        }
        run(&mut cmd)?;
    }
    Ok(())
}

fn deny(program: &Path, ctx: &Ctx, manifest: &str) -> Command {
    let mut cmd = Command::new(program);
    cmd.args(["--log-level", "error", "--manifest-path"])
        .arg(ctx.path(manifest));
    cmd
}
