//! The package of RPM, packed from copies of its files that all have the commit's time. The packer only brings times that are later
//! than the commit forward to it, so those of an older checkout would be in the package.

use std::fs::{self, File};
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result};

use super::commit::Commit;
use super::product::{PROFILE, PROGRAM, TARGET};
use crate::paths::{Ctx, make_dir, read};
use crate::proc::{run, say};

/// The crate whose manifest names the files.
const CRATE: &str = "monitor";
/// Where the manifest has the program: cargo's folder and profile stand in for it.
const MANIFEST_PROGRAM: &str = "target/release";

/// Packs into the folder `to` what is built below `out`.
pub(super) fn make(ctx: &Ctx, tool: &Path, out: &Path, commit: &Commit, to: &Path) -> Result<()> {
    say("packing for RPM");
    let root = out.join("rpm");
    if root.exists() {
        fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    let seconds = commit.seconds.parse();
    let time = UNIX_EPOCH + Duration::from_secs(seconds.context("git printed no time")?);
    let copy = |from: &Path, below: &Path| copy(from, &root.join(below), time);
    let manifest = Path::new(CRATE).join("Cargo.toml");
    for below in [Path::new("Cargo.toml"), &manifest] {
        copy(&ctx.path(below), below)?;
    }
    for below in sources(&read(&ctx.path(&manifest))?)? {
        copy(&ctx.path(&below), &below)?;
    }
    let built = Path::new(TARGET).join(PROFILE).join(PROGRAM);
    copy(&out.join(&built), &Path::new("target").join(&built))?;
    let mut cmd = Command::new(tool);
    cmd.current_dir(&root)
        .args(["generate-rpm", "--package", CRATE])
        .args(["--target", TARGET, "--profile", PROFILE])
        .arg("--target-dir")
        .arg(root.join("target"))
        .args(["--source-date", &commit.seconds, "--output"])
        .arg(to)
        // No dependency is searched for: the program is static.
        .args(["--auto-req", "disabled"]);
    run(&mut cmd)
}

/// Files of the package, and folders of files with a pattern, from the workspace's root on. Without the program.
fn sources(manifest: &str) -> Result<Vec<PathBuf>> {
    let manifest: toml::Table = toml::from_str(manifest).context("a manifest is no TOML")?;
    let assets = manifest["package"]["metadata"]["generate-rpm"]["assets"].as_array();
    let mut found = Vec::new();
    for asset in assets.context("the manifest names no files for RPM")? {
        let source = asset["source"].as_str().context("a file has no source")?;
        let source = match source.split_once('*') {
            None => Path::new(source),
            Some((before, _)) => before
                .rsplit_once('/')
                .map_or(".", |(folder, _)| folder)
                .as_ref(),
        };
        if source.starts_with(MANIFEST_PROGRAM) {
            continue;
        }
        let outside = source.strip_prefix(Component::ParentDir);
        found.push(outside.map_or_else(|_| Path::new(CRATE).join(source), Path::to_owned));
    }
    Ok(found)
}

/// Copies a file, or the files of a folder, as of this time.
fn copy(from: &Path, to: &Path, time: std::time::SystemTime) -> Result<()> {
    if from.is_dir() {
        let entries =
            fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
        for entry in entries {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()), time)?;
        }
        return Ok(());
    }
    make_dir(to.parent().context("a file is in a folder")?)?;
    fs::copy(from, to)
        .and_then(|_| File::options().write(true).open(to)?.set_modified(time))
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_of_the_manifest_are_found() {
        let manifest = r#"
            [package.metadata.generate-rpm]
            assets = [
                { source = "target/release/overlay-monitor", dest = "/usr/bin/overlay-monitor", mode = "755" },
                { source = "../README.md", dest = "/usr/share/doc/", mode = "644" },
                { source = "../LICENSES/*", dest = "/usr/share/licenses/", mode = "644" },
                { source = "../target/package/files/man/*.1.gz", dest = "/usr/share/man/man1/", mode = "644" },
                { source = "notes.txt", dest = "/usr/share/doc/", mode = "644" },
            ]"#;
        let expected = [
            "README.md",
            "LICENSES",
            "target/package/files/man",
            "monitor/notes.txt",
        ];
        assert_eq!(sources(manifest).unwrap(), expected.map(PathBuf::from));
        assert!(
            !sources(include_str!("../../../monitor/Cargo.toml"))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn copies_have_the_time_that_is_given() {
        let folder = std::env::temp_dir().join(format!("xtask-rpm-{}", std::process::id()));
        make_dir(&folder.join("from")).unwrap();
        fs::write(folder.join("from/a"), "text").unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        copy(&folder.join("from"), &folder.join("to"), time).unwrap();
        let made = fs::metadata(folder.join("to/a")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(made.modified().unwrap(), time);
    }
}
