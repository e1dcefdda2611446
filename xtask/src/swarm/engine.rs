//! The tree with Docker's engine that lies over a node's root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths::{Ctx, make_dir};
use crate::proc::capture;
use crate::setup::docker;

/// Programs that Debian's alternatives would point at the nftables variant.
const IPTABLES: &[&str] = &[
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];

/// The tree, ready to use; `None` where the machine itself has Docker and no other `release` is asked for.
pub(super) fn tree(ctx: &Ctx, release: Option<&str>) -> Result<Option<PathBuf>> {
    let tree = match release {
        Some(suite) => docker::engine_of(ctx, suite)?,
        None => match docker::engine(ctx)? {
            Some(tree) => tree,
            None => return Ok(None),
        },
    };
    merge_usr(&tree)?;
    for name in IPTABLES {
        let link = tree.join("usr/sbin").join(name);
        if link.symlink_metadata().is_err() {
            std::os::unix::fs::symlink("xtables-nft-multi", &link)
                .with_context(|| format!("cannot create {}", link.display()))?;
        }
    }
    Ok(Some(tree))
}

/// Older packages still put files into `/sbin` and `/lib`, which are links on
/// the machine's root: as folders they would hide all that is behind the link.
fn merge_usr(tree: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib64"] {
        let from = tree.join(name);
        if from.is_dir() {
            let to = tree.join("usr").join(name);
            make_dir(&to)?;
            capture(Command::new("cp").arg("-a").arg(from.join(".")).arg(&to))?;
            std::fs::remove_dir_all(&from)
                .with_context(|| format!("cannot remove {}", from.display()))?;
        }
    }
    Ok(())
}
