//! The engine with the targets in it, instrumented.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths::Ctx;
use crate::proc::{capture, cargo, run, say};

/// LLVM's coverage for libFuzzer: counters of edges, and what comparisons compare. No sanitizer is among them (those take
/// a nightly compiler): Rust's own checks find what goes wrong, with assertions and overflow checks switched on.
const FLAGS: &[&str] = &[
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Builds it into `folder`, apart from other builds, whose code is not instrumented.
pub(super) fn build(ctx: &Ctx, folder: &Path) -> Result<PathBuf> {
    let host = host()?;
    say("building the fuzz targets, optimised and instrumented");
    let mut cmd = cargo();
    cmd.current_dir(&ctx.root)
        .args(["build", "-p", "overlay-fuzz", "--bin", "overlay-fuzz"])
        .args(["--features", "engine", "--profile", "fuzz"])
        // With a target named, the flags are not for what runs in the build.
        .args(["--target", &host, "--target-dir"])
        .arg(folder)
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"));
    run(&mut cmd).context("the fuzz targets do not build; the compiler's words are above")?;
    Ok(folder.join(host).join("fuzz/overlay-fuzz"))
}

/// The target triple of this machine.
fn host() -> Result<String> {
    let version = capture(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("`rustc -vV` names no host")?.to_owned())
}
