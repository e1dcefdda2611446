//! Finds or builds cargo-deny.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::{Ctx, make_dir};
use crate::proc::{cargo_path, isolated_cargo, output, quote, run_with_progress, say};

const VERSION: &str = "0.20.2";
const PROGRAM: &str = "cargo-deny";

/// The program: ours, or the one on PATH. `None` if there is none.
pub(crate) fn find(ctx: &Ctx) -> Option<PathBuf> {
    let starts = |program: &PathBuf| {
        output(Command::new(program).arg("--version")).is_ok_and(|out| out.status.success())
    };
    let candidates = [root(ctx).join("bin").join(PROGRAM), PathBuf::from(PROGRAM)];
    candidates.into_iter().find(starts)
}

/// Builds it into our cache.
pub(crate) fn install(ctx: &Ctx) -> Result<PathBuf> {
    let arguments = [
        "install",
        "--locked",
        PROGRAM,
        "--version",
        VERSION,
        "--root",
    ];
    let folder = root(ctx);
    if !ctx.install {
        bail!(
            "{PROGRAM} is missing, and --no-install was given.\nRun this, then the same xtask command again:\n\n    \
             cargo {} {}",
            arguments.join(" "),
            quote(&folder.to_string_lossy())
        );
    }
    say(format!(
        "building {PROGRAM} {VERSION}: it checks licences and advisories (once, some minutes)"
    ));
    make_dir(&folder)?;
    let mut cmd = isolated_cargo(&cargo_path());
    cmd.args(arguments)
        .arg(&folder)
        // Not in a workspace whose settings cargo install would read.
        .current_dir(&folder)
        // It runs for seconds: to optimise it takes longer.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
    run_with_progress("cargo install cargo-deny", &mut cmd)?;
    find(ctx).with_context(|| format!("the {PROGRAM} in {} does not start", folder.display()))
}

fn root(ctx: &Ctx) -> PathBuf {
    ctx.cache().join(format!("tools/{PROGRAM}-{VERSION}"))
}
