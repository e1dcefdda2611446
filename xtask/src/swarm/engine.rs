//! Docker's engine, of the distribution's packages, unpacked into the cache:
//! nothing of it is installed or started on this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::paths::{Ctx, make_dir};
use crate::proc::{capture, say};
use crate::setup::unpack::{self, Source};
use crate::vm::tools::{fresh_lists, on_path};

/// The engine and what it runs. Debian's `docker.io` only recommends some of it.
const PACKAGES: &[&str] = &[
    "docker.io",
    "containerd",
    "runc",
    "tini",
    "iptables",
    "conntrack",
];

/// Programs that Debian's alternatives would point at the nftables variant.
const IPTABLES: &[&str] = &[
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
];

/// The tree to lay over a node's root; `None` where the machine itself has Docker.
pub(super) fn tree(ctx: &Ctx) -> Result<Option<PathBuf>> {
    if on_path("dockerd").is_some() && on_path("iptables").is_some() {
        return Ok(None);
    }
    let tree = ctx.cache().join("vm/docker");
    if !tree.exists() {
        unpack::may_fetch(ctx, "Docker's engine", "cargo xtask swarm")?;
    }
    unpack::once(&tree, |fresh| {
        say(format!(
            "fetching docker.io and what it needs into {}: the engine of the nodes (not installed)",
            ctx.cache().display()
        ));
        fresh_lists("docker.io")?;
        Source::own().unpack("docker.io", &unpack::closure(PACKAGES)?, fresh)?;
        merge_usr(fresh)?;
        let sbin = fresh.join("usr/sbin");
        make_dir(&sbin)?;
        for name in IPTABLES {
            let link = sbin.join(name);
            std::fs::remove_file(&link).ok();
            std::os::unix::fs::symlink("xtables-nft-multi", &link)
                .with_context(|| format!("cannot create {}", link.display()))?;
        }
        Ok(())
    })?;
    if !tree.join("usr/sbin/dockerd").exists() && !tree.join("usr/bin/dockerd").exists() {
        bail!(
            "{} is damaged; remove it and run this again",
            tree.display()
        );
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
            let mut cmd = std::process::Command::new("cp");
            capture(cmd.arg("-a").arg(from.join(".")).arg(&to))?;
            std::fs::remove_dir_all(&from)
                .with_context(|| format!("cannot remove {}", from.display()))?;
        }
    }
    Ok(())
}
