//! Checks of what operators deploy: the files below `deploy/`, by the programs that read them.

mod kubernetes;
mod stacks;

use anyhow::Result;

use crate::paths::Ctx;

/// Checks the manifests of Kubernetes and the stacks of Swarm.
pub(crate) fn check(ctx: &Ctx) -> Result<()> {
    stacks::check(ctx)?;
    kubernetes::check(ctx)
}
