//! `cargo xtask lint`: every check of the sources that runs no test.

mod dependencies;
pub(crate) mod imports;

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::Ctx;
use crate::proc::{capture, cargo, output, run, say};
use crate::{deploy, ebpf, monitoring, setup};

/// Runs all checks, also if one fails; the error names those that did.
pub(crate) fn main(ctx: &Ctx) -> Result<()> {
    components(ctx)?;
    let mut failed = Vec::new();
    let mut check = |name: &str, result: Result<()>| match result {
        Ok(()) => say(format!("{name}: ok")),
        Err(error) => {
            say(format!("{name}: {error:#}"));
            failed.push(name.to_owned());
        }
    };
    check("format", format(ctx, "Cargo.toml"));
    check(
        "format of the kernel programs",
        format(ctx, "monitor-ebpf/Cargo.toml"),
    );
    check("imports", imports::check(ctx));
    check("rules and dashboards", monitoring::check(ctx));
    check("what is deployed", deploy::check(ctx));
    check("clippy", clippy(ctx));
    check("links in the documentation of the code", rustdoc(ctx));
    // A contributor without LLVM can run all other checks.
    let tools = ebpf::tools(ctx)
        .inspect_err(|error| say(format!("no compiler for the kernel programs: {error:#}")))
        .ok();
    if let Some(tools) = &tools {
        check("clippy of the kernel programs", clippy_ebpf(ctx, tools));
    }
    check(
        "committed kernel programs",
        ebpf::check(ctx, tools.as_ref()),
    );
    check("licences and advisories", dependencies::check(ctx));
    if failed.is_empty() {
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "));
}

/// The checks that take no compiler.
pub(crate) fn quick(ctx: &Ctx) -> Result<()> {
    components(ctx)?;
    format(ctx, "Cargo.toml")?;
    format(ctx, "monitor-ebpf/Cargo.toml")?;
    monitoring::check(ctx)?;
    ebpf::check(ctx, None)
}

/// rustup's default profile has both; the minimal one has not.
fn components(ctx: &Ctx) -> Result<()> {
    const ADD: &str = "rustup component add clippy rustfmt";
    let there = |name: &str| {
        output(cargo().args([name, "--version"])).is_ok_and(|out| out.status.success())
    };
    if there("fmt") && there("clippy") {
        return Ok(());
    }
    if !ctx.install {
        bail!(
            "clippy or rustfmt is missing, and --no-install was given.\nRun this, then the same xtask command again:\n\n    {ADD}"
        );
    }
    say("installing clippy and rustfmt: they check the code");
    let mut words = ADD.split(' ');
    let mut cmd = Command::new(words.next().unwrap_or_default());
    capture(cmd.args(words))
        .context("clippy and rustfmt are missing, and rustup could not fetch them")?;
    Ok(())
}

fn format(ctx: &Ctx, manifest: &str) -> Result<()> {
    let mut cmd = cargo();
    // --all would also follow path dependencies into the other workspace: that is harmless.
    cmd.args(["fmt", "--all", "--check", "--manifest-path"])
        .arg(ctx.path(manifest));
    run(&mut cmd).context("not formatted; `cargo fmt --all` there puts it right")
}

fn clippy(ctx: &Ctx) -> Result<()> {
    let mut cmd = cargo();
    cmd.current_dir(&ctx.root).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--features",
        "overlay-tests/vm",
        "--",
        "-D",
        "warnings",
    ]);
    run(&mut cmd)
}

/// Documents everything, private items too, where a link that leads nowhere is an error. The examples in the documentation
/// are tests.
fn rustdoc(ctx: &Ctx) -> Result<()> {
    let mut cmd = cargo();
    cmd.current_dir(&ctx.root)
        .env("RUSTDOCFLAGS", "-D warnings")
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ]);
    run(&mut cmd)
}

fn clippy_ebpf(ctx: &Ctx, tools: &ebpf::Tools) -> Result<()> {
    if let Some(package) = setup::compiler::clippy_package(&tools.compiler) {
        setup::apt::ensure(ctx, &[package], &[])?;
    }
    tools.lint(ctx)
}
