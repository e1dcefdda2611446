//! Archives that depend on their files and nothing else.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::proc::run;

/// Packs all files of a folder, as those of root, at one time.
pub(super) fn pack(folder: &Path, to: &Path, seconds: &str) -> Result<()> {
    let mut cmd = Command::new("tar");
    cmd.args(["--create", "--format=ustar", "--sort=name"])
        .args(["--owner=0", "--group=0", "--numeric-owner"])
        .arg(format!("--mtime=@{seconds}"))
        .arg("--file")
        .arg(to)
        .arg("--directory")
        .arg(folder);
    // Each by its name: the folder itself has an owner and a time.
    let entries = std::fs::read_dir(folder)?;
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .collect();
    names.sort();
    run(cmd.args(names))
}
