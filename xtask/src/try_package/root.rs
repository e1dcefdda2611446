//! The Debian in which the package is installed.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::package::digest;
use crate::paths::Ctx;
use crate::proc::{run_with_progress, say};
use crate::setup::unpack;

const ARCHIVE: &str = "root.tar";
const SUITE: &str = "bookworm";
/// Beside what every Debian has: its systemd, and what the steps look with.
const PACKAGES: &[&str] = &[
    "bpftool",
    "curl",
    "iproute2",
    "kmod",
    "nftables",
    "systemd",
    "systemd-sysv",
];

/// An archive of it, which is made once for this list of packages.
pub(super) fn ensure(ctx: &Ctx, mirror: Option<&str>) -> Result<PathBuf> {
    let list = PACKAGES.join(",");
    let name = format!("{SUITE}-{}", &digest(list.as_bytes())[..8]);
    let tree = ctx.cache().join("root").join(name);
    let archive = tree.join(ARCHIVE);
    if archive.exists() {
        return Ok(archive);
    }
    unpack::may_fetch(
        ctx,
        "a Debian to boot",
        &format!(
            "mmdebstrap --mode=root --variant=minbase --include={list} {SUITE} {}",
            archive.display()
        ),
    )?;
    let mirror = match mirror {
        Some(mirror) => mirror.to_owned(),
        None => unpack::own_mirror()?,
    };
    unpack::once(&tree, |fresh| {
        say(format!(
            "making a Debian {SUITE} in {}: the package is installed in it",
            tree.display()
        ));
        let mut cmd = Command::new("mmdebstrap");
        cmd.args(["--mode=root", "--variant=minbase"])
            .arg(format!("--include={list}"))
            .args(["--aptopt=Acquire::Languages \"none\"", SUITE])
            .arg(fresh.join(ARCHIVE))
            .arg(mirror);
        run_with_progress("mmdebstrap", &mut cmd)
    })?;
    Ok(archive)
}
