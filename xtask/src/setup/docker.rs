//! Docker's engine for the tests and the Swarm: the machine's own, or unpacked into the cache. Installing it would start a daemon
//! with rules of its own, and displace another edition.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::unpack::{self, Source};
use super::{apt, os};
use crate::paths::Ctx;
use crate::proc::say;

/// The package with `dockerd`.
const PACKAGE: &str = "docker.io";
/// What an engine of another release is made of: newer packages have the client apart, and its rules are those of its own iptables.
const OF_RELEASE: &[&str] = &[PACKAGE, "docker-cli", "iptables"];

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
        Source::own().unpack(PACKAGE, &unpack::closure(&[PACKAGE])?, fresh)
    })?;
    whole(&tree)?;
    Ok(Some(tree))
}

/// Fetches the engine of Debian's release `suite` with all libraries that it needs, the C library among them: over the root of an
/// older Debian the tree has the engine run, and that Debian's own programs run with the newer libraries.
pub(crate) fn engine_of(ctx: &Ctx, suite: &str) -> Result<PathBuf> {
    let tree = ctx.cache().join(format!("docker-{suite}"));
    if !tree.exists() {
        unpack::may_fetch(
            ctx,
            &format!("Docker's engine of Debian {suite}"),
            &format!("cargo xtask swarm --engine {suite}"),
        )?;
    }
    unpack::once(&tree, |fresh| {
        say(format!(
            "fetching {PACKAGE} of Debian {suite} and what it needs into {}: the nodes of a Swarm run it (not installed)",
            tree.display()
        ));
        let source = Source::of_suite(&ctx.cache().join("vm"), suite, None)?;
        let packages = source.with_dependencies(OF_RELEASE)?;
        source.unpack(PACKAGE, &packages, fresh)
    })?;
    whole(&tree)?;
    Ok(tree)
}

/// An error if the tree has no engine.
fn whole(tree: &Path) -> Result<()> {
    if tree.join("usr/sbin/dockerd").exists() || tree.join("usr/bin/dockerd").exists() {
        return Ok(());
    }
    bail!(
        "{} is damaged; remove it and run this again",
        tree.display()
    )
}
