//! `cargo xtask package`: one static program, the packages of Debian and of RPM with all that belongs to it, an image, and the
//! bill of materials.

mod bill;
mod commit;
mod content;
mod findings;
mod image;
mod product;
mod rpm;
mod tar;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use commit::Commit;
pub(crate) use product::digest;
use product::{PROFILE, PROGRAM, TARGET};

use crate::paths::{Ctx, make_dir};
use crate::proc::{capture, cargo_path, isolated_cargo, run, say};
use crate::setup::cargo_tool::{DEB, RPM};
use crate::setup::{apt, packages};

/// The C library is in the program, so that it runs on any distribution and in an empty image.
const STATIC: &str = "-Ctarget-feature=+crt-static";
/// Largest program, in bytes.
const PROGRAM_MAX: u64 = 15_000_000;
const SUMS: &str = "SHA256SUMS";

/// Builds the packages, and checks what is in them.
pub(crate) fn main(ctx: &Ctx) -> Result<()> {
    apt::ensure(ctx, &packages::package(), &[])?;
    let (deb_tool, rpm_tool) = (DEB.get(ctx)?, RPM.get(ctx)?);
    let out = ctx.path("target/package");
    let commit = Commit::checked_out(ctx)?;
    let program = program(ctx, &out)?;
    is_static_and_small(&program)?;
    beside(ctx, &out)?;
    let version = version(ctx)?;
    let bill_of_materials = out.join("sbom.cdx.json");
    bill::write(ctx, &bill_of_materials, (&version, &commit.time))?;

    let folder = out.join("dist");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    make_dir(&folder)?;
    let deb = twice(&out, &folder, |to| deb(ctx, &deb_tool, &out, &commit, to))?;
    content::check(&deb)?;
    let rpm = twice(&out, &folder, |to| {
        rpm::make(ctx, &rpm_tool, &out, &commit, to)
    })?;
    findings::none(ctx, &deb, &rpm)?;
    let parts = image::Parts {
        program: &program,
        bill: &bill_of_materials,
        licences: &ctx.path("LICENSES"),
        version: &version,
        revision: &commit.revision,
        seconds: &commit.seconds,
        time: &commit.time,
    };
    let name = format!("{PROGRAM}-{version}.oci.tar");
    let image = twice(&out, &folder, |to| {
        image::make(&parts, &out.join("image"), &to.join(&name))
    })?;
    let mut files = vec![deb, rpm, image];
    for path in [&program, &bill_of_materials] {
        let to = folder.join(path.file_name().context("a file has no name")?);
        fs::copy(path, &to)?;
        files.push(to);
    }
    sums(&folder, &files)?;
    say(format!("packages: {}", folder.display()));
    Ok(())
}

/// Makes a file two times, and takes it over if both are the same.
fn twice(out: &Path, folder: &Path, make: impl Fn(&Path) -> Result<()>) -> Result<PathBuf> {
    let one = |name: &str| -> Result<PathBuf> {
        let folder = out.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        make_dir(&folder)?;
        make(&folder)?;
        let mut entries = fs::read_dir(&folder)?;
        let entry = entries.next().context("nothing was written")??;
        Ok(entry.path())
    };
    let (first, second) = (one("first")?, one("second")?);
    if digest(&fs::read(&first)?) != digest(&fs::read(&second)?) {
        bail!(
            "two packages of the same files differ: {} and {}",
            first.display(),
            second.display()
        );
    }
    let to = folder.join(first.file_name().context("the package has no name")?);
    fs::copy(&first, &to)?;
    Ok(to)
}

/// The version of the workspace.
fn version(ctx: &Ctx) -> Result<String> {
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(ctx.path("Cargo.toml"))?)?;
    let version = manifest["workspace"]["package"]["version"].as_str();
    Ok(version.context("the workspace has no version")?.to_owned())
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
        "--profile",
        PROFILE,
        "--package",
        "monitor",
        "--bins",
    ]);
    run(cmd.args(["--target", TARGET]))?;
    Ok(out.join(TARGET).join(PROFILE).join(PROGRAM))
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
    run(cmd.arg(&files))?;
    // cargo-deb compresses them itself.
    let pages = fs::read_dir(files.join("man"))?.map(|entry| Ok(entry?.path()));
    let mut cmd = Command::new("gzip");
    cmd.args(["--best", "--no-name", "--keep"])
        .args(pages.collect::<Result<Vec<_>>>()?);
    run(&mut cmd)
}

fn deb(ctx: &Ctx, tool: &Path, out: &Path, commit: &Commit, to: &Path) -> Result<()> {
    say("packing for Debian");
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
        .args(["--target", TARGET, "--profile", PROFILE, "--output"])
        .arg(to)
        .env("CARGO_TARGET_DIR", out)
        // Times of files would differ.
        .env("SOURCE_DATE_EPOCH", &commit.seconds);
    run(&mut cmd)
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

/// Writes the digests as `sha256sum --check` reads them.
fn sums(folder: &Path, files: &[PathBuf]) -> Result<()> {
    let mut text = String::new();
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        text.push_str(&format!("{}  {name}\n", digest(&fs::read(file)?)));
    }
    fs::write(folder.join(SUMS), text)?;
    Ok(())
}
