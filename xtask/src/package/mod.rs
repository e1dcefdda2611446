//! `cargo xtask package`: one static program, and the package of Debian with all that belongs to it.

mod content;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::paths::{Ctx, make_dir};
use crate::proc::{capture, cargo_path, isolated_cargo, run, say};
use crate::setup::cargo_tool::DEB;

/// The target of the packages. With a target named, the flags below do not reach build scripts and macros, which cannot be
/// static.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The C library is in the program, so that it runs on any distribution and in an empty image.
const STATIC: &str = "-Ctarget-feature=+crt-static";
/// Largest program, in bytes.
const PROGRAM_MAX: u64 = 15_000_000;
const PROGRAM: &str = "overlay-monitor";
const SUMS: &str = "SHA256SUMS";

/// Builds the package, and checks what is in it.
pub(crate) fn main(ctx: &Ctx) -> Result<()> {
    let deb_tool = DEB.get(ctx)?;
    let out = ctx.path("target/package");
    let program = program(ctx, &out)?;
    is_static_and_small(&program)?;
    beside(ctx, &out)?;
    let first = deb(ctx, &deb_tool, &out, "first")?;
    let second = deb(ctx, &deb_tool, &out, "second")?;
    if digest(&first)? != digest(&second)? {
        bail!(
            "two packages of the same files differ: {} and {}",
            first.display(),
            second.display()
        );
    }
    content::check(&first)?;
    let folder = out.join("dist");
    make_dir(&folder)?;
    let name = first.file_name().context("the package has no name")?;
    let deb = folder.join(name);
    fs::copy(&first, &deb)?;
    let alone = folder.join(PROGRAM);
    fs::copy(&program, &alone)?;
    sums(&folder, &[deb, alone])?;
    say(format!("packages: {}", folder.display()));
    Ok(())
}

/// A cargo command whose output does not depend on where it runs.
fn build(ctx: &Ctx, out: &Path) -> Command {
    let mut flags = vec![STATIC.to_owned()];
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let folders = [Some(ctx.root.clone()), home];
    for (folder, name) in folders.into_iter().zip(["/overlay-monitor", "/cargo"]) {
        if let Some(folder) = folder {
            flags.push(format!("--remap-path-prefix={}={name}", folder.display()));
        }
    }
    let mut cmd = isolated_cargo(&cargo_path());
    cmd.current_dir(&ctx.root)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_TARGET_DIR", out);
    cmd
}

fn program(ctx: &Ctx, out: &Path) -> Result<PathBuf> {
    say("building the static program");
    let mut cmd = build(ctx, out);
    cmd.args([
        "build",
        "--locked",
        "--release",
        "--package",
        "monitor",
        "--bins",
    ]);
    run(cmd.args(["--target", TARGET]))?;
    Ok(out.join(TARGET).join("release").join(PROGRAM))
}

/// Writes man pages and completions.
fn beside(ctx: &Ctx, out: &Path) -> Result<()> {
    say("writing man pages and completions");
    let files = out.join("files");
    if files.exists() {
        fs::remove_dir_all(&files)?;
    }
    let mut cmd = crate::proc::cargo();
    cmd.current_dir(&ctx.root).args([
        "run",
        "--locked",
        "--quiet",
        "--package",
        "monitor",
        "--example",
        "manual",
        "--",
    ]);
    run(cmd.arg(&files))
}

fn deb(ctx: &Ctx, tool: &Path, out: &Path, name: &str) -> Result<PathBuf> {
    say(format!("packing the {name} package"));
    let folder = out.join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    make_dir(&folder)?;
    let mut cmd = Command::new(tool);
    cmd.current_dir(&ctx.root)
        .args([
            "deb",
            "--no-build",
            "--no-strip",
            "--no-dbgsym",
            "--package",
            "monitor",
        ])
        .args(["--target", TARGET, "--output"])
        .arg(&folder)
        .env("CARGO_TARGET_DIR", out)
        // Times of files would differ.
        .env("SOURCE_DATE_EPOCH", committed_at(ctx)?);
    run(&mut cmd)?;
    let entries = fs::read_dir(&folder)?;
    let packages = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut packages = packages.filter(|path| path.extension().is_some_and(|end| end == "deb"));
    packages.next().context("cargo-deb wrote no package")
}

/// When the commit that is checked out was made, in seconds.
fn committed_at(ctx: &Ctx) -> Result<String> {
    let mut cmd = Command::new("git");
    cmd.current_dir(&ctx.root)
        .args(["log", "-1", "--format=%ct"]);
    let seconds = capture(&mut cmd).context("the time of the commit stands in the package")?;
    Ok(seconds.trim().to_owned())
}

fn is_static_and_small(program: &Path) -> Result<()> {
    let headers = capture(
        Command::new("readelf")
            .arg("--program-headers")
            .arg(program),
    )?;
    if headers.contains("INTERP") {
        bail!("{} is not static: it asks for a loader", program.display());
    }
    let bytes = fs::metadata(program)?.len();
    say(format!("the program has {bytes} bytes"));
    if bytes > PROGRAM_MAX {
        bail!(
            "{} has {bytes} bytes, and at most {PROGRAM_MAX} are wanted",
            program.display()
        );
    }
    Ok(())
}

fn digest(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let digest = Sha256::digest(bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes the digests as `sha256sum --check` reads them.
fn sums(folder: &Path, files: &[PathBuf]) -> Result<()> {
    let mut text = String::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        text.push_str(&format!("{}  {name}\n", digest(file)?));
    }
    fs::write(folder.join(SUMS), text)?;
    Ok(())
}
