//! The package that is installed, and the next version of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::{Ctx, make_dir};
use crate::proc::capture;

/// Where the guest has the files: the next version apart, so that a pattern of the README finds one.
pub(super) const FOLDER: &str = "/root";
pub(super) const NEXT: &str = "/root/next";

/// What lies in [`FOLDER`] and [`NEXT`].
pub(super) struct Packages {
    /// The folder that lies over the guest's root.
    pub(super) tree: PathBuf,
    pub(super) version: String,
    pub(super) next: String,
}

/// Puts both below `folder`. Without a next version it is `first`, with another number.
pub(super) fn gather(
    ctx: &Ctx,
    folder: &Path,
    first: Option<&Path>,
    next: Option<&Path>,
) -> Result<Packages> {
    let first = match first {
        Some(path) => path.to_owned(),
        None => built(&ctx.path("target/package/dist"))?,
    };
    let tree = folder.join("tree");
    let (to, to_next) = (below(&tree, FOLDER), below(&tree, NEXT));
    make_dir(&to_next)?;
    copy_into(&to, &first)?;
    let version = version(&first)?;
    let next = match next {
        Some(path) => {
            copy_into(&to_next, path)?;
            self::version(path)?
        }
        None => repack(&first, &version, folder, &to_next)?,
    };
    if next == version {
        bail!("the next version is {next} too: there would be no upgrade");
    }
    Ok(Packages {
        tree,
        version,
        next,
    })
}

fn below(tree: &Path, absolute: &str) -> PathBuf {
    tree.join(absolute.trim_start_matches('/'))
}

/// The package that `cargo xtask package` made.
fn built(folder: &Path) -> Result<PathBuf> {
    let found = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|kind| kind == "deb"));
    found.with_context(|| {
        format!(
            "{} has no package; `cargo xtask package` makes it, or name one with --deb",
            folder.display()
        )
    })
}

fn copy_into(folder: &Path, file: &Path) -> Result<()> {
    let name = file.file_name().context("a package has a name")?;
    fs::copy(file, folder.join(name))
        .map(drop)
        .with_context(|| format!("cannot copy {}", file.display()))
}

fn version(package: &Path) -> Result<String> {
    let text = capture(
        Command::new("dpkg-deb")
            .arg("--field")
            .args([package.as_os_str(), "Version".as_ref()]),
    )?;
    Ok(text.trim().to_owned())
}

/// Packs the files of a package as a later version.
fn repack(package: &Path, version: &str, folder: &Path, to: &Path) -> Result<String> {
    let next = format!("{version}+1");
    let unpacked = folder.join("unpacked");
    capture(
        Command::new("dpkg-deb")
            .arg("--raw-extract")
            .args([package, &unpacked]),
    )?;
    let control = unpacked.join("DEBIAN/control");
    let text = fs::read_to_string(&control).context("a package has a control file")?;
    let line = format!("Version: {version}\n");
    if !text.contains(&line) {
        bail!("{} does not say its version", package.display());
    }
    fs::write(&control, text.replace(&line, &format!("Version: {next}\n")))?;
    capture(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .args([&unpacked, to]),
    )?;
    fs::remove_dir_all(&unpacked)?;
    Ok(next)
}
