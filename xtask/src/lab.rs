//! `cargo xtask demo` and `bench`: build, then start the lab's binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::build;
use crate::paths::Ctx;
use crate::proc::{output, say, shown};
use crate::setup::{apt, packages, unpack};
use crate::vm;

const BINARY: &str = "overlay-lab";

/// The tutorial's story. Its encrypted steps need ESP; where this kernel has
/// none they run in the virtual machine.
pub(crate) fn demo(ctx: &Ctx) -> Result<u8> {
    apt::ensure(ctx, &packages::lab(), &[])?;
    build::build(ctx, false)?;
    let lab = binary(ctx, false)?;
    if kernel_has_esp() {
        return start(Command::new(lab).arg("demo"));
    }
    say("this kernel has no IPsec (ESP): step 1 runs here, steps 2 to 4 in a virtual machine");
    // One table in the end.
    let rows = lab.with_file_name("demo-step-1.json");
    let _ = std::fs::remove_file(&rows);
    let first = start(
        Command::new(&lab)
            .args(["demo", "--steps", "1", "--hand-on"])
            .arg(&rows),
    )?;
    let (lab, rows) = (lab.to_string_lossy(), rows.to_string_lossy());
    let mut command = vec![&*lab, "demo", "--steps", "2-4"];
    // If step 1 broke off, there is none.
    if Path::new(&*rows).is_file() {
        command.extend(["--after", &rows]);
    }
    let job = vm::Job::new(&ctx.root, &command);
    let rest = vm::run(ctx, &job, &mut std::io::stdout())
        .context("steps 2 to 4 of the demo could not run: they need ESP or a virtual machine")?;
    for (steps, code) in [("step 1", first), ("steps 2 to 4", rest)] {
        if code != 0 {
            say(format!("{steps} failed (exit code {code})"));
        }
    }
    Ok(if first == 0 { rest } else { first })
}

/// Measures; `args` go to the lab as they are.
pub(crate) fn bench(ctx: &Ctx, args: &[String]) -> Result<u8> {
    apt::ensure(ctx, &packages::bench(), &[])?;
    // Optimised: the agent's own CPU is measured, too.
    build::build(ctx, true)?;
    start(Command::new(binary(ctx, true)?).arg("bench").args(args))
}

/// Records fixtures; `args` go to the lab as they are.
pub(crate) fn record(ctx: &Ctx, args: &[String]) -> Result<u8> {
    apt::ensure(ctx, &packages::record(), &[])?;
    let tree = ctx.cache().join("record/tree");
    unpack::once(&tree, |fresh| {
        for package in packages::RECORD_UNPACKED {
            // To install these would remove a package of the machine, or change how it resolves names.
            unpack::may_fetch(ctx, package, &format!("apt-get download {package}"))?;
            unpack::Source::own().unpack(package, &unpack::closure(&[package])?, fresh)?;
        }
        Ok(())
    })?;
    build::build(ctx, false)?;
    let mut cmd = Command::new(binary(ctx, false)?);
    cmd.current_dir(&ctx.root)
        .args(["record", "--over"])
        .arg(tree)
        .args(args);
    start(&mut cmd)
}

fn binary(ctx: &Ctx, release: bool) -> Result<PathBuf> {
    Ok(build::out_dir(ctx, release)?.join(BINARY))
}

fn start(cmd: &mut Command) -> Result<u8> {
    let status = cmd
        .status()
        .with_context(|| format!("cannot start `{}`", shown(cmd)))?;
    // Killed by a signal: no code.
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}

/// Tries it: adds an IPsec state as Docker does, in a network namespace of its own.
fn kernel_has_esp() -> bool {
    let mut cmd = Command::new("unshare");
    cmd.args(["--net", "ip", "xfrm", "state", "add"])
        .args([
            "src",
            "192.0.2.1",
            "dst",
            "192.0.2.2",
            "proto",
            "esp",
            "spi",
            "1",
        ])
        .args([
            "reqid",
            "1",
            "mode",
            "transport",
            "aead",
            "rfc4106(gcm(aes))",
        ])
        .args(["0x000102030405060708090a0b0c0d0e0f10111213", "64"]);
    output(&mut cmd).is_ok_and(|out| out.status.success())
}
