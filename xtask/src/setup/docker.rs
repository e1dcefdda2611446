//! Docker's engine for the tests and the Swarm: the machine's own, or unpacked into the cache. Installing it would start a daemon
//! with rules of its own, and displace another edition.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{apt, os, unpack};
use crate::paths::Ctx;
use crate::proc::say;

/// The package with `dockerd`.
const PACKAGE: &str = "docker.io";

/// Fetches it, if the machine has none: the tree is then `docker` in the cache.
pub(crate) fn engine(ctx: &Ctx) -> Result<Option<PathBuf>> {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    if std::env::split_paths(&own)
        .chain(system)
        .any(|folder| folder.join("dockerd").is_file())
    {
        return Ok(None);
    }
    let tree = ctx.cache().join("docker");
    if !tree.exists() {
        unpack::may_fetch(
            ctx,
            "Docker's engine",
            &format!("apt-get install --no-install-recommends {PACKAGE}"),
        )?;
    }
    unpack::once(&tree, |fresh| {
        say(format!(
            "fetching {PACKAGE} and what it needs into {}: a test starts its daemon in namespaces (not installed)",
            tree.display()
        ));
        if apt::candidate(PACKAGE).is_none() {
            if !os::is_root() {
                bail!("the package lists do not know {PACKAGE}; run `sudo apt-get update` first");
            }
            apt::update()?;
        }
        unpack::Source::own().unpack(PACKAGE, &unpack::closure(&[PACKAGE])?, fresh)
    })?;
    if !tree.join("usr/sbin/dockerd").exists() && !tree.join("usr/bin/dockerd").exists() {
        bail!(
            "{} is damaged; remove it and run this again",
            tree.display()
        );
    }
    Ok(Some(tree))
}
