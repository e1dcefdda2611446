//! What the distributions' own checks say of the packages.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::paths::Ctx;
use crate::proc::{output, printable, say, shown};

/// An error if lintian or rpmlint finds anything that is not explained in `deploy/`.
pub(super) fn none(ctx: &Ctx, deb: &Path, rpm: &Path) -> Result<()> {
    say("checking with lintian and rpmlint");
    let mut lintian = Command::new("lintian");
    lintian
        .args(["--fail-on", "error,warning", "--allow-root"])
        .arg(deb);
    let mut rpmlint = Command::new("rpmlint");
    rpmlint
        .arg("--strict")
        .arg("--config")
        .args([&ctx.path("deploy/rpm/rpmlint.toml"), rpm]);
    for mut check in [lintian, rpmlint] {
        let out = output(&mut check)?;
        if !out.status.success() {
            bail!(
                "`{}` finds (what is meant is explained in deploy/):\n{}",
                shown(&check),
                printable(&String::from_utf8_lossy(&[out.stdout, out.stderr].concat()))
            );
        }
    }
    Ok(())
}
