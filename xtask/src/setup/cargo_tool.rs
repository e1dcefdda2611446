//! Finds or builds programs of crates.io that extend cargo.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::{Ctx, make_dir};
use crate::proc::{cargo_path, isolated_cargo, output, quote, run_with_progress, say};

/// A program that is built once, into our cache.
pub(crate) struct CargoTool {
    name: &'static str,
    version: &'static str,
    /// What it is for.
    purpose: &'static str,
}

/// Lint.
pub(crate) const DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    purpose: "it checks licences and advisories",
};
/// Packages.
pub(crate) const DEB: CargoTool = CargoTool {
    name: "cargo-deb",
    version: "3.8.0",
    purpose: "it packs Debian's packages",
};
/// Packages of RPM.
pub(crate) const RPM: CargoTool = CargoTool {
    name: "cargo-generate-rpm",
    version: "0.21.1",
    purpose: "it packs those of RPM",
};
/// Mutation tests.
pub(crate) const MUTANTS: CargoTool = CargoTool {
    name: "cargo-mutants",
    version: "27.1.0",
    purpose: "it changes the code, one place at a time",
};

impl CargoTool {
    /// The program: ours, the one on PATH, or else one that is built now.
    pub(crate) fn get(&self, ctx: &Ctx) -> Result<PathBuf> {
        match self.find(ctx) {
            Some(program) => Ok(program),
            None => self.install(ctx),
        }
    }

    fn find(&self, ctx: &Ctx) -> Option<PathBuf> {
        // As cargo calls it: some do not start otherwise.
        let command = self.name.strip_prefix("cargo-").unwrap_or(self.name);
        let starts = |program: &PathBuf| {
            output(Command::new(program).args([command, "--version"]))
                .is_ok_and(|out| out.status.success())
        };
        let candidates = [
            self.root(ctx).join("bin").join(self.name),
            PathBuf::from(self.name),
        ];
        candidates.into_iter().find(starts)
    }

    fn install(&self, ctx: &Ctx) -> Result<PathBuf> {
        let CargoTool {
            name,
            version,
            purpose,
        } = self;
        let arguments = ["install", "--locked", name, "--version", version, "--root"];
        let folder = self.root(ctx);
        if !ctx.install {
            bail!(
                "{name} is missing, and --no-install was given.\nRun this, then the same xtask command again:\n\n    \
                 cargo {} {}",
                arguments.join(" "),
                quote(&folder.to_string_lossy())
            );
        }
        say(format!(
            "building {name} {version}: {purpose} (once, some minutes)"
        ));
        make_dir(&folder)?;
        let mut cmd = isolated_cargo(&cargo_path());
        cmd.args(arguments)
            .arg(&folder)
            // Not in a workspace whose settings cargo install would read.
            .current_dir(&folder)
            // It runs for seconds: to optimise it takes longer.
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "0");
        // rustup's rustc would take the version that a dependency names for itself.
        let compiler = cargo_path().with_file_name("rustc");
        if compiler.exists() {
            cmd.env("RUSTC", compiler);
        }
        run_with_progress(&format!("cargo install {name}"), &mut cmd)?;
        self.find(ctx)
            .with_context(|| format!("the {name} in {} does not start", folder.display()))
    }

    fn root(&self, ctx: &Ctx) -> PathBuf {
        ctx.cache()
            .join(format!("tools/{}-{}", self.name, self.version))
    }
}
