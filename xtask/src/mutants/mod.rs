//! `cargo xtask mutants`: whether tests notice when the code is changed in one place.

mod outcome;
mod sample;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::cli;
use crate::paths::{Ctx, make_dir, read};
use crate::proc::{capture, isolated_cargo, say};
use crate::setup::cargo_tool::MUTANTS;
use outcome::Outcome;

/// A part of the code, and the tests that should notice a change of it.
struct Area {
    name: &'static str,
    package: &'static str,
    /// Globs of its files.
    files: &'static [&'static str],
    /// Packages and targets of the tests, as arguments of `cargo test`.
    tests: &'static [&'static str],
}

const AREAS: [Area; 6] = [
    Area {
        name: "common",
        package: "monitor-common",
        files: &["monitor-common/src/**"],
        tests: &["--lib"],
    },
    Area {
        name: "classify",
        package: "monitor-classify",
        files: &["monitor-classify/src/**"],
        tests: &["-p", "overlay-tests", "--lib", "--test", "traffic"],
    },
    Area {
        name: "traffic",
        package: "monitor",
        files: &["monitor/src/traffic/**"],
        tests: &[
            "-p",
            "overlay-tests",
            "--lib",
            "--test",
            "traffic",
            "--test",
            "replay",
        ],
    },
    Area {
        name: "policy",
        package: "monitor",
        files: &["monitor/src/policy/**"],
        tests: &["--lib"],
    },
    Area {
        name: "exposure",
        package: "monitor",
        files: &["monitor/src/agent/exposure/**"],
        tests: &["-p", "overlay-tests", "--lib", "--test", "kernel_exposure"],
    },
    Area {
        name: "books",
        package: "monitor",
        files: &["monitor/src/agent/*.rs", "monitor/src/agent/exported/**"],
        tests: &["-p", "overlay-tests", "--lib", "--test", "kernel_counts"],
    },
];

/// Changes a sample of places in each area, and prints which changes no test noticed. Returns whether few enough were
/// left.
pub(crate) fn main(ctx: &Ctx, args: &cli::Mutants) -> Result<bool> {
    let areas: Vec<&Area> = AREAS
        .iter()
        .filter(|area| args.areas.is_empty() || args.areas.iter().any(|name| name == area.name))
        .collect();
    if let Some(name) = args
        .areas
        .iter()
        .find(|name| AREAS.iter().all(|area| area.name != **name))
    {
        let names: Vec<_> = AREAS.iter().map(|area| area.name).collect();
        bail!("no area {name}: give {}", names.join(", "));
    }
    let program = MUTANTS.get(ctx)?;
    let mut rows = Vec::new();
    for area in areas {
        let start = Instant::now();
        let outcome = run(ctx, &program, area, args)?;
        rows.push((area.name, outcome, start.elapsed()));
    }
    println!("{}", outcome::table_of(&rows, args.seed));
    Ok(rows.iter().all(|(_, outcome, _)| outcome.is_good()))
}

fn run(ctx: &Ctx, program: &Path, area: &Area, args: &cli::Mutants) -> Result<Outcome> {
    let list = capture(mutants(ctx, program, area).args(["--list", "--json"]))?;
    let all = sample::names(&list)?;
    let chosen = sample::choose(&all, args.seed, args.sample);
    say(format!(
        "{}: {} of {} changes, seed {}, and each deletion of a field",
        area.name,
        chosen.len(),
        all.len(),
        args.seed
    ));
    let folder = ctx.path(format!("target/mutants/{}", area.name));
    make_dir(&folder)?;
    let mut cmd = mutants(ctx, program, area);
    cmd.arg("--output").arg(&folder);
    for name in &chosen {
        cmd.args(["--re", &sample::exactly(name)]);
    }
    cmd.args(["--colors", "never", "--no-times", "--"])
        .args(area.tests);
    // It ends with a code of its own where changes are left; the file says which.
    let status = cmd
        .status()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let file = folder.join("mutants.out/outcomes.json");
    Outcome::parse(&read(&file)?)
        .with_context(|| format!("{}: cargo-mutants ended with {status}", area.name))
}

fn mutants(ctx: &Ctx, program: &Path, area: &Area) -> Command {
    let mut cmd = isolated_cargo(program);
    cmd.arg("mutants")
        .current_dir(&ctx.root)
        .args(["--package", area.package])
        // It compiles again for each change: that takes most of the time.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env_remove("CARGO_TARGET_DIR");
    for file in area.files {
        cmd.args(["--file", file]);
    }
    cmd
}
