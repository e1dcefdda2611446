//! Licences, sources and advisories of every dependency: cargo-deny, with `deny.toml`.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::paths::Ctx;
use crate::proc::{capture, run, say};
use crate::setup::cargo_tool::DENY;

/// The workspaces, each with a lock file.
const MANIFESTS: &[&str] = &["Cargo.toml", "monitor-ebpf/Cargo.toml"];

/// Fails if a dependency is not allowed by `deny.toml`.
pub(super) fn check(ctx: &Ctx) -> Result<()> {
    let program = DENY.get(ctx)?;
    let mut checks = vec!["licenses", "bans", "sources"];
    // Their database is a Git repository; everything else is in the packages.
    match capture(deny(&program, ctx, MANIFESTS[0]).args(["fetch", "db"])) {
        Ok(_) => checks.push("advisories"),
        Err(error) => {
            let error = format!("{error:#}");
            let last = error.lines().next_back().unwrap_or_default();
            say(format!(
                "advisories were not checked: their database cannot be fetched: {last}"
            ));
        }
    }
    for manifest in MANIFESTS {
        let mut cmd = deny(&program, ctx, manifest);
        cmd.args(["check", "--hide-inclusion-graph"]).args(&checks);
        run(&mut cmd)?;
    }
    Ok(())
}

fn deny(program: &Path, ctx: &Ctx, manifest: &str) -> Command {
    let mut cmd = Command::new(program);
    cmd.args(["--log-level", "error", "--locked", "--config"])
        .arg(ctx.path("deny.toml"))
        .arg("--manifest-path")
        .arg(ctx.path(manifest));
    cmd
}
